"""The token endpoint: how a client names itself, and which answers hold a token."""

from __future__ import annotations

import pytest
from builders import CLIENT, ISSUER, NOW, answer

from authgate_cli.errors import Refused, Unreachable
from authgate_cli.oauth.endpoints import BASIC, POST, authenticated, parse_token_response, refuses_client
from authgate_cli.oauth.messages import basic_authorization, parse_query
from authgate_cli.oauth.parsing import LATEST, decode
from authgate_cli.tokens import TokenSet, rfc3339

GIVEN = {"access_token": "the-token", "token_type": "Bearer", "expires_in": 3600, "scope": "profile"}
WHAT = "signing in failed"


def read(asked_scope=None, **changes):
    """Return what becomes of a good answer with these changes; ... takes a member out."""
    document = {name: value for name, value in {**GIVEN, **changes}.items() if value is not ...}
    return parse_token_response(answer(document), WHAT, NOW, asked_scope)


# -- asking

ENDPOINT = f"{ISSUER}/oauth/token"


def fields_and_header(secret, method):
    request = authenticated(ENDPOINT, {"a": "1", "b": None}, CLIENT, secret, method)
    return parse_query(request.body), request.headers.get("Authorization")


def test_a_public_client_gives_its_name():
    assert fields_and_header(None, POST) == ({"a": "1", "client_id": CLIENT}, None)


def test_a_secret_goes_into_the_form_or_into_the_basic_header():
    fields = {"a": "1", "client_id": CLIENT}
    assert fields_and_header("hush", POST) == ({**fields, "client_secret": "hush"}, None)
    assert fields_and_header("hush", BASIC) == (fields, basic_authorization(CLIENT, "hush"))


def test_client_and_secret_are_form_encoded_before_they_become_basic():
    request = authenticated(ENDPOINT, {}, "a:b", "c d&é", BASIC)
    assert request.headers["Authorization"] == basic_authorization("a%3Ab", "c+d%26%C3%A9")


CLIENT_REFUSED = {
    "as RFC 6749 says": (answer({"error": "invalid_client"}, 401), True),
    "no words": (answer(b"", 401), True),
    "the word of another method": (answer({"error": "unauthorized_client"}, 401), True),
    "the word for a grant that is not allowed": (answer({"error": "unauthorized_client"}, 400), False),
    "AuthGate's device endpoint": (answer({"error": "invalid_client"}, 400), True),
    "another reason": (answer({"error": "invalid_grant"}, 400), False),
    "another reason, which may have used up the code": (answer({"error": "invalid_grant"}, 401), False),
    "a page of a proxy": (answer(b"<html>Sign in to the Wi-Fi</html>", 401), False),
    "success": (answer({}), False),
}


@pytest.mark.parametrize(("response", "is_refused"), CLIENT_REFUSED.values(), ids=CLIENT_REFUSED)
def test_a_refusal_of_the_client_is_told_from_others(response, is_refused):
    assert refuses_client(response) is is_refused


def test_nothing_of_a_request_is_in_its_url():
    request = authenticated(ENDPOINT, {"code": "x"}, CLIENT, "hush", POST)
    assert (request.method, request.url) == ("POST", ENDPOINT)


# -- good answers


def test_a_token_is_read():
    assert read(refresh_token="r", id_token="i") == TokenSet(
        "the-token", "Bearer", NOW + 3600, "r", "i", "profile", lifetime=3600
    )


def test_more_than_was_asked_for_is_put_up_with():
    assert read(session_state="x", user={"a": [1]}) == read()


@pytest.mark.parametrize("kind", ["Bearer", "bearer", "BEARER"])
def test_bearer_may_be_written_as_one_likes(kind):
    assert read(token_type=kind).token_type == "Bearer"


@pytest.mark.parametrize("name", ["refresh_token", "id_token"])
@pytest.mark.parametrize("value", [..., None, ""], ids=["missing", "null", "empty"])
def test_a_token_that_is_left_out_is_none(name, value):
    assert getattr(read(**{name: value}), name) is None


EXPIRIES = {
    "seconds": (60, NOW + 60),
    "fraction": (0.5, NOW + 0.5),
    "0": (0, NOW),
    "missing": (..., None),
    "null": (None, None),
    "negative": (-1, None),
    "text": ("3600", None),
    "1e300": (1e300, None),
    "true": (True, None),
    "list": ([3600], None),
}


@pytest.mark.parametrize(("expires_in", "expires_at"), EXPIRIES.values(), ids=EXPIRIES)
def test_what_is_no_usable_number_of_seconds_means_never(expires_in, expires_at):
    assert read(expires_in=expires_in).expires_at == expires_at


def test_a_number_beyond_all_means_never():
    body = b'{"access_token": "a", "token_type": "Bearer", "expires_in": 1e999}'
    assert parse_token_response(answer(body), WHAT, NOW, None).expires_at is None


SCOPES = {
    "granted": ("email", "profile", "email"),
    "absent, as asked": (..., "profile email", "profile email"),
    "absent, and none asked": (..., None, None),
    "of another kind, as asked": (["email"], "profile", "profile"),
    "hostile": ("email\x1b[2J\n", "profile", "email[2J"),
    "long": ("a" * 2000, None, "a" * 2000),
}


@pytest.mark.parametrize(("granted", "asked", "scope"), SCOPES.values(), ids=SCOPES)
def test_the_scope_is_what_was_granted_or_else_what_was_asked(granted, asked, scope):
    assert read(asked, scope=granted).scope == scope


