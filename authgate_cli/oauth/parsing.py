"""Parse JSON objects and JSON Web Tokens (RFC 7519); nothing is verified here.

JSON is read strictly: no duplicate keys, no NaN, a limited size and depth. A megabyte of text can
become a hundred megabytes of values, so the number of values is limited as well. `load` counts the depth
before it parses: deeply nested text crashes some Pythons (3.13.0).
"""

from __future__ import annotations

import binascii
import json
import sys

from ..tokens import is_time
from ..values import TYPE_CHECKING, Value

if TYPE_CHECKING:
    from typing import Any

Json = dict[str, "Any"]
_DEEPEST = 64  # nested lists and objects; a server's answers have three or four levels
_MOST = 50_000  # values, counted by the commas between them


def parse_object(data: bytes | str) -> Json:
    """Return the JSON object. Raise ValueError, with a reason that can be shown, for anything else."""
    try:
        text = data.decode("utf-8-sig") if isinstance(data, bytes) else data
        if text.count(",") > _MOST:
            raise ValueError("it has too many values")
        document = load(
            text,
            object_pairs_hook=_unique,
            parse_constant=_no_constant,
            parse_float=_finite,
            parse_int=_integer,
        )
    except UnicodeDecodeError:
        raise ValueError("it is not UTF-8") from None
    except json.JSONDecodeError:
        raise ValueError("it is not JSON") from None
    if not isinstance(document, dict):
        raise ValueError("it is not a JSON object")
    return document


def load(text: str, **hooks: Any) -> Any:
    """Parse any JSON with the hooks of `json.loads`. Raise ValueError, also for what is nested too deeply."""
    _check_depth(text)
    return json.loads(text, **hooks)


def _check_depth(text: str) -> None:
    if text.count("[") + text.count("{") <= _DEEPEST:
        return
    # Without escapes every other part between quotation marks is inside a string.
    parts = text.replace("\\\\", "").replace('\\"', "").split('"')
    depth = 0
    for character in "".join(parts[::2]):
        if character in "[{":
            depth += 1
            if depth > _DEEPEST:
                raise ValueError("it is nested too deeply")
        elif character in "]}":
            depth -= 1


def _unique(pairs: list[tuple[str, Any]]) -> Json:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise ValueError("it has a duplicate key")
    return document


def _no_constant(name: str) -> None:
    raise ValueError(f"it contains {name}, which JSON does not have")


def _finite(text: str) -> float:
    """Read 1e999 as the largest float: infinity cannot be written as JSON."""
    return max(-sys.float_info.max, min(float(text), sys.float_info.max))


def _integer(text: str) -> int:
    if len(text) > 1000:  # Python rejects longer ones, some versions only after minutes
        raise ValueError("it contains a number that is too long")
    return int(text)


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


def _claim(token: str, name: str) -> str | None:
    value = _claims(token).get(name)
    return value if isinstance(value, str) else None


def _claims(token: str) -> Json:
    try:
        return decode(token).claims
    except ValueError:
        return {}
