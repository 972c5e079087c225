"""The requests that are made, and what an answer looks like."""

from __future__ import annotations

import html
import json
from base64 import b64encode
from urllib.parse import quote, urlencode

import pytest
from builders import answer

from authgate_cli.oauth import messages
from authgate_cli.oauth.endpoints import BASIC, POST, authenticated
from authgate_cli.oauth.messages import basic_authorization, read_error
from authgate_cli.oauth.parsing import base64url_encode
from authgate_cli.text import MARKS, SENTENCE, columns

URL = "https://auth.example.com/token"


def test_a_token_travels_in_the_header_alone():
    request = messages.get_as("https://a.example/me", "tok")
    assert request == ("GET", "https://a.example/me", {"Authorization": "Bearer tok"}, None, ("tok",))


def test_a_plain_get_names_nobody():
    assert messages.get("https://a.example") == ("GET", "https://a.example", {}, None, ())


# -- what an error may quote

SECRET = "n0t/for&eyes+at=all"
HEX = "deadbeefcafedeadbeefcafedeadbeefcafedead"  # a device code, without a digit
LETTERS = "onlyletterswithoutanydigit"
ECHOES = {
    "as it is": SECRET,
    "JSON": SECRET.replace("/", "\\/"),
    "JSON by numbers": "".join(f"\\u{ord(character):04X}" for character in SECRET),
    "JSON in JSON": json.dumps(json.dumps(SECRET.replace("/", "\\/"))),
    "ampersand by number": SECRET.replace("&", "\\u0026"),
    "hexadecimal escapes": "".join(f"\\x{ord(character):02x}" for character in SECRET),
    "escapes with braces": "".join(f"\\u{{{ord(character):x}}}" for character in SECRET),
    "percent": quote(SECRET, safe=""),
    "percent, all of it": "".join(f"%{ord(character):02x}" for character in SECRET),
    "percent twice": quote(quote(SECRET, safe=""), safe=""),
    "form": urlencode({"client_secret": SECRET}),
    "HTML": html.escape(SECRET),
    "HTML by numbers": "".join(f"&#{ord(character)};" for character in SECRET),
    "HTML by hexadecimal numbers": "".join(f"&#x{ord(character):X};" for character in SECRET),
    "HTML in percent": quote(html.escape(SECRET), safe=""),
    "percent in JSON in HTML": html.escape(json.dumps({"secret": quote(SECRET, safe="")})),
    "Basic": basic_authorization("client", SECRET),
    "base64": b64encode(SECRET.encode()).decode(),
    "base64url": base64url_encode(SECRET.encode()),
    "hexadecimal": SECRET.encode().hex(),
    "capitals": SECRET.upper(),
    "small": SECRET.lower(),
    "split by spaces": " ".join(SECRET),
    "split by a line feed": SECRET[:9] + "\n" + SECRET[9:],
    "split by a control character": "\x1b".join(SECRET),
    "split by what cannot be seen": "\u200b".join(SECRET),
    "split by combining marks": "\u0301".join(SECRET),
    "split by dashes": "-".join(SECRET),
    "split by an escape": SECRET[:4] + "\\u000a" + SECRET[4:],
    "split by a short escape": SECRET[:4] + "\\n" + SECRET[4:9] + "\\\\t" + SECRET[9:],
    "with spaces for plus signs": SECRET.replace("+", " "),
    "twice": f"{SECRET}{SECRET} and {SECRET}",
    "in a sentence": f"The code '{SECRET}' is unknown.",
    "behind padding": " " * 400 + SECRET,
    "behind a long text": "x " * 290 + SECRET,
}


@pytest.mark.parametrize("status", [200, 400])
@pytest.mark.parametrize("echo", ECHOES.values(), ids=ECHOES)
def test_an_error_that_repeats_a_secret_is_cleared_of_it(echo, status):
    response = answer({"error": "wrong", "error_description": echo}, status)._replace(secrets=(SECRET,))
    error = read_error(response)
    letters = "".join(filter(str.isalnum, str(error).lower()))
    for piece in ("n0tfor", "foreyes", "eyesat", "atall", b64encode(SECRET.encode()).decode()[:12].lower(), "6e3074"):
        assert piece not in letters, error
    assert messages.quotable(echo, 600, (SECRET,)) == error.description


