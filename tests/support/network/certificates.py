"""Certificates of a private authority, from tests/data/tls; its make.py says how they were made."""

from __future__ import annotations

import ssl
import warnings
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "data" / "tls"
AUTHORITY = FOLDER / "authority.pem"
OTHER_AUTHORITY = FOLDER / "other-authority.pem"
EXPIRED = FOLDER / "expired.pem"
SELF_SIGNED = FOLDER / "self-signed.pem"
COMMON_NAME_ONLY = FOLDER / "common-name-only.pem"  # for localhost, and its own authority
_HASH = "aabdaf6b"  # of the authority's subject, by which OpenSSL looks a certificate up in a directory


def of(host: str) -> Path:
    """Return the file with the certificate and key of a host."""
    return FOLDER / f"{host}.pem"


def tls(file: Path) -> ssl.SSLContext:
    """Return what a server needs that has this certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


def tls_1_1(file: Path) -> ssl.SSLContext:
    """Return the same for a server that knows nothing newer than TLS 1.1."""
    context = tls(file)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    return context


def fill_directory(path: Path) -> None:
    """Fill a directory as SSL_CERT_DIR wants it."""
    (path / f"{_HASH}.0").write_bytes(AUTHORITY.read_bytes())
