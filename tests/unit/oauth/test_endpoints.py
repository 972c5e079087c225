"""What UserInfo and TokenInfo say, and what it means when they say nothing."""

from __future__ import annotations

import pytest
from builders import answer, jwt

from authgate_cli.errors import Refused, TokenRefused, Unreachable
from authgate_cli.oauth.endpoints import Claims, parse_tokeninfo, parse_userinfo


def test_userinfo_returns_the_claims():
    userinfo = parse_userinfo(answer({"sub": "jane", "name": "Jane"}))
    assert userinfo == Claims({"sub": "jane", "name": "Jane"}, accepted=True, subject="jane")


@pytest.mark.parametrize(
    ("body", "subject"),
    [(jwt({"sub": "jane"}), "jane"), (jwt({"name": "Jane"}), None), ("a.b.c.d.e", None), ("", None), ("\xff", None)],
    ids=["signed", "without a subject", "encrypted", "empty", "not ASCII"],
)
@pytest.mark.parametrize("kind", ["application/jwt", "Application/JWT; charset=utf-8"])
def test_signed_userinfo_is_named_as_what_it_is(body, subject, kind):
    userinfo = parse_userinfo(answer(body.encode("latin-1"), content_type=kind))
    reason = "the server signs it (application/jwt)"
    assert userinfo == Claims(None, reason, accepted=subject is not None, subject=subject)


NOT_AVAILABLE = {
    "lack of scope": (answer({"error": "insufficient_scope"}, 403), "insufficient_scope"),
    "lack of scope, said in a header alone": (
        answer(b"", 403, www_authenticate='Bearer realm="x", error="insufficient_scope"'),
        "insufficient_scope",
    ),
    "lack of scope, in capitals": (
        answer(b"", 403, www_authenticate="Bearer ERROR=insufficient_scope"),
        "insufficient_scope",
    ),
    "not offered": (answer(b"<html>", 404), "status 404"),
    "no GET": (answer(b"", 405), "status 405"),
    "not implemented": (answer(b"", 501), "status 501"),
}


@pytest.mark.parametrize(("response", "reason"), NOT_AVAILABLE.values(), ids=NOT_AVAILABLE)
def test_userinfo_may_not_be_available(response, reason):
    userinfo = parse_userinfo(response)
    assert (userinfo.claims, userinfo.reason) == (None, reason)


def test_lack_of_scope_is_said_to_a_good_token():
    assert parse_userinfo(answer({"error": "insufficient_scope"}, 403)).accepted


def test_an_endpoint_that_is_not_there_says_nothing_of_the_token():
    assert not parse_userinfo(answer(b"", 404)).accepted


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize(
    ("body", "header", "code", "words"),
    [
        ({"error": "invalid_token"}, "Bearer", "invalid_token", ": invalid_token"),
        (b"", "Bearer", None, ""),
        (b"", 'Bearer error="access_denied"', "access_denied", ": access_denied"),
        (b"", "Bearer error=access_denied, error_description=Gone", "access_denied", ": access_denied (Gone)"),
        ({"error": "a"}, 'Bearer error="b", error_description="c"', "a", ": a"),
        (b"x", 'DPoP algs="ES256", Bearer error_description="It ended", error = "e"', "e", ": e (It ended)"),
        (b"", 'Bearer error="', None, ""),
        (b"", 'Bearer error="e", error_uri="https://a.example/?error=insufficient_scope"', "e", ": e"),
        (b"", r'Bearer error_description="no \"error=it", error="e"', "e", ': e (no "error=it)'),
    ],
    ids=["body", "nothing", "header", "not quoted", "both", "several", "cut short", "in another", "in a description"],
)
def test_a_token_that_is_refused_is_told_apart(status, body, header, code, words):
    with pytest.raises(TokenRefused) as caught:
        parse_userinfo(answer(body, status, www_authenticate=header))
    assert caught.value.code == (code or f"status {status}")
    assert caught.value.message == f"the server does not accept the token{words}"
    assert caught.value.forbidden == (status == 403)


@pytest.mark.parametrize(
    "response",
    [answer(b"", 429), answer(b"", 500), answer(b"", 503), answer(b"<html>"), answer(b"<html>", 403)],
    ids=["rate limit", "server error", "maintenance", "portal", "proxy"],
)
def test_userinfo_may_not_be_reachable_now(response):
    with pytest.raises(Unreachable):
        parse_userinfo(response)


UNUSABLE = {
    "no JSON": answer(b"hello"),
    "no subject": answer({"name": "Jane"}),
    "empty subject": answer({"sub": ""}),
    "subject of another kind": answer({"sub": 5}),
    "bad request": answer({"error": "invalid_request"}, 400),
}


@pytest.mark.parametrize("response", UNUSABLE.values(), ids=UNUSABLE)
def test_userinfo_that_cannot_be_used_is_refused(response):
    with pytest.raises(Refused, match="^the token cannot be checked: "):
        parse_userinfo(response)


def test_a_redirect_means_that_something_stands_in_between():
    with pytest.raises(Unreachable, match="got a redirect instead of data"):
        parse_userinfo(answer(b"", 302, location="https://elsewhere.example"))


def test_tokeninfo_returns_what_the_server_says():
    tokeninfo = parse_tokeninfo(answer({"active": True, "exp": 5}))
    assert (tokeninfo.claims, tokeninfo.accepted) == ({"active": True, "exp": 5}, True)


def test_userinfo_may_refuse_a_token_with_status_400():
    with pytest.raises(TokenRefused):
        parse_userinfo(answer({"error": "invalid_token"}, 400))


@pytest.mark.parametrize("status", [302, 429, 500, 503])
def test_userinfo_that_is_not_available_now_refuses_no_token_whatever_it_says(status):
    with pytest.raises(Unreachable):
        parse_userinfo(answer({"error": "invalid_token"}, status))


@pytest.mark.parametrize("document", [{}, {"active": "false"}, {"active": "true"}, {"active": None}, {"active": 1}])
def test_tokeninfo_that_does_not_say_whether_the_token_is_active_proves_nothing(document):
    told = parse_tokeninfo(answer(document))
    assert (told.accepted, told.refused) == (False, False)


def test_tokeninfo_of_an_inactive_token_does_not_accept_it():
    told = parse_tokeninfo(answer({"active": False}))
    assert (told.accepted, told.refused) == (False, True)


WITHOUT_TOKENINFO = {
    "not offered": (answer(b"", 404), "status 404"),
    "refused": (answer({"error": "invalid_token"}, 401), "invalid_token"),
    "rate limit": (answer({"error": "rate_limit_exceeded"}, 429), "rate_limit_exceeded"),
    "server error": (answer(b"<html>", 500), "status 500"),
    "page": (answer(b"<html>"), "the answer cannot be used: it is not JSON"),
}


@pytest.mark.parametrize(("response", "reason"), WITHOUT_TOKENINFO.values(), ids=WITHOUT_TOKENINFO)
def test_without_tokeninfo_there_is_a_reason_and_no_error(response, reason):
    assert parse_tokeninfo(response) == Claims(reason=reason, refused=response.status == 401)