@pytest.mark.parametrize("echo", [HEX, HEX.upper(), HEX.title(), " ".join(HEX), quote(HEX), LETTERS, LETTERS.title()])
def test_a_secret_without_a_digit_is_left_out_in_any_case(echo):
    assert messages.quotable(f"no {echo} here", 600, (HEX, LETTERS)) == "no **** here"


SHORT = "hunter2"
OTHER_CODES = {
    "base64": b64encode(SHORT.encode()).decode(),
    "base64url": base64url_encode(SHORT.encode()),
    "hexadecimal": SHORT.encode().hex().upper(),
    "JavaScript's escape()": "".join(f"%u{ord(one):04x}" for one in SHORT),
    "fullwidth": "".join(chr(ord(one) + 0xFEE0) for one in SHORT),
    "mathematical letters": "".join(chr(ord(one) + 0x1D3B9) if one.islower() else one for one in SHORT),
    "accents": "hüñtér2",
}


@pytest.mark.parametrize("echo", OTHER_CODES.values(), ids=OTHER_CODES)
def test_a_short_secret_is_left_out_in_other_codes_too(echo):
    quoted = messages.quotable(f"'{echo}' is wrong", 600, (SHORT,))
    assert quoted in ("'****' is wrong", "'****==' is wrong")


PIECES = {
    "its beginning": LETTERS[:20],
    "its beginning and an ellipsis": f"{LETTERS[:12]}…",
    "its end": LETTERS[-12:],
    "beginning and end": f"{LETTERS[:12]}...{LETTERS[-12:]}",
    "cut off with the text": "x" + " " * (messages._LONGEST_QUOTE - 20) + LETTERS,
    "LDAP escapes between pieces": f"{LETTERS[:13]}\\2f{LETTERS[13:]}",
    "quoted-printable between pieces": f"{LETTERS[:13]}=2F{LETTERS[13:]}",
}


@pytest.mark.parametrize("echo", PIECES.values(), ids=PIECES)
def test_a_long_piece_of_a_secret_is_left_out_too(echo):
    quoted = messages.quotable(f"no {echo} here", 600, (LETTERS,))
    assert "****" in quoted
    assert not any(LETTERS[start : start + 12] in quoted for start in range(len(LETTERS)))


def test_a_short_piece_of_a_secret_is_no_secret():
    assert messages.quotable(f"no {LETTERS[:11]} here", 600, (LETTERS,)) == f"no {LETTERS[:11]} here"


@pytest.mark.parametrize("secret", ["_secret-of-1-request-", "-a9z_", "--"])
def test_a_secret_is_left_out_whole(secret):
    assert messages.quotable(f"the state {secret} is unknown", 60, (secret,)) == "the state **** is unknown"


def test_the_longer_of_two_secrets_is_left_out_first():
    assert messages.quotable("abcdef abc", 60, ("abc", "abcdef")) == "**** ****"


@pytest.mark.parametrize(
    "secret", [r"pass\w\o\r\d!?#$%^", r"\p\a\s\s!@#$%^&*()", r"pass\word!?#$", r'S3cr&t/w+rd"p\ss=%']
)
def test_a_secret_with_backslashes_is_left_out_whole(secret):
    assert messages.quotable(f"bad secret [{secret}]", 600, (secret,)) == "bad secret [****]"


@pytest.mark.parametrize("secret", ["a\\u0041b", "a\\nb", "a%41b", "a&amp;b", "!!!", "ß", "İ", ""], ids=repr)
def test_a_secret_that_looks_like_an_escape_is_left_out_too(secret):
    quoted = messages.quotable(f"<{secret}>", 60, (secret,))
    assert quoted == ("<****>" if secret else "<>")


OTHER_TOKENS = {
    "a JWT": ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJqYW5lIn0.c2ln", "****"),
    "a token with a digit": ("2YotnFZFEjr1zCsicMWpAA", "****"),
    "20 characters": ("a" * 19 + "1", "****"),
    "19 characters": ("a" * 18 + "1", "a" * 18 + "1"),
    "no digit": ("authorization_pending_for_ever", "authorization_pending_for_ever"),
    "a number of Microsoft's": ("AADSTS7000218: no secret", "AADSTS7000218: no secret"),
    "a trace": ("Trace ID: 6a4b6a8e-1c5f-4f0e-9f0c-111111111111 now", "Trace ID: **** now"),
    "escaped": ("%32YotnFZFEjr1zCsicMWpAA", "****"),
}