@pytest.mark.parametrize("value", ["a b", "\ud800", 5, {"a": 1}, True], ids=repr)
def test_an_id_token_that_cannot_be_read_is_left_to_its_check(value):
    """A sign-in is refused then, and a refresh keeps its tokens."""
    assert read(id_token=value).id_token == str(value)
    with pytest.raises(ValueError):
        decode(str(value))


# -- answers that cannot be trusted

UNTRUSTED = {
    "no token": ({"access_token": ...}, "holds no access token"),
    "empty token": ({"access_token": ""}, "holds no access token"),
    "token null": ({"access_token": None}, "holds no access token"),
    "token of another kind": ({"access_token": 5}, "holds no access token"),
    "token with a line feed": ({"access_token": "a\nHost: evil"}, "holds no access token"),
    "token with an escape": ({"access_token": "\x1b[2J"}, "holds no access token"),
    "token that is not ASCII": ({"access_token": "é"}, "holds no access token"),
    "token with a lone surrogate": ({"access_token": "\ud800"}, "holds no access token"),
    "no type": ({"token_type": ...}, "without a type"),
    "type null": ({"token_type": None}, "without a type"),
    "another type": ({"token_type": "DPoP"}, "of type DPoP instead of a Bearer token"),
    "MAC": ({"token_type": "mac"}, "of type mac"),
    "hostile type": ({"token_type": "\x1b[2J\n"}, "of type [2J instead"),
    "refresh token with a line feed": ({"refresh_token": "a\nb"}, "refresh token that cannot be used"),
    "refresh token of another kind": ({"refresh_token": 5}, "refresh token that cannot be used"),
}


@pytest.mark.parametrize(("changes", "reason"), UNTRUSTED.values(), ids=UNTRUSTED)
def test_an_answer_that_cannot_be_trusted_is_refused(changes, reason):
    with pytest.raises(Refused, match=f"^{WHAT}: ") as caught:
        read(**changes)
    assert reason in caught.value.message


NO_DATA = {
    "empty": b"",
    "no JSON": b"access_token=a&token_type=bearer",
    "list": b"[]",
    "token twice": b'{"access_token": "a", "access_token": "b", "token_type": "Bearer"}',
    "NaN": b'{"access_token": "a", "token_type": "Bearer", "expires_in": NaN}',
    "bottomless": b"[" * 100_000,
    "not UTF-8": b'{"access_token": "\xff"}',
}


@pytest.mark.parametrize("body", NO_DATA.values(), ids=NO_DATA)
def test_an_answer_that_is_not_strictly_json_is_refused(body):
    with pytest.raises(Refused, match=f"^{WHAT}: the server's answer cannot be used: "):
        parse_token_response(answer(body), WHAT, NOW, None)


NOT_NOW = {
    "rate limit": answer({"error": "rate_limit_exceeded"}, 429),
    "server error": answer({"error": "server_error"}, 500),
    "bad gateway": answer(b"<html>", 502),
    "page": answer(b"<!doctype html>"),
    "page that refuses": answer(b"<html>", 403),
}


@pytest.mark.parametrize("response", NOT_NOW.values(), ids=NOT_NOW)
def test_not_now_is_not_a_refusal(response):
    with pytest.raises(Unreachable, match=f"^{WHAT}: "):
        parse_token_response(response, WHAT, NOW, None)


REFUSALS = {
    "invalid_grant": "run authgate.pyz login to sign in again",
    "invalid_client": "check CLIENT_ID, and CLIENT_SECRET if the client has one",
    "unauthorized_client": "check CLIENT_SECRET; if it is right, the server does not allow this client this sign-in",
    "invalid_scope": "ask for other scopes, for example --scope 'openid'",
    "invalid_code": None,
}


@pytest.mark.parametrize(("code", "hint"), REFUSALS.items(), ids=REFUSALS)
def test_a_refusal_names_its_code_and_the_next_step(code, hint):
    with pytest.raises(Refused) as caught:
        parse_token_response(answer({"error": code}, 400), WHAT, NOW, None)
    assert (caught.value.message, caught.value.code, caught.value.hint) == (f"{WHAT}: {code}", code, hint)


@pytest.mark.parametrize("status", [302, 400, 401, 403, 404])
def test_a_refusal_without_a_code_names_its_status(status):
    with pytest.raises(Refused, match=f"^{WHAT}: status {status}$"):
        parse_token_response(answer(b"", status), WHAT, NOW, None)


def test_no_error_shows_the_token():
    with pytest.raises(Refused) as caught:
        read(access_token="hush-hush\n")
    assert "hush" not in f"{caught.value.message} {caught.value.hint}"


@pytest.mark.parametrize(("expires_in", "when"), [(0, NOW), (1, NOW + 1), (3600, NOW + 3600), (0.5, NOW + 0.5)])
def test_expires_in_is_seconds_from_now(expires_in, when):
    assert read(expires_in=expires_in).expires_at == when


NEVER = {
    "missing": None,
    "negative": -1,
    "text": "3600",
    "1e300": 1e300,
    "larger than a float": 10**400,
    "true": True,
    "false": False,
    "list": [3600],
    "past the year 9999": LATEST,
}


@pytest.mark.parametrize("expires_in", NEVER.values(), ids=NEVER)
def test_expires_in_that_is_no_usable_number_means_never(expires_in):
    assert read(expires_in=expires_in).expires_at is None


def test_the_last_second_of_the_year_9999_can_be_reached():
    assert rfc3339(read(expires_in=LATEST - int(NOW)).expires_at) == "9999-12-31T23:59:59Z"
