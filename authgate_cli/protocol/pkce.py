"""Proof Key for Code Exchange (RFC 7636), S256 only, and the other one-time values."""

from __future__ import annotations

import hashlib

from ..values import TYPE_CHECKING
from . import base64url

if TYPE_CHECKING:
    from collections.abc import Callable


def new_secret(random_bytes: Callable[[int], bytes]) -> str:
    """Return 43 unguessable unreserved characters: a verifier (section 4.1), a state or a nonce."""
    return base64url.encode(random_bytes(32))


def challenge(verifier: str) -> str:
    """Return the S256 challenge of a verifier (section 4.2)."""
    return base64url.encode(hashlib.sha256(verifier.encode()).digest())
