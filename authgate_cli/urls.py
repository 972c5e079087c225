"""Split http(s) URLs with `urllib.parse`, and refuse malformed ones that it accepts."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

from .values import TYPE_CHECKING, Value

if TYPE_CHECKING:
    from typing import TypeGuard


_HOST = frozenset("abcdefghijklmnopqrstuvwxyz0123456789.-_:")  # what a name or an address consists of
_LONGEST_NETLOC = 260  # characters, as errors show them: a name (RFC 1035 section 2.3.4), a colon, a port


class Url(Value):
    """The parts of a URL. `host` has no brackets; `netloc` is unchanged."""

    scheme: str
    host: str
    port: int
    netloc: str
    path: str
    query: str = ""
    fragment: str = ""

    @property
    def is_loopback(self) -> bool:
        """Tell whether the host is this machine: `localhost`, 127.0.0.0/8 or ::1."""
        try:
            return self.host == "localhost" or ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def is_safe(self) -> bool:
        """Tell whether a secret may be sent there: over https, or within this machine."""
        return self.scheme == "https" or self.is_loopback


def split(url: str) -> Url:
    """Split an http(s) URL. Raise ValueError, with a reason that can be shown, for any other text."""
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        raise ValueError("it has characters that are not allowed in a URL")
    if not url.lower().startswith(("https://", "http://")):
        raise ValueError("it must begin with https:// or http://")
    try:
        parts = urlsplit(url)
        host, port, netloc = parts.hostname or "", parts.port, parts.netloc
        if ":" in host:
            ip_address(host)  # before Python 3.11.4, urllib accepts any text here
    except ValueError:
        raise ValueError("its host or port is not valid") from None
    if "@" in netloc:
        raise ValueError("it contains a user name or password")
    if not netloc:
        raise ValueError("it names no host")
    # urllib ignores text between "]" and ":".
    rest = netloc.lower().removeprefix(f"[{host}]" if ":" in host else host)
    is_host = host and set(host) <= _HOST and len(netloc) <= _LONGEST_NETLOC
    if not is_host or port == 0 or (rest and not (rest[0] == ":" and rest[1:].isdecimal())):
        raise ValueError("its host or port is not valid")
    port = port or (443 if parts.scheme == "https" else 80)
    return Url(parts.scheme, host, port, netloc, parts.path, parts.query, f"#{parts.fragment}" if "#" in url else "")


def is_url(text: object) -> TypeGuard[str]:
    """Tell whether `text` is a URL that `split` accepts."""
    try:
        return isinstance(text, str) and bool(split(text))
    except ValueError:
        return False


def same_issuer(one: str, other: str) -> bool:
    """Compare issuers without a slash at the end: AuthGate's tokens may have one that its metadata lack."""
    return one.removesuffix("/") == other.removesuffix("/")
