"""Parse a JSON object from a server: no duplicate keys, no NaN, a limited size and depth.

A megabyte of text can become a hundred megabytes of values, so the number of values is limited as
well. The depth is counted before parsing: deeply nested text crashes some Pythons (3.13.0).
"""

from __future__ import annotations

import json
import sys

from ..values import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any, TypeGuard

Json = dict[str, "Any"]
_DEEPEST = 64  # nested lists and objects; a server's answers have three or four levels
_MOST = 50_000  # values, counted by the commas between them


def parse_object(data: bytes | str) -> Json:
    """Return the JSON object. Raise ValueError, with a reason that can be shown, for anything else."""
    try:
        text = data.decode("utf-8-sig") if isinstance(data, bytes) else data
        if text.count(",") > _MOST:
            raise ValueError("it has too many values")
        check_depth(text)
        document = json.loads(
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


def check_depth(text: str) -> None:
    """Raise ValueError for text whose lists and objects are nested too deeply, without parsing it."""
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


def is_number(value: object) -> TypeGuard[float]:
    """Tell whether a value of JSON is a number; for Python True is one too."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


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
