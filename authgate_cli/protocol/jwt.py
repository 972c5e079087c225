"""Take a JSON Web Token apart (RFC 7519) without believing any of it."""

from __future__ import annotations

from ..tokens import LATEST
from ..values import TYPE_CHECKING, Value
from . import base64url
from .strict_json import parse_object

if TYPE_CHECKING:
    from .strict_json import Json


class Jwt(Value):
    """A JWT in parts; the signature has not been checked. `signed` is what it covers."""

    header: Json
    claims: Json
    signed: bytes
    signature: bytes

    def __repr__(self) -> str:
        return f"Jwt(header={self.header}, claims={sorted(self.claims)})"


def decode(token: str) -> Jwt:
    """Decode a compact JWT. Raise ValueError when it is none."""
    parts = token.split(".")
    if len(parts) != 3:
        raise ValueError("it does not have three parts")
    header, payload, signature = (base64url.decode(part) for part in parts)
    return Jwt(parse_object(header), parse_object(payload), f"{parts[0]}.{parts[1]}".encode(), signature)


def claimed_issuer(token: str) -> str | None:
    """Return the `iss` claim of a token that is a JWT, or None."""
    return _claim(token, "iss")


def claimed_subject(token: str | None) -> str | None:
    """Return the `sub` claim of a token that is a JWT, or None."""
    return _claim(token, "sub") if token else None


def claimed_expiry(token: str) -> float | None:
    """Return the `exp` claim of a token that is a JWT, or None."""
    value = _claims(token).get("exp")
    usable = isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= LATEST
    return value if usable else None


def _claim(token: str, name: str) -> str | None:
    value = _claims(token).get(name)
    return value if isinstance(value, str) else None


def _claims(token: str) -> Json:
    try:
        return decode(token).claims
    except ValueError:
        return {}
