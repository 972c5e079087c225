"""Decode a JSON Web Token (RFC 7519) without verifying it; encode and decode base64url (RFC 7515 section 2)."""

from __future__ import annotations

import binascii

from ..tokens import LATEST
from ..values import TYPE_CHECKING, Value
from .strict_json import Json, is_number, parse_object

if TYPE_CHECKING:
    from typing import TypeGuard


def base64url_encode(data: bytes) -> str:
    """Return the unpadded base64url text of some bytes."""
    return binascii.b2a_base64(data, newline=False).decode().rstrip("=").replace("+", "-").replace("/", "_")


def base64url_decode(text: str) -> bytes:
    """Return the bytes of unpadded base64url text. Raise ValueError for any other text."""
    try:
        data = binascii.a2b_base64(text.replace("-", "+").replace("_", "/") + "=" * (-len(text) % 4))
    except ValueError:
        raise ValueError("not base64url") from None
    if base64url_encode(data) != text:  # padding, plain base64, other characters, loose bits
        raise ValueError("not base64url")
    return data


class Jwt(Value):
    """The parts of a JWT; the signature has not been checked. `signed` is the text that it covers."""

    header: Json
    claims: Json
    signed: bytes
    signature: bytes


def decode(token: str) -> Jwt:
    """Decode a compact JWT. Raise ValueError if it is not one."""
    parts = token.split(".")
    if len(parts) != 3:
        raise ValueError("it does not have three parts")
    header, payload, signature = (base64url_decode(part) for part in parts)
    return Jwt(parse_object(header), parse_object(payload), f"{parts[0]}.{parts[1]}".encode(), signature)


def claimed_issuer(token: str) -> str | None:
    """Return the `iss` claim of a JWT, or None for any other token."""
    return _claim(token, "iss")


def claimed_scope(token: str) -> str | None:
    """Return the `scope` claim of a JWT (RFC 9068 section 2.2.3), or None for any other token."""
    return _claim(token, "scope")


def claimed_subject(token: str | None) -> str | None:
    """Return the `sub` claim of a JWT, or None for any other token."""
    return _claim(token, "sub") if token else None


def claimed_lifetime(token: str) -> float | None:
    """Return the seconds from the `iat` to the `exp` claim of a JWT, or None for any other token."""
    claims = _claims(token)
    issued, expires = claims.get("iat"), claims.get("exp")
    if is_time(issued) and is_time(expires) and expires > issued:
        return expires - issued
    return None


def claimed_expiry(token: str) -> float | None:
    """Return the `exp` claim of a JWT, or None for any other token."""
    value = _claims(token).get("exp")
    return value if is_time(value) else None


def is_time(value: object) -> TypeGuard[float]:
    """Tell whether a claim is a time from 1970 to the end of the year 9999, in seconds since 1970."""
    return is_number(value) and 0 <= value <= LATEST


def _claim(token: str, name: str) -> str | None:
    value = _claims(token).get(name)
    return value if isinstance(value, str) else None


def _claims(token: str) -> Json:
    try:
        return decode(token).claims
    except ValueError:
        return {}
