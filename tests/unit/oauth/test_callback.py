"""Only an answer with the right state ends the waiting; everything else is passed over."""

from __future__ import annotations

import ast
import inspect

import pytest
from builders import ISSUER, STATE

from authgate_cli.oauth.authorization import Callback, iss_problem, read_pasted, read_query
from authgate_cli.urls import split

REDIRECT = split("http://127.0.0.1:8088/callback")
GOOD = f"http://127.0.0.1:8088/callback?code=abc&state={STATE}"

ANSWERS = {
    "code": ("code=a%2Fb%20c&state=the-state", Callback(code="a/b c")),
    "code and issuer": ("code=abc&state=the-state&iss=https%3A%2F%2Fa", Callback(code="abc", issuer="https://a")),
    "empty issuer": ("code=abc&state=the-state&iss=", Callback(code="abc", issuer="")),
    "more than was asked for": ("code=abc&state=the-state&session_state=1", Callback(code="abc")),
    "error": ("error=access_denied&state=the-state", Callback(error="access_denied")),
    "error and description": (
        "error=server_error&error_description=not+today&state=the-state",
        Callback(error="server_error", description="not today"),
    ),
    "error beats code": ("error=access_denied&code=abc&state=the-state", Callback(error="access_denied")),
    "hostile error": (
        "error=%1B%5B2Ja&error_description=b%0Aauthgate:+error:+c&state=the-state",
        Callback(error="[2Ja", description="b authgate: error: c"),
    ),
}


@pytest.mark.parametrize(("query", "callback"), ANSWERS.values(), ids=ANSWERS)
def test_an_answer_with_our_state_is_read(query, callback):
    assert read_query(query, STATE) == callback


def test_the_state_is_compared_in_constant_time():
    """How long it takes cannot be seen from outside; that nothing else compares it can."""
    tree = ast.parse(inspect.getsource(read_query))
    compared = [ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Compare)]
    called = [ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Call)]
    assert not any("state" in comparison for comparison in compared)
    assert any(call.startswith("hmac.compare_digest(") and "state" in call for call in called)


NOT_OURS = {
    "nothing": "",
    "no state": "code=abc",
    "wrong state": "code=abc&state=another",
    "longer state": "code=abc&state=the-state2",
    "shorter state": "code=abc&state=the-stat",
    "empty state": "code=abc&state=",
    "state that is not ASCII": "code=abc&state=%C3%A9",
    "state that is not UTF-8": "code=abc&state=%FF",
    "wrong state on an error": "error=access_denied&state=another",
    "no state on an error": "error=access_denied",
    "neither code nor error": "state=the-state",
    "empty code": "code=&state=the-state",
    "error that says nothing": "error=%1B&state=the-state",
    "two states": "code=abc&state=another&state=the-state",
    "two codes": "code=abc&code=def&state=the-state",
    "fields without end": "code=abc&state=the-state&" + "&".join(f"a{number}=1" for number in range(60)),
}


@pytest.mark.parametrize("query", NOT_OURS.values(), ids=NOT_OURS)
def test_anything_else_does_not_end_the_waiting(query):
    assert read_query(query, STATE) is None


PASTED = {
    "as it is": GOOD,
    "with a line end": GOOD + "\r\n",
    "in quotes": f"'{GOOD}'",
    "in angle brackets": f"<{GOOD}>",
    "with a fragment": GOOD + "#_=_",
    "with a shouted scheme": GOOD.replace("http", "HTTP"),
    "with https": GOOD.replace("http", "https"),
    "without a scheme": GOOD.partition("://")[2],
}


@pytest.mark.parametrize("text", PASTED.values(), ids=PASTED)
def test_a_pasted_address_is_read(text):
    assert read_pasted(text, REDIRECT, STATE) == Callback(code="abc")


NOT_PASTED = {
    "nothing": "",
    "just a code": "abc",
    "just a query": f"code=abc&state={STATE}",
    "wrong state": GOOD.replace(STATE, "another"),
    "no state": "http://127.0.0.1:8088/callback?code=abc",
    "another host": GOOD.replace("127.0.0.1", "localhost"),
    "another port": GOOD.replace("8088", "8089"),
    "another scheme": GOOD.replace("http:", "ftp:"),
    "an address within": "https://evil.example/?" + GOOD,
    "another path": GOOD.replace("/callback", "/callback/"),
    "line within": GOOD.replace("code", "\ncode"),
}


@pytest.mark.parametrize("text", NOT_PASTED.values(), ids=NOT_PASTED)
def test_any_other_pasted_text_is_passed_over(text):
    assert read_pasted(text, REDIRECT, STATE) is None


@pytest.mark.parametrize("redirect", ["http://127.0.0.1", "http://127.0.0.1/"])
@pytest.mark.parametrize("pasted", ["http://127.0.0.1", "http://127.0.0.1/"])
def test_a_callback_at_the_root_may_be_written_without_its_slash(pasted, redirect):
    assert read_pasted(f"{pasted}?code=abc&state={STATE}", split(redirect), STATE)


TRUSTED = {
    "absent and not advertised": (None, False),
    "equal": (ISSUER, False),
    "equal and advertised": (ISSUER, True),
}
SUSPICIOUS = {
    "absent although advertised": (None, True, "the answer has no iss parameter"),
    "another": ("https://evil.example.com", False, "from another server (https://evil.example.com)"),
    "another and advertised": ("https://evil.example.com", True, "from another server"),
    "a slash more": (ISSUER + "/", False, "from another server"),
    "empty": ("", True, "from another server"),
    "hostile": ("https://\x1b[2J", False, "from another server (https://[2J)"),
}


@pytest.mark.parametrize(("iss", "advertised"), TRUSTED.values(), ids=TRUSTED)
def test_an_answer_from_the_issuer_is_trusted(iss, advertised):
    assert iss_problem(Callback(code="abc", issuer=iss), ISSUER, advertised) is None


@pytest.mark.parametrize(("iss", "advertised", "problem"), SUSPICIOUS.values(), ids=SUSPICIOUS)
@pytest.mark.parametrize("callback", [Callback(code="abc"), Callback(error="access_denied")], ids=["code", "error"])
def test_an_answer_from_anybody_else_is_not(callback, iss, advertised, problem):
    assert problem in iss_problem(callback._replace(issuer=iss), ISSUER, advertised)


@pytest.mark.parametrize("field", ["error", "error_description"])
def test_the_code_of_an_answer_is_left_out_of_its_error(field):
    callback = read_query(
        f"error=e&{field}=c0de1+refused&code=c0de1&state={STATE}".replace("error=e&error=", "error="), STATE
    )
    assert "c0de1" not in callback.error + callback.description


def test_the_code_of_an_answer_is_left_out_of_what_is_said_about_its_issuer():
    assert iss_problem(Callback(code="c0de1", issuer="c0de1"), "https://auth.example.com", False).endswith("(****)")
