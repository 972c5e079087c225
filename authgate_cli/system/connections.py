"""The parts of a connection: sockets with a deadline and a byte limit, TLS (RFC 9325), and the proxy.

The address of a proxy may contain a password, and a typing error may put it into any part. So messages
show nothing of HTTPS_PROXY but the host after the last `@`.
"""

from __future__ import annotations

import http.client
import ipaddress
import os
import re
import socket
import ssl
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from urllib.parse import unquote

from ..errors import Unreachable, UsageError
from ..oauth.messages import basic_authorization
from ..urls import Url, is_url, split
from ..values import TYPE_CHECKING, Value

if TYPE_CHECKING:
    from typing import Any

_READ_AHEAD = 8192  # bytes; small, because data that is only buffered counts too
TIMEOUTS = (TimeoutError, socket.timeout)  # noqa: UP041  two classes before Python 3.10
_EXPIRED, _WRONG_HOST, _WRONG_ADDRESS = 10, 62, 64  # X509_V_ERR_*


class TooMuchData(Exception):
    """The other side sent more bytes than are allowed."""


class Limits:
    """What a connection may still use: `seconds` on the clock `monotonic`, and `allowance` bytes to receive.

    `ended` tells whether the other side has closed the connection.
    """

    def __init__(self, seconds: float, allowance: int, monotonic: Callable[[], float] = time.monotonic):
        self.allowance, self.ended = allowance, False
        self._deadline, self._monotonic = monotonic() + seconds, monotonic

    def seconds(self) -> float:
        """Return the seconds left. Raise TimeoutError when there are none."""
        left = self._deadline - self._monotonic()
        if left <= 0:
            raise TimeoutError("the deadline has passed")
        return left


class LimitedSocket(socket.socket):
    """A socket whose sending and receiving respect `limits`; it takes the place of a `plain` one."""

    def __init__(self, plain: socket.socket, limits: Limits):
        super().__init__(fileno=plain.detach())
        self.limits = limits

    def send(self, *args: Any) -> int:
        """Send what can be sent at once."""
        self.settimeout(self.limits.seconds())
        return super().send(*args)

    def sendall(self, *args: Any) -> None:
        """Send everything."""
        self.settimeout(self.limits.seconds())
        super().sendall(*args)

    def recv_into(self, buffer: Any, nbytes: int | None = None, flags: int = 0) -> int:
        """Receive into a buffer; file objects of the socket read through this. Raise TooMuchData."""
        self.settimeout(self.limits.seconds())
        received = super().recv_into(buffer, min(nbytes or len(buffer), _READ_AHEAD), flags)
        self.limits.ended = received == 0
        self.limits.allowance -= received
        if self.limits.allowance < 0:
            raise TooMuchData
        return received


class TlsSocket(LimitedSocket, ssl.SSLSocket):
    """The same over TLS; `SSLContext.wrap_socket` makes it without `limits`, which must be set before use."""


class Untrusted(Unreachable):
    """The identity of the server cannot be verified; the request is not sent again."""


def tls_context(environ: Mapping[str, str]) -> ssl.SSLContext:
    """Make the TLS context: 1.2 or newer, certificates and host names always verified.

    Not `create_default_context`: since 3.13 that adds VERIFY_X509_STRICT, which refuses the CA of many
    companies, and the result should be the same with every Python.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.sslsocket_class = TlsSocket
    if ssl.HAS_NEVER_CHECK_COMMON_NAME:  # not settable with LibreSSL, which Apple's Python uses
        context.hostname_checks_common_name = False  # RFC 9525 section 2: a host is named in the SAN
    named = named_authorities(environ)
    cafile, capath = named.get("SSL_CERT_FILE"), named.get("SSL_CERT_DIR")
    if not cafile and not capath:
        with suppress(FileNotFoundError):  # PyPy raises it where the system has none
            context.load_default_certs()
        return context
    try:
        if cafile:
            os.stat(cafile)  # PyPy's next error for a missing file has no text
        context.load_verify_locations(cafile, capath)
    except OSError as error:  # ssl.SSLError is one
        reason = "it holds no certificate" if isinstance(error, ssl.SSLError) else error.strerror
        raise Untrusted(
            f"the certificates of SSL_CERT_FILE or SSL_CERT_DIR cannot be used: {reason}",
            "name a PEM file with the certificates of your CA",
            sent=False,
        ) from error
    return context


def named_authorities(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that name certificates of authorities, and their values."""
    return {name: value for name in ("SSL_CERT_FILE", "SSL_CERT_DIR") if (value := environ.get(name, "").strip())}


