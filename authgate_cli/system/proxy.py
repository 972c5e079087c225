"""Choose the proxy for an https address from the environment, as curl does."""

from __future__ import annotations

from urllib.parse import unquote

from ..errors import UsageError
from ..oauth.messages import basic_authorization
from ..values import TYPE_CHECKING, Value

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..urls import Url


class Proxy(Value):
    """An HTTP proxy that is asked to CONNECT; `authorization` is a header's value or ""."""

    host: str
    port: int
    authorization: str = ""

    def __repr__(self) -> str:
        return f"Proxy({self.host}:{self.port})"


def proxy_for(url: Url, environ: Mapping[str, str]) -> Proxy | None:
    """Return the proxy to go through, or None. Loopback is never proxied, plain http is loopback."""
    if url.is_loopback or url.scheme != "https" or _exempt(url, environ):
        return None
    address = environ.get("https_proxy") or environ.get("HTTPS_PROXY") or ""
    return _parse(address) if address else None


def _exempt(url: Url, environ: Mapping[str, str]) -> bool:
    names = (environ.get("no_proxy") or environ.get("NO_PROXY") or "").lower().split(",")
    for name in (name.strip() for name in names):
        host = name.removesuffix(f":{url.port}").lstrip("*").lstrip(".").strip("[]")
        if name == "*" or (host and (url.host == host or url.host.endswith("." + host))):
            return True
    return False


def _parse(address: str) -> Proxy:
    scheme, separator, rest = address.partition("://")
    if not separator:
        scheme, rest = "http", address
    if scheme.lower() != "http":
        raise UsageError(f"HTTPS_PROXY names a proxy of kind {scheme!r}", "only http:// proxies are understood")
    credentials, _, place = rest.rstrip("/").rpartition("@")
    host, _, port = place.rpartition(":") if ":" in place.rpartition("]")[2] else (place, "", "80")
    # Bytes that are no text stand in the environment as lone surrogates, which cannot be sent on.
    sound = host and rest.isascii() and rest.isprintable() and port.isdecimal() and len(port) < 6
    if not sound or not 0 < int(port) < 65536:
        raise UsageError("HTTPS_PROXY is not a proxy's address", "for example http://proxy.example.com:3128")
    return Proxy(host.strip("[]"), int(port), _authorization(credentials) if credentials else "")


def _authorization(credentials: str) -> str:

    user, _, password = credentials.partition(":")
    return basic_authorization(unquote(user), unquote(password))
