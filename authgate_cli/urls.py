"""Take URLs apart, strictly. Not `urllib.parse`: it accepts too much, and a cached `token` does without it."""

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
        return self.host in ("localhost", "::1") or (self.host.startswith("127.") and _is_ipv4(self.host))

    @property
    def is_safe(self) -> bool:
        """Tell whether a secret may travel there: over https, or within this machine."""
        return self.scheme == "https" or self.is_loopback


def split(url: str) -> Url:
    """Take an http(s) URL apart. Raise ValueError, with a reason that can be shown, for any other."""
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        raise ValueError("it has characters that no URL has")
    scheme, separator, rest = url.partition("://")
    scheme = scheme.lower()
    if not separator or scheme not in ("https", "http"):
        raise ValueError("it has to begin with https:// or http://")
    rest, hash_mark, fragment = rest.partition("#")
    rest, _, query = rest.partition("?")
    netloc, slash, path = rest.partition("/")
    host, port = _authority(netloc)
    return Url(
        scheme, host, port or (443 if scheme == "https" else 80), netloc, slash + path, query, hash_mark + fragment
    )


def _authority(netloc: str) -> tuple[str, int | None]:
    """Return host, without brackets, and port. Raise ValueError for what cannot be one."""
    if "@" in netloc:
        raise ValueError("it holds a user name or password")
    if not netloc:
        raise ValueError("it names no host")
    opening, bracket, rest = netloc.partition("]")
    if bracket:
        host, (before, colon, port) = opening[1:].lower(), rest.partition(":")
        good = opening[:1] == "[" and not before and host.strip("0123456789abcdef:.") == ""
    else:
        host, colon, port = netloc.lower().partition(":")
        good = "[" not in host
    if not good or not host or (colon and not _is_number(port)):
        raise ValueError("its host or port is impossible")
    if colon and not 1 <= int(port) <= 65535:
        raise ValueError("its port is impossible")
    return host, int(port) if colon else None


def _is_ipv4(host: str) -> bool:
    parts = host.split(".")
    return len(parts) == 4 and all(_is_number(part) and int(part) < 256 and str(int(part)) == part for part in parts)


def _is_number(text: str) -> bool:
    return text.isdecimal() and len(text) <= 5  # Python refuses to read numbers that are very long


def same_issuer(one: str, other: str) -> bool:
    """Compare issuers, a trailing slash aside: AuthGate's own tokens may keep one that its metadata drop."""
    return one.removesuffix("/") == other.removesuffix("/")