@pytest.mark.parametrize(("text", "shown"), OTHER_TOKENS.values(), ids=OTHER_TOKENS)
def test_what_could_be_somebody_elses_token_is_left_out(text, shown):
    assert messages.quotable(text, 600) == shown


@pytest.mark.parametrize("code", ["invalid_grant", "unsupported_grant_type", "unsupported_token_type", "slow_down"])
def test_a_registered_error_code_is_shown_whatever_the_secret_is(code):
    response = answer({"error": code, "error_description": code}, 400)._replace(secrets=("invalid", "slow", "type"))
    assert read_error(response).code == code


def test_an_issuer_is_shown_as_it_is():
    issuer = "https://auth.example.com/realms/8c1f0a52-7c11-4c7c-8a55-2f6a5f5f6b0e"
    assert messages.quotable_issuer(issuer, ("auth",)) == issuer
    assert len(messages.quotable_issuer(issuer * 9000)) == 200


@pytest.mark.parametrize(
    "said", ["2YotnFZFEjr1zCsicMWpAA", {"a": "2YotnFZFEjr1zCsicMWpAA"}, "x-2YotnFZFEjr1zCsicMWpAA"]
)
def test_what_is_no_issuer_is_quoted_like_any_other_text(said):
    assert "2Yotn" not in messages.quotable_issuer(said)


def test_the_telling_sentence_of_a_long_description_is_shown():
    """Hydra's, of 390 characters; the end says what to do."""
    text = (
        "Client authentication failed (e.g., unknown client, no client authentication included, or unsupported"
        " authentication method). The OAuth 2.0 Client supports client authentication method 'client_secret_basic',"
        " but method 'client_secret_post' was requested. You must configure the OAuth 2.0 client's"
        " 'token_endpoint_auth_method' value to accept 'client_secret_post'."
    )
    assert messages.quotable(text, SENTENCE) == text


@pytest.mark.parametrize(
    "piece", ["%25", "&amp;", "\\\\", "\\u005c", "a", "1", " ", "\u0301", "李", "x\u0301"], ids=ascii
)
def test_a_megabyte_of_anything_is_quoted_in_a_line(piece):
    quoted = messages.quotable(piece * (1_000_000 // len(piece)), SENTENCE, (SECRET, HEX * 100))
    assert columns(quoted) <= SENTENCE
    assert len(quoted) <= (1 + MARKS) * SENTENCE


@pytest.mark.parametrize(
    ("request_", "secrets"),
    [
        (messages.post_form(URL, {"code": "c", "code_verifier": "v", "client_id": "i"}), ("c", "v")),
        (messages.post_form(URL, {"token": "t", "refresh_token": None}), ("t",)),
        (authenticated(URL, {"device_code": "d"}, "i", "s", POST), ("s", "d")),
        (authenticated(URL, {"device_code": "d"}, "i", "s", BASIC), ("d", "aTpz", "s")),
        (messages.get_as(URL, "a"), ("a",)),
    ],
    ids=["code", "revocation", "post", "Basic", "Bearer"],
)
def test_a_request_knows_its_secrets(request_, secrets):
    assert request_.secrets == secrets


PAGES = {
    "declared": answer(b"Sign in", content_type="text/html; charset=utf-8"),
    "declared in capitals": answer(b"{", content_type="Text/HTML"),
    "XHTML": answer(b"", content_type="application/xhtml+xml"),
    "not declared": answer(b" \n<!doctype html>"),
}


@pytest.mark.parametrize("response", PAGES.values(), ids=PAGES)
def test_a_page_for_people_is_known_as_one(response):
    assert response.is_html


DATA = {
    "JSON": answer({}, content_type="application/json"),
    "JSON that is called a page": answer({}, content_type="text/html"),
    "empty": answer(b""),
}


@pytest.mark.parametrize("response", DATA.values(), ids=DATA)
def test_data_is_no_page(response):
    assert not response.is_html