def no_certificates_hint(platform: str) -> str:
    """Return what to do about a Python without CA certificates, such as a new one of python.org's on macOS."""
    if platform == "darwin":
        return "run this Python's Install Certificates.command, or set SSL_CERT_FILE=/etc/ssl/cert.pem"
    return "install the package ca-certificates, or name a PEM file in SSL_CERT_FILE"


def tls_failure(
    error: ssl.SSLError, where: str, sent: bool, context: ssl.SSLContext, environ: Mapping[str, str]
) -> Unreachable:
    """Return the error for a TLS failure."""
    if not isinstance(error, ssl.SSLCertVerificationError):
        reason = (error.reason or "failure").replace("_", " ").lower()
        hint = "does the server speak https, with TLS 1.2 or newer?"
        is_closed = isinstance(error, (ssl.SSLEOFError, ssl.SSLZeroReturnError))
        return (Unreachable if is_closed else Untrusted)(f"TLS with {where} fails: {reason}", hint, sent=sent)
    cause = error.verify_message.rstrip(".")
    if error.verify_code == _EXPIRED:
        hint = "the server's certificate must be renewed, or this machine's clock is wrong"
    elif error.verify_code in (_WRONG_HOST, _WRONG_ADDRESS) or "match" in cause:
        hint = "check the host in AUTHGATE_URL; the certificate must name it as a subject alternative name (SAN)"
    # Certificates in a directory are loaded, and counted, only on use.
    elif named_authorities(environ) or context.cert_store_stats()["x509_ca"] or ssl.get_default_verify_paths().capath:
        hint = "if it is your own CA, name its certificate in SSL_CERT_FILE"
    else:
        hint = no_certificates_hint(sys.platform)
    return Untrusted(f"the certificate of {where} cannot be trusted: {cause}", hint, sent=sent)


class Proxy(Value):
    """An HTTP proxy that makes tunnels (CONNECT); `authorization` is the value of the header, or ""."""

    host: str
    port: int
    authorization: str = ""


def proxy_for(url: Url, environ: Mapping[str, str]) -> Proxy | None:
    """Return the proxy to use, or None. Loopback is never proxied, and plain http is always loopback.

    Raise UsageError if HTTPS_PROXY is not the address of an HTTP proxy.
    """
    address = (environ.get("https_proxy") or environ.get("HTTPS_PROXY") or "").strip()
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
    match = re.match(r"Tunnel connection failed: (\d+)", str(error))  # http.client raises no more specific exception
    status = match[1] if match else ""
    if status == "407" and proxy.authorization:
        what = "refuses the user and password in HTTPS_PROXY (status 407)"
        hint = "correct them; characters such as @ and : are percent-encoded there"
    elif status:
        what = f"refuses the connection (status {status})"
        hint = "put user and password into HTTPS_PROXY" if status == "407" else hint
    elif isinstance(error, http.client.RemoteDisconnected):
        what = "closed the connection without an answer"
    elif isinstance(error, (http.client.HTTPException, TooMuchData)):
        what = "does not speak HTTP"
    else:
        reason = getattr(error, "strerror", None) or type(error).__name__
        what = f"cannot be reached: {'no answer in time' if isinstance(error, TIMEOUTS) else reason}"
    return Unreachable(f"the proxy {proxy.host} {what}", hint, sent=False)
