"""The report is that of the contract, letter for letter."""

from __future__ import annotations

import json

import pytest
from builders import CLIENT, ISSUER, NOW

from authgate_cli import report
from authgate_cli.oauth.endpoints import Claims
from authgate_cli.server import Checked
from authgate_cli.settings import Settings
from authgate_cli.text import document
from authgate_cli.tokens import IssuedToken, TokenSet

TOKEN = TokenSet(
    "eyJhbGciOiJIUzI1NiJ9",
    expires_at=NOW + 3600.9,
    refresh_token="dGhpcyBpcyBhIHJlZnJlc2g",
    id_token="eyJ0eXAiOiJKV1Qi",
    scope="profile email",
)
USER = {"sub": "user-uuid-1234", "name": "Jane Doe", "email": "jane@example.com"}
INFO = {
    "active": True,
    "user_id": "user-uuid-1234",
    "client_id": "your-client-id",
    "scope": "profile email",
    "subject_type": "user",
    "iss": "https://auth.example.com",
    "exp": 1735732800,
}
REPORT = """\
User: Jane Doe (jane@example.com)
Subject: user-uuid-1234
Access Token: eyJhbGci...
Refresh Token: dGhpcyBp...
Token Type: Bearer
Expires In: 3600
Expires At: 2027-01-15T09:00:00Z
Scope: profile email
ID Token: eyJ0eXAi...
TokenInfo Active: True
TokenInfo UserID: user-uuid-1234
TokenInfo ClientID: your-client-id
TokenInfo Scope: profile email
TokenInfo SubjectType: user
TokenInfo Issuer: https://auth.example.com
TokenInfo Exp: 1735732800
"""


def checked(token=TOKEN, user=USER, info=INFO):
    """Return a token and two answers; an answer that is text is the reason why there is none."""
    userinfo, tokeninfo = (Claims(reason=one) if isinstance(one, str) else Claims(one) for one in (user, info))
    return Checked(IssuedToken(token, "stored", "keyring"), userinfo, tokeninfo)


def lines(show_tokens=False, **parts):
    return report.as_text(checked(**parts), NOW, show_tokens).splitlines()


def fields(show_tokens=False, **parts):
    settings = Settings(issuer=ISSUER, client_id=CLIENT)
    return json.loads(report.as_json(checked(**parts), settings, NOW, show_tokens))


def test_the_report_is_that_of_the_contract():
    assert report.as_text(checked(), NOW, show_tokens=False) == REPORT


USERS = {
    "name and address": ({"name": "Jane", "email": "j@x"}, "User: Jane (j@x)"),
    "name": ({"name": "Jane"}, "User: Jane"),
    "user name": ({"preferred_username": "jane", "email": "j@x"}, "User: jane (j@x)"),
    "nickname": ({"nickname": "jj"}, "User: jj"),
    "address": ({"email": "j@x"}, "User: j@x"),
    "nothing but the subject": ({}, "User: 42"),
    "empty name": ({"name": "", "preferred_username": "jane"}, "User: jane"),
    "name that cannot be seen": ({"name": "\u200b", "preferred_username": "jane"}, "User: jane"),
    "name of another kind": ({"name": ["Jane"]}, "User: 42"),
    "hostile name": ({"name": "Jane\x1b[2J\nExpires In: 1"}, "User: Jane[2J Expires In: 1"),
}


@pytest.mark.parametrize(("claims", "line"), USERS.values(), ids=USERS)
def test_the_user_is_called_by_the_best_name_there_is(claims, line):
    assert lines(user={"sub": "42", **claims})[:2] == [line, "Subject: 42"]


TOKENS = {
    "short tokens": (TokenSet("12345678", refresh_token="a", id_token="b"), ["****", "****", "****"]),
    "tokens that do not exist": (TokenSet("123456789"), ["12345678...", "(none)", "(none)"]),
}


@pytest.mark.parametrize(("token", "shown"), TOKENS.values(), ids=TOKENS)
def test_tokens_are_masked(token, shown):
    report_lines = lines(token=token)
    assert [report_lines[2], report_lines[3], report_lines[8]] == [
        f"Access Token: {shown[0]}",
        f"Refresh Token: {shown[1]}",
        f"ID Token: {shown[2]}",
    ]


def test_tokens_are_shown_when_that_is_asked_for():
    shown = lines(show_tokens=True)
    assert (shown[2], shown[3], shown[8]) == (
        "Access Token: eyJhbGciOiJIUzI1NiJ9",
        "Refresh Token: dGhpcyBpcyBhIHJlZnJlc2g",
        "ID Token: eyJ0eXAiOiJKV1Qi",
    )


