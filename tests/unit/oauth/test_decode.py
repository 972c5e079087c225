"""A JWT is taken apart, and nothing in it believed."""

from __future__ import annotations

import pytest
from builders import jwt

from authgate_cli.oauth.parsing import claimed_text, decode


def test_a_jwt_is_taken_apart():
    # RFC 7519, section 6.1
    token = decode(
        "eyJhbGciOiJub25lIn0.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ."
    )
    assert token == (
        {"alg": "none"},
        {"iss": "joe", "exp": 1300819380, "http://example.com/is_root": True},
        b"eyJhbGciOiJub25lIn0.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ",
        b"",
    )


NO_JWTS = {
    "empty": "",
    "opaque": "2YotnFZFEjr1zCsicMWpAA",
    "two parts": "e30.e30",
    "five parts": "e30.e30.e30.e30.e30",
    "empty parts": "..",
    "padding": "e30=.e30=.",
    "claims are a list": "e30.W10.",
    "header is a list": "W10.e30.",
    "claims are no JSON": "e30.YWJj.",
    "claims twice": "e30." + "eyJhIjoxLCJhIjoxfQ" + ".",
    "not ASCII": "é.é.é",
    "lone surrogate": "\ud800.e30.",
}


@pytest.mark.parametrize("token", NO_JWTS.values(), ids=NO_JWTS)
def test_anything_else_is_no_jwt(token):
    with pytest.raises(ValueError):
        decode(token)


@pytest.mark.parametrize("token", ["opaque", "e30.e30", "e30.e30.e30.e30.e30"])
def test_the_reason_for_most_is_the_number_of_parts(token):
    with pytest.raises(ValueError, match="^it does not have three parts$"):
        decode(token)


@pytest.mark.parametrize("token", NO_JWTS.values(), ids=NO_JWTS)
def test_what_is_no_jwt_claims_nothing(token):
    assert (claimed_text(token, "iss"), claimed_text(token, "sub")) == (None, None)


def test_a_jwt_claims_its_issuer_and_its_subject():
    token = jwt({"iss": "https://a.example", "sub": "jane"})
    assert (claimed_text(token, "iss"), claimed_text(token, "sub")) == ("https://a.example", "jane")


@pytest.mark.parametrize("value", [None, 5, ["a"]], ids=repr)
def test_a_claim_of_another_kind_is_none(value):
    assert claimed_text(jwt({"iss": value}), "iss") is None


def test_no_token_has_no_subject():
    assert claimed_text(None, "sub") is None
