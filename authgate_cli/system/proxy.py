"""Choose the proxy for an https URL from HTTPS_PROXY and NO_PROXY, and explain why a tunnel failed.

The address of a proxy may contain a password, and a typing error may put it into any part. So messages
show nothing of HTTPS_PROXY but the host after the last `@`.
"""

from __future__ import annotations

import http.client
import ipaddress
import re
from collections.abc import Mapping
from urllib.parse import unquote

from ..errors import Unreachable, UsageError
from ..oauth.messages import basic_authorization
from ..urls import Url, is_url, split
from ..values import Value
from .sockets import TIMEOUTS, TooMuchData


class Proxy(Value):
    """An HTTP proxy that makes tunnels (CONNECT); `authorization` is the value of the header, or ""."""

    host: str
    port: int
    authorization: str = ""


def proxy_for(url: Url, environ: Mapping[str, str]) -> Proxy | None:
    """Return the proxy to use, or None. Loopback is never proxied, and plain http is always loopback.

    Raise UsageError if HTTPS_PROXY is not the address of an HTTP proxy.
    """
    address = environ.get("https_proxy") or environ.get("HTTPS_PROXY")
    if not address or url.is_loopback or url.scheme != "https":
        return None
    exempt = (environ.get("no_proxy") or environ.get("NO_PROXY") or "").lower()
    if any(_covers(entry, url) for entry in re.split(r"[\s,]+", exempt)):
        return None
    return _parse(address)


def _covers(entry: str, url: Url) -> bool:
    """Tell whether an entry of NO_PROXY covers a URL: a domain or a range of addresses, optionally with a port."""
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
    scheme, rest = address.split("://", 1) if "://" in address else ("http", address)
    if scheme.lower() != "http":
        raise UsageError("HTTPS_PROXY is not an http:// proxy", "only http:// proxies are supported")
    credentials, _, host = rest.rpartition("@")
    url = split(f"http://{host}") if is_url(f"http://{host}") else None
    # In the environment, bytes that are not text become lone surrogates, which cannot be sent.
    if url is None or url.path.strip("/") or url.query or url.fragment or not credentials.isascii():
        raise UsageError("HTTPS_PROXY is not a proxy's address", "for example http://proxy.example.com:3128")
    user, _, password = credentials.partition(":")
    return Proxy(url.host, url.port, basic_authorization(unquote(user), unquote(password)) if credentials else "")


def proxy_failure(error: Exception, proxy: Proxy) -> Unreachable:
    """Return the error for a proxy that made no tunnel; nothing was sent to the server."""
    hint = "see HTTPS_PROXY and NO_PROXY"
    refused = re.match(r"Tunnel connection failed: (\d+)", str(error))  # http.client raises no more specific exception
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
        reason = getattr(error, "strerror", None) or type(error).__name__
        what = f"cannot be reached: {'no answer in time' if isinstance(error, TIMEOUTS) else reason}"
    return Unreachable(f"the proxy {proxy.host} {what}", hint, sent=False)
