"""Take http(s) URLs apart, and refuse what is not plainly one (RFC 3986 section 3).

Not by `urllib.parse`: importing it takes a twelfth of all that printing a stored token takes. It
also lets pass, differently from Python to Python, what is refused here.
"""

from __future__ import annotations

from .values import Value


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
        parts = self.host.split(".")
        in_127 = len(parts) == 4 and parts[0] == "127" and all(part in _BYTES for part in parts)
        return self.host in ("localhost", "::1") or in_127

    @property
    def is_safe(self) -> bool:
        """Tell whether a secret may travel there: over https, or within this machine."""
        return self.scheme == "https" or self.is_loopback


_BYTES = frozenset(map(str, range(256)))


def split(url: str) -> Url:
    """Take an http(s) URL apart. Raise ValueError, with a reason that can be shown, for any other."""
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        raise ValueError("it has characters that no URL has")
    scheme, separator, rest = url.partition("://")
    scheme = scheme.lower()
    if not separator or scheme not in ("https", "http"):
        raise ValueError("it has to begin with https:// or http://")
    rest, number_sign, fragment = rest.partition("#")
    rest, _, query = rest.partition("?")
    netloc, slash, path = rest.partition("/")
    if "@" in netloc:
        raise ValueError("it holds a user name or password")
    if not netloc:
        raise ValueError("it names no host")
    host, port = netloc.lower(), 443 if scheme == "https" else 80
    if ":" in host and not host.endswith("]"):
        host, _, digits = host.rpartition(":")
        port = int(digits) if digits.isdecimal() and len(digits) <= 5 else 0
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
        good_host = _is_ipv6(host)
    else:
        good_host = host != "" and not any(mark in host for mark in "[]:")
    if not good_host or not 0 < port < 65536:
        raise ValueError("its host or port is impossible")
    return Url(scheme, host, port, netloc, slash + path, query, number_sign + fragment)


def _is_ipv6(host: str) -> bool:
    import ipaddress  # few hosts are an address

    try:
        return "%" not in host and bool(ipaddress.IPv6Address(host))
    except ValueError:
        return False


def same_issuer(one: str, other: str) -> bool:
    """Compare issuers, a trailing slash aside: AuthGate's own tokens may keep one that its metadata drop."""
    return one.removesuffix("/") == other.removesuffix("/")
