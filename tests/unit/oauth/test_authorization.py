"""What a person is sent to the server with, and what redeems the code that comes back."""

from __future__ import annotations

import itertools
import re
from urllib.parse import parse_qs, urlsplit

import pytest
from builders import CLIENT

from authgate_cli.oauth.authorization import challenge, new_request, with_query

REDIRECT = "http://127.0.0.1:8088/callback"
ENDPOINT = "https://auth.example.com/oauth/authorize"


def begin(scope="openid profile"):
    """Return a request whose random bytes count up: 32 of 1, 32 of 2 and so on."""
    numbers = itertools.count(1)
    return new_request(CLIENT, REDIRECT, scope, lambda count: bytes([next(numbers)]) * count)


def query(request, endpoint=ENDPOINT):
    return {name: value for name, [value] in parse_qs(urlsplit(request.url(endpoint)).query, True).items()}


def test_the_address_has_state_nonce_and_the_s256_challenge():
    request = begin()
    assert query(request) == {
        "response_type": "code",
        "client_id": CLIENT,
        "redirect_uri": REDIRECT,
        "scope": "openid profile",
        "state": request.state,
        "nonce": request.nonce,
        "code_challenge": challenge(request.verifier),
        "code_challenge_method": "S256",
    }


def test_state_nonce_and_verifier_are_three_secrets():
    request = begin()
    assert len({request.state, request.nonce, request.verifier}) == 3


@pytest.mark.parametrize("name", ["state", "nonce"])
def test_authgate_takes_no_more_than_127_characters(name):
    assert 32 <= len(getattr(begin(), name)) < 128


def test_the_verifier_is_not_in_the_address():
    request = begin()
    assert request.verifier not in request.url(ENDPOINT)


@pytest.mark.parametrize(
    ("scope", "sent"),
    [("openid", True), ("profile openid", True), ("profile", False), ("openidx", False), ("", False)],
)
def test_a_nonce_goes_with_openid_and_only_then(scope, sent):
    assert ("nonce" in query(begin(scope))) is sent


@pytest.mark.parametrize(
    ("scope", "prompt"), [("openid offline_access", "consent"), ("offline_access", "consent"), ("openid", None)]
)
def test_consent_is_asked_for_with_offline_access(scope, prompt):
    assert query(begin(scope)).get("prompt") == prompt


def test_no_scope_is_not_sent_as_an_empty_one():
    assert "scope" not in query(begin(""))


QUERIES = {
    "no query yet": ("https://a.example/b", "https://a.example/b?scope=a%20b"),
    "a query already": ("https://a.example/b?c=d", "https://a.example/b?c=d&scope=a%20b"),
    "an empty query": ("https://a.example/b?", "https://a.example/b?scope=a%20b"),
    "a port and no path": ("http://127.0.0.1:8080", "http://127.0.0.1:8080?scope=a%20b"),
    "IPv6": ("http://[::1]:8080/b", "http://[::1]:8080/b?scope=a%20b"),
    "a fragment, which none may have": ("https://a.example/b#c", "https://a.example/b?scope=a%20b"),
    "a fragment after a query": ("https://a.example/b?c=d#e", "https://a.example/b?c=d&scope=a%20b"),
    "a field of ours": ("https://a.example/b?scope=e&nonce=f", "https://a.example/b?scope=a%20b"),
    "escapes": ("https://a.example/b%2Fc/%C3%A9?d=%FF%26", "https://a.example/b%2Fc/%C3%A9?d=%FF%26&scope=a%20b"),
    "what escapes nothing": ("https://a.example/%s/50%?c=%s", "https://a.example/%25s/50%25?c=%25s&scope=a%20b"),
    "a word in the query": ("https://a.example/b?reboot", "https://a.example/b?reboot=&scope=a%20b"),
}


@pytest.mark.parametrize(("endpoint", "whole"), QUERIES.values(), ids=QUERIES)
def test_the_query_of_the_endpoint_is_kept(endpoint, whole):
    assert with_query(endpoint, {"scope": "a b", "nonce": None}) == whole


SPECIAL = "$(x)`x`\"';|&<>(){}[]*?~!#^%=x"


@pytest.mark.parametrize(
    "place", ["https://a{}.example/b", "https://a.example/{}/b", "https://a.example/b?{}&{}=c&d={}"]
)
@pytest.mark.parametrize("character", sorted(set(SPECIAL) - set("x")))
def test_nothing_of_the_servers_is_left_that_a_shell_would_run(place, character):
    try:
        address = with_query(place.replace("{}", character), {"state": "s"})
    except ValueError:  # no URL at all
        return
    shown = address.partition("://")[2]
    assert re.fullmatch(r"[\w.:/\[\]%@+,=~-]+(\?[\w.~%-]+=[\w.~%-]*(&[\w.~%-]+=[\w.~%-]*)*)?", shown)
    assert re.findall("%(?![0-9A-F]{2})", shown) == []


def test_the_code_is_redeemed_with_the_verifier():
    request = begin()
    assert request.exchange_fields("the-code") == {
        "grant_type": "authorization_code",
        "code": "the-code",
        "redirect_uri": REDIRECT,
        "code_verifier": request.verifier,
    }
