"""Parse JSON objects and JSON Web Tokens (RFC 7519); nothing is verified here.

JSON is read strictly: no duplicate keys, no NaN, a limited size and depth. A megabyte of text can
become a hundred megabytes of values, so the number of values is limited as well. `load` counts the depth
before it parses: deeply nested text crashes some Pythons (3.13.0).
"""

from __future__ import annotations

import binascii
import json
import sys

from ..values import TYPE_CHECKING, Value

if TYPE_CHECKING:
    from typing import Any, TypeGuard

Json = dict[str, "Any"]
_DEEPEST = 64  # nested lists and objects; a server's answers have three or four levels
_MOST = 50_000  # values, counted by the commas between them
LATEST = 253402300799  # the last second of the year 9999: what RFC 3339 and every calendar can write


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


def is_number(value: object) -> TypeGuard[float]:
    """Tell whether a value of JSON is a number; for Python True is one too."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def is_time(value: object) -> TypeGuard[float]:
    """Tell whether a claim is a time from 1970 to the end of the year 9999, in seconds since 1970."""
    return is_number(value) and 0 <= value <= LATEST


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


def claims_of(token: str | None) -> Json:
    """Return the claims of a JWT; {} for any other token."""
    try:
        return decode(token or "").claims
    except ValueError:
        return {}


def claimed_text(token: str | None, name: str) -> str | None:
    """Return a claim of a JWT that is a text, or None for any other claim or token."""
    value = claims_of(token).get(name)
    return value if isinstance(value, str) else None


def claimed_lifetime(token: str) -> float | None:
    """Return the seconds from the `iat` to the `exp` claim of a JWT, or None for any other token."""
    claims = claims_of(token)
    issued, expires = claims.get("iat"), claims.get("exp")
    return expires - issued if is_time(issued) and is_time(expires) and expires > issued else None
