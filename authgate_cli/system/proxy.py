"""Choose the proxy for an https address from HTTPS_PROXY and NO_PROXY, and say why it gave no tunnel.

An address of a proxy may hold a password, also where a typing error puts it into another part: no
message here shows anything of HTTPS_PROXY but the host behind the last `@`.
"""

from __future__ import annotations

import http.client
import ipaddress
import re
from urllib.parse import unquote

from ..errors import Unreachable, UsageError
from ..oauth.messages import basic_authorization
from ..urls import split
from ..values import TYPE_CHECKING, Value
from .sockets import TIMEOUTS, TooMuchData

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
    """Return the proxy to go through, or None. Loopback is never proxied, and plain http is loopback.

    Raise UsageError when HTTPS_PROXY is not the address of an HTTP proxy.
    """
    address = environ.get("https_proxy") or environ.get("HTTPS_PROXY")
    if not address or url.is_loopback or url.scheme != "https":
        return None
    exempt = (environ.get("no_proxy") or environ.get("NO_PROXY") or "").lower()
    if any(_covers(entry, url) for entry in re.split(r"[\s,]+", exempt)):
        return None
    return _parse(address)


def _covers(entry: str, url: Url) -> bool:
    """Tell whether an entry of NO_PROXY, a domain or a range of addresses with or without a port, covers a URL."""
    if entry == "*":
        return True
    name, port = entry.lstrip("*").strip("."), ""
    if name.count(":") == 1 or "]:" in name:  # with more colons it is an IPv6 address
        name, _, port = name.rpartition(":")
    if not name or (port and port != str(url.port)):
        return False
    try:
        address = ipaddress.ip_address(url.host)
    except ValueError:
        return f".{url.host.rstrip('.')}".endswith(f".{name}")
    try:
        return address in ipaddress.ip_network(name.replace("[", "").replace("]", ""), strict=False)
    except ValueError:
        return False


def _parse(address: str) -> Proxy:
    scheme, separator, rest = address.partition("://")
    if not separator:
        scheme, rest = "http", address
    if scheme.lower() != "http":
        raise UsageError("HTTPS_PROXY names a proxy that is not http", "only http:// proxies are understood")
    credentials, _, place = rest.rpartition("@")
    try:
        url = split(f"http://{place}")
    except ValueError:
        url = None
    # Bytes that are not text stand in the environment as lone surrogates, which cannot be sent on.
    if url is None or url.path.strip("/") or url.query or url.fragment or not credentials.isascii():
        raise UsageError("HTTPS_PROXY is not a proxy's address", "for example http://proxy.example.com:3128")
    user, _, password = credentials.partition(":")
    return Proxy(url.host, url.port, basic_authorization(unquote(user), unquote(password)) if credentials else "")


def proxy_failure(error: Exception, proxy: Proxy) -> Unreachable:
    """Return the error for a proxy that gave no tunnel; nothing has reached the server."""
    late, hint = isinstance(error, TIMEOUTS), "see HTTPS_PROXY and NO_PROXY"
    refused = re.match(r"Tunnel connection failed: (\d+)", str(error))  # http.client has no other sign of it
    if refused and refused[1] == "407" and proxy.authorization:
        what = "refuses the user and password in HTTPS_PROXY (status 407)"
        hint = "correct them; characters such as @ and : are percent-encoded there"
    elif refused:
        what = f"refuses the connection (status {refused[1]})"
        hint = "put user and password into HTTPS_PROXY" if refused[1] == "407" else hint
    elif isinstance(error, http.client.RemoteDisconnected):
        what = "closed the connection without an answer"
    elif isinstance(error, (http.client.HTTPException, TooMuchData)):
        what = "does not speak HTTP"
    else:
        reason = "no answer in time" if late else getattr(error, "strerror", None) or type(error).__name__
        what = f"cannot be reached: {reason}"
    return Unreachable(f"the proxy {proxy.host} {what}", hint, sent=False, timed_out=late)
