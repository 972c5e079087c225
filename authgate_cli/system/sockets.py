"""Sockets with a deadline and a byte limit, the TLS context (RFC 9325), and the errors of a TLS handshake."""

from __future__ import annotations

import os
import socket
import ssl
import sys
from contextlib import suppress

from ..errors import Unreachable
from ..values import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    _Base = socket.socket
else:
    _Base = object

_READ_AHEAD = 8192  # bytes; small, because data that is only buffered counts too
TIMEOUTS = (TimeoutError, socket.timeout)  # noqa: UP041  two classes before Python 3.10
_EXPIRED, _WRONG_HOST, _WRONG_ADDRESS = 10, 62, 64  # X509_V_ERR_*


class TooMuchData(Exception):
    """The other side sent more bytes than are allowed."""


class Limits:
    """What a connection may still use: the time until `deadline`, and `allowance` bytes to receive.

    `deadline` is in seconds on the clock `monotonic`. `ended` tells whether the other side has
    closed the connection.
    """

    def __init__(self, deadline: float, monotonic: Callable[[], float], allowance: int):
        self.deadline, self.monotonic, self.allowance = deadline, monotonic, allowance
        self.ended = False

    def seconds(self) -> float:
        """Return the seconds left. Raise TimeoutError when there are none."""
        left = self.deadline - self.monotonic()
        if left <= 0:
            raise TimeoutError("the deadline has passed")
        return left

    def count(self, received: int) -> int:
        """Subtract received bytes from the allowance and return their number; 0 is the end of the connection.

        Raise TooMuchData if the allowance is exceeded.
        """
        self.ended = received == 0
        self.allowance -= received
        if self.allowance < 0:
            raise TooMuchData
        return received


class LimitedSocket(_Base):
    """A mixin for a socket class: sending and receiving respect `limits`, which must be set first."""

    limits: Limits

    def send(self, *args: Any) -> int:
        """Send what can be sent at once."""
        self.settimeout(self.limits.seconds())
        return super().send(*args)

    def sendall(self, *args: Any) -> None:
        """Send everything."""
        self.settimeout(self.limits.seconds())
        super().sendall(*args)

    def recv_into(self, buffer: Any, nbytes: int | None = None, flags: int = 0) -> int:
        """Receive into a buffer; file objects of the socket read through this."""
        self.settimeout(self.limits.seconds())
        size = min(nbytes or len(buffer), _READ_AHEAD)
        return self.limits.count(super().recv_into(buffer, size, flags))


class PlainSocket(LimitedSocket, socket.socket):
    """A TCP socket with limits."""


class TlsSocket(LimitedSocket, ssl.SSLSocket):
    """A TLS socket with limits, for `SSLContext.sslsocket_class`."""


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
    cafile, capath = _named(environ)
    if not cafile and not capath:
        with suppress(FileNotFoundError):  # PyPy raises it where the system has none
            context.load_default_certs()
        return context
    try:
        if cafile and os.path.getsize(cafile) == 0:
            raise OSError("it is empty")
        context.load_verify_locations(cafile, capath)
    except OSError as error:  # ssl.SSLError is one
        reason = error.strerror if error.errno and not isinstance(error, ssl.SSLError) else "it holds no certificate"
        raise Untrusted(
            f"the certificates of SSL_CERT_FILE or SSL_CERT_DIR cannot be used: {reason}",
            "name a PEM file with the certificates of your CA",
            sent=False,
        ) from error
    return context


def _named(environ: Mapping[str, str]) -> tuple[str | None, str | None]:
    """Return the file and the folder of certificates that the environment names."""
    return environ.get("SSL_CERT_FILE") or None, environ.get("SSL_CERT_DIR") or None


def no_certificates_hint(platform: str) -> str:
    """Return what to do about a Python without CA certificates, such as a new one of python.org's on macOS."""
    if platform == "darwin":
        return "run this Python's Install Certificates.command, or set SSL_CERT_FILE=/etc/ssl/cert.pem"
    return "install the package ca-certificates, or name a PEM file in SSL_CERT_FILE"


def tls_failure(
    error: ssl.SSLError, where: str, sent: bool, context: ssl.SSLContext, environ: Mapping[str, str]
) -> Untrusted:
    """Return the error for a TLS failure."""
    if not isinstance(error, ssl.SSLCertVerificationError):
        reason = (error.reason or "failure").replace("_", " ").lower()
        return Untrusted(
            f"TLS with {where} fails: {reason}", "does the server speak https, with TLS 1.2 or newer?", sent=sent
        )
    cause = error.verify_message.rstrip(".")
    if error.verify_code == _EXPIRED:
        hint = "the server's certificate must be renewed, or this machine's clock is wrong"
    elif error.verify_code in (_WRONG_HOST, _WRONG_ADDRESS) or "match" in cause:
        hint = "check the host in AUTHGATE_URL; the certificate must name it as a subject alternative name (SAN)"
    # Certificates in a directory are loaded, and counted, only on use.
    elif any(_named(environ)) or context.cert_store_stats()["x509_ca"] or ssl.get_default_verify_paths().capath:
        hint = "if it is your own CA, name its certificate in SSL_CERT_FILE"
    else:
        hint = no_certificates_hint(sys.platform)
    return Untrusted(f"the certificate of {where} cannot be trusted: {cause}", hint, sent=sent)
