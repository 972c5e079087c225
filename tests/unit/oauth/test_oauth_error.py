"""What a server says when it refuses, made safe to show; and who is to blame."""

from __future__ import annotations

import pytest
from builders import answer

from authgate_cli.errors import Unreachable
from authgate_cli.oauth.messages import OAuthError, check_data, check_reachable, read_error, refusal

ERRORS = {
    "code": ({"error": "invalid_grant"}, ("invalid_grant", "")),
    "code and description": ({"error": "a", "error_description": "b c"}, ("a", "b c")),
    "hostile description": (
        {"error": "a\x1b[2J", "error_description": "b\nauthgate: error: c"},
        ("a[2J", "b authgate: error: c"),
    ),
    "long code": ({"error": "a" * 100}, ("a" * 59 + "…", "")),
    "code of another kind": ({"error": {"code": 5}}, ("", "")),
    "description of another kind": ({"error": "a", "error_description": 5}, ("a", "")),
    "nothing": ({}, ("", "")),
    "empty": (b"", ("", "")),
    "HTML": (b"<html>", ("", "")),
    "list": (b"[]", ("", "")),
}


@pytest.mark.parametrize(("body", "error"), ERRORS.values(), ids=ERRORS)
def test_an_error_is_read(body, error):
    assert read_error(answer(body, 400)) == error


@pytest.mark.parametrize(
    ("error", "shown"),
    [(OAuthError("a", "b"), "a (b)"), (OAuthError("a"), "a"), (OAuthError(), "no reason given")],
    ids=["both", "code", "neither"],
)
def test_an_error_is_shown(error, shown):
    assert str(error) == shown


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_not_now_is_not_a_refusal(status):
    with pytest.raises(Unreachable, match="^it fails: "):
        check_reachable(answer({"error": "x"}, status), "it fails")


@pytest.mark.parametrize("status", [200, 400, 401, 403, 404])
def test_any_other_status_is_an_answer(status):
    check_reachable(answer({}, status), "it fails")


RATE_LIMITS = {
    "seconds": ({"retry_after": "30"}, "try again in 30 s", 30),
    "silence": ({}, "try again in a minute", None),
    "date": ({"retry_after": "Fri, 15 Jan 2027 08:02:00 GMT"}, "try again in a minute", None),
    "nonsense": ({"retry_after": "²"}, "try again in a minute", None),
}


@pytest.mark.parametrize(("headers", "hint", "wait"), RATE_LIMITS.values(), ids=RATE_LIMITS)
def test_a_rate_limit_says_when_to_try_again(headers, hint, wait):
    with pytest.raises(Unreachable, match="rate limit") as caught:
        check_reachable(answer(b"", 429, **headers), "it fails")
    assert (caught.value.hint, caught.value.retry_after) == (hint, wait)


def test_data_is_let_through():
    check_data(answer({"error": "invalid_grant"}, 400), "it fails")


@pytest.mark.parametrize("status", [200, 302, 400, 403])
def test_a_page_where_data_belongs_means_that_something_stands_in_between(status):
    with pytest.raises(Unreachable, match=f"web page.*{status}") as caught:
        check_data(answer(b"<html>Please sign in to the Wi-Fi", status), "it fails")
    assert "proxy" in caught.value.hint


@pytest.mark.parametrize(
    ("body", "message", "code"),
    [({"error": "a", "error_description": "b"}, "it fails: a (b)", "a"), (b"", "it fails: status 400", "")],
    ids=["with a code", "without"],
)
def test_a_refusal_names_its_reason(body, message, code):
    error = refusal(answer(body, 400), "it fails", "the hint")
    assert (error.message, error.hint, error.code) == (message, "the hint", code)
