"""Encode and decode base64url without padding (RFC 7515 section 2)."""

from __future__ import annotations

import binascii


def encode(data: bytes) -> str:
    """Return the unpadded base64url text of some bytes."""
    return binascii.b2a_base64(data, newline=False).decode().rstrip("=").replace("+", "-").replace("/", "_")


def decode(text: str) -> bytes:
    """Return the bytes of unpadded base64url text. Raise ValueError for any other text."""
    try:
        data = binascii.a2b_base64(text.replace("-", "+").replace("_", "/") + "=" * (-len(text) % 4))
    except ValueError:
        raise ValueError("not base64url") from None
    if encode(data) != text:  # padding, plain base64, other characters, loose bits
        raise ValueError("not base64url")
    return data
