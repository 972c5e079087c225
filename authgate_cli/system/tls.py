"""Make the TLS context, and name the cause when a handshake fails (RFC 9325)."""

from __future__ import annotations

import os
import ssl

from ..errors import Unreachable
from ..values import TYPE_CHECKING
from .limits import TlsSocket

if TYPE_CHECKING:
    from collections.abc import Mapping

_EXPIRED, _WRONG_HOST, _WRONG_ADDRESS = 10, 62, 64  # X509_V_ERR_*


class Untrusted(Unreachable):
    """Another machine than the one that was asked for may be at the other end; trying again would change nothing."""


def tls_context(environ: Mapping[str, str]) -> ssl.SSLContext:
    """Make the TLS context: 1.2 or newer, certificates and host names always verified.

    Not `create_default_context`: from 3.13 on that adds VERIFY_X509_STRICT, which refuses many a
    company's own CA, and a certificate is to be good or bad on every Python alike.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.sslsocket_class = TlsSocket
    if ssl.HAS_NEVER_CHECK_COMMON_NAME:  # LibreSSL, which Apple's Python has, cannot be told
        context.hostname_checks_common_name = False  # RFC 9525 section 2: a host is named in the SAN
    cafile, capath = _named(environ)
    if not cafile and not capath:
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


def failure(
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
        hint = "the server has to renew it; or is the clock here wrong?"
    elif error.verify_code in (_WRONG_HOST, _WRONG_ADDRESS) or "match" in cause:
        hint = "check the host in AUTHGATE_URL; the certificate has to name it as a subject alternative name (SAN)"
    # The certificates of a directory are loaded, and counted, only when one is needed.
    elif any(_named(environ)) or context.cert_store_stats()["x509_ca"] or ssl.get_default_verify_paths().capath:
        hint = "if it is your own CA, name its certificate in SSL_CERT_FILE"
    else:
        hint = "install the package ca-certificates, or name a PEM file in SSL_CERT_FILE"
    return Untrusted(f"the certificate of {where} cannot be trusted: {cause}", hint, sent=sent)