def test_a_token_that_does_not_exist_cannot_be_shown():
    assert "Refresh Token: (none)" in lines(show_tokens=True, token=TokenSet("a"))


EXPIRIES = {
    "never": (None, "never", "never"),
    "now": (NOW, "0", "2027-01-15T08:00:00Z"),
    "a minute ago": (NOW - 60, "0", "2027-01-15T07:59:00Z"),
    "within a second": (NOW + 0.9, "0", "2027-01-15T08:00:00Z"),
    "at the end of the year 9999": (253402300799, str(253402300799 - int(NOW)), "9999-12-31T23:59:59Z"),
}


@pytest.mark.parametrize(("expires_at", "left", "when"), EXPIRIES.values(), ids=EXPIRIES)
def test_the_expiry_is_told_in_seconds_and_as_a_time(expires_at, left, when):
    assert lines(token=TokenSet("a", expires_at=expires_at))[5:7] == [f"Expires In: {left}", f"Expires At: {when}"]


def test_a_token_without_scope_has_none():
    assert "Scope: (none)" in lines(token=TokenSet("a"))


def test_without_userinfo_the_first_line_says_why_and_there_is_no_subject():
    report_lines = lines(user="insufficient_scope")
    assert report_lines[0] == "Token: eyJhbGci... (UserInfo not available: insufficient_scope)"
    assert report_lines[1] == "Access Token: eyJhbGci..."


def test_without_tokeninfo_there_is_one_line_that_says_why():
    assert lines(info="status 404")[9:] == ["TokenInfo: not available (status 404)"]


def test_a_tokeninfo_that_says_nothing_keeps_its_lines():
    assert lines(info={})[9:] == [line.split(": ")[0] + ": (none)" for line in REPORT.splitlines()[9:]]


def test_an_inactive_token_is_told_so():
    assert "TokenInfo Active: False" in lines(info={**INFO, "active": False})


HOSTILE = "\x1b]0;owned\x07\nUser: root\u202e"


@pytest.mark.parametrize(
    "parts",
    [
        {"user": {"sub": HOSTILE}},
        {"user": {"sub": "a", "email": HOSTILE}},
        {"user": HOSTILE},
        {"token": TokenSet("a", token_type=HOSTILE)},
        {"token": TokenSet("a", scope=HOSTILE)},
        {"info": {**INFO, "iss": HOSTILE, "active": HOSTILE}},
        {"info": HOSTILE},
    ],
    ids=["subject", "address", "reason", "token type", "scope", "TokenInfo", "TokenInfo's reason"],
)
def test_no_text_of_a_server_reaches_the_terminal_as_it_is(parts):
    text = report.as_text(checked(**parts), NOW, show_tokens=False)
    assert not set("\x1b\x07\u202e") & set(text)
    assert not [line for line in text.splitlines()[1:] if line.startswith("User:")]


# -- JSON


def test_the_json_document_has_the_keys_of_the_contract():
    assert fields() == {
        "user": USER,
        "token": {
            "access_token": "eyJhbGci...",
            "refresh_token": "dGhpcyBp...",
            "id_token": "eyJ0eXAi...",
            "token_type": "Bearer",
            "expires_in": 3600,
            "expires_at": "2027-01-15T09:00:00Z",
            "scope": "profile email",
        },
        "tokeninfo": INFO,
        "source": "stored",
        "store": "keyring",
        "issuer": ISSUER,
        "client_id": CLIENT,
    }


def test_what_does_not_exist_is_null():
    absent = fields(token=TokenSet("a"), user="no", info="no")
    assert absent["user"] is None
    assert absent["tokeninfo"] is None
    assert absent["token"] == {
        "access_token": "****",
        "refresh_token": None,
        "id_token": None,
        "token_type": "Bearer",
        "expires_in": None,
        "expires_at": None,
        "scope": None,
    }


def test_a_token_from_the_environment_may_have_no_client():
    text = report.as_json(checked(), Settings(issuer=ISSUER), NOW, show_tokens=False)
    assert json.loads(text)["client_id"] is None


def test_the_json_document_shows_tokens_when_that_is_asked_for():
    assert fields(show_tokens=True)["token"]["refresh_token"] == TOKEN.refresh_token


def test_the_json_document_is_ascii_whatever_the_console():
    settings = Settings(issuer=ISSUER)
    text = report.as_json(checked(user={"sub": "李\ud800\x1b"}), settings, NOW, show_tokens=False)
    assert text.isascii()
    assert "\x1b" not in text


def test_one_document_ends_with_one_line_end():
    assert document({"a": 1}) == '{\n  "a": 1\n}\n'
