"""Certificates of a private authority, from tests/data/tls; its make.py says how they were made."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parents[2] / "data" / "tls"
AUTHORITY = FOLDER / "authority.pem"
OTHER_AUTHORITY = FOLDER / "other-authority.pem"
EXPIRED = FOLDER / "expired.pem"
SELF_SIGNED = FOLDER / "self-signed.pem"
_HASH = "aabdaf6b"  # of the authority's subject, by which OpenSSL looks a certificate up in a directory


def of(host: str) -> Path:
    """Return the file with the certificate and key of a host."""
    return FOLDER / f"{host}.pem"


def fill_directory(path: Path) -> None:
    """Fill a directory as SSL_CERT_DIR wants it."""
    (path / f"{_HASH}.0").write_bytes(AUTHORITY.read_bytes())
