"""Where a redirect of the discovery document may lead: to the same host over https, and not for ever."""

from __future__ import annotations

import pytest
from builders import ISSUER, answer

from authgate_cli.errors import Refused
from authgate_cli.oauth.messages import Response
from authgate_cli.server import fetch_metadata

FIRST = f"{ISSUER}/.well-known/openid-configuration"
DOCUMENT = {"issuer": ISSUER, "token_endpoint": f"{ISSUER}/oauth/token"}


def asked(*locations, status=302, issuer=ISSUER):
    """Follow these redirects, one after the other, to the document; return the addresses that were asked."""
    urls = []

    def send(request):
        urls.append((request.method, request.url, dict(request.headers)))
        if len(urls) > len(locations):
            return answer({**DOCUMENT, "issuer": issuer})
        return Response(status, {"location": locations[len(urls) - 1]}, b"")

    try:
        fetch_metadata(send, issuer)
    finally:
        assert all((method, headers) == ("GET", {}) for method, _, headers in urls)
        asked.urls = [url for _, url, _ in urls]
    return asked.urls


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    ("location", "there"),
    [
        (f"{ISSUER}/else", f"{ISSUER}/else"),
        ("/else?x=y", f"{ISSUER}/else?x=y"),
        (f"{ISSUER}:8443/else", f"{ISSUER}:8443/else"),
    ],
)
def test_a_redirect_is_followed_within_the_host_over_https(location, there, status):
    assert asked(location, status=status) == [FIRST, there]


ELSEWHERE = {
    "another host": "https://evil.example/",
    "a host below": f"https://x.{ISSUER.partition('://')[2]}/",
    "plain http": ISSUER.replace("https", "http") + "/else",
    "no scheme": "//evil.example/",
    "backslashes": "/\\evil.example/",
    "loopback": "https://127.0.0.1/",
    "a password": ISSUER.replace("://", "://jane:pw@") + "/",
    "script": "javascript:alert(1)",
    "relative": "else",
    "nothing": "",
    "escape": f"{ISSUER}/\x1b[2J",
    "50 kB, which --verbose would show": f"{ISSUER}/{'a' * 50_000}",
}


@pytest.mark.parametrize("location", ELSEWHERE.values(), ids=ELSEWHERE)
def test_any_other_redirect_is_refused(location):
    with pytest.raises(Refused, match="to another host, to plain http or to a very long address") as caught:
        asked(location)
    assert asked.urls == [FIRST]
    assert "evil" not in f"{caught.value.message}{caught.value.hint}"


def test_redirects_end():
    with pytest.raises(Refused, match="too many redirects"):
        asked(*["/again"] * 9)
    assert len(asked.urls) == 4
