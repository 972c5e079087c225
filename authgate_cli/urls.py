"""Take URLs apart, strictly. Not `urllib.parse`: it accepts too much, and a cached `token` does without it."""

from __future__ import annotations

import re

from .values import Value

_URL = (
    r"(?P<scheme>https?)://(?P<host>\[[0-9a-f:.]+\]|[^\[\]:/?#@]+)(?::(?P<port>\d{1,5}))?"
    r"(?P<path>/[^?#]*)?(?:\?(?P<query>[^#]*))?(?P<fragment>#.*)?"
)
_LOOPBACK = r"127(\.(25[0-5]|2[0-4]\d|1?\d?\d)){3}"


class Url(Value):
    """A URL in parts. `host` has no brackets, `netloc` is as it stands in the URL."""

    scheme: str
    host: str
    port: int
    netloc: str
    path: str
    query: str = ""
    fragment: str = ""

    @property
    def target(self) -> str:
        """Return what an HTTP request line asks for."""
        return (self.path or "/") + ("?" + self.query if self.query else "")

    @property
    def origin(self) -> tuple[str, str, int]:
        """Return scheme, host and port (RFC 6454)."""
        return (self.scheme, self.host, self.port)

    @property
    def is_loopback(self) -> bool:
        """Tell whether the host is this machine: `localhost`, 127.0.0.0/8 or ::1."""
        return self.host in ("localhost", "::1") or re.fullmatch(_LOOPBACK, self.host) is not None

    @property
    def is_safe(self) -> bool:
        """Tell whether a secret may travel there: over https, or within this machine."""
        return self.scheme == "https" or self.is_loopback


def split(url: str) -> Url:
    """Take an http(s) URL apart. Raise ValueError, with a reason that can be shown, for any other."""
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        raise ValueError("it has characters that no URL has")
    match = re.fullmatch(_URL, url, re.IGNORECASE)
    if match is None:
        raise ValueError(_reason(url))
    scheme, host = match["scheme"].lower(), match["host"].lower().strip("[]")
    port = int(match["port"] or (443 if scheme == "https" else 80))
    if not 1 <= port <= 65535:
        raise ValueError("its port is impossible")
    netloc = match["host"] + (":" + match["port"] if match["port"] else "")
    return Url(scheme, host, port, netloc, match["path"] or "", match["query"] or "", match["fragment"] or "")


def _reason(url: str) -> str:
    if not re.match(r"https?://", url, re.IGNORECASE):
        return "it has to begin with https:// or http://"
    authority = re.split(r"[/?#]", url.split("://", 1)[1])[0]
    if "@" in authority:
        return "it holds a user name or password"
    return "its host or port is impossible" if authority else "it names no host"
