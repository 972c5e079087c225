"""Fetch a server's discovery document."""

from __future__ import annotations

from ..errors import Refused
from ..protocol import discovery
from ..protocol.messages import get
from ..urls import split
from ..values import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..protocol.discovery import Metadata
    from ..protocol.messages import Request, Response

_MOST_REDIRECTS = 3


def discover(send: Callable[[Request], Response], issuer: str) -> tuple[Metadata, Response]:
    """Return what the server says of itself, and in which answer. Raise Unreachable or Refused.

    A redirect is followed here alone, and only to the same host over https (rule: discovery).
    """
    url = discovery.discovery_url(issuer)
    for _ in range(_MOST_REDIRECTS + 1):
        response = send(get(url))
        if response.status not in (301, 302, 303, 307, 308):
            return discovery.parse(response, issuer), response
        url = _followed(url, response.headers.get("location", ""), issuer)
    raise Refused("the server's discovery document is behind too many redirects", "is AUTHGATE_URL right?")


def _followed(url: str, location: str, issuer: str) -> str:
    here = split(url)
    if location.startswith("/") and not location.startswith("//"):
        location = f"{here.scheme}://{here.netloc}{location}"
    try:
        there = split(location)
        allowed = there.host == here.host and there.scheme == "https"
    except ValueError:
        allowed = False
    if not allowed:
        raise Refused(
            "the server's discovery document is elsewhere, and this redirect is not followed",
            f"set AUTHGATE_URL to the server's own URL instead of {issuer}",
        )
    return location
