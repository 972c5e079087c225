"""Read JSON from a stranger: one object, no duplicate keys, no NaN, no bottomless nesting.

A megabyte of text can mean a hundred of values, and written with indents a thousand: what is
small has a limit of its own. The limits are the same on every Python.
"""

from __future__ import annotations

import json
import sys

from ..values import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

    Json = dict[str, Any]


_DEEPEST = 64  # lists and objects in one another; a server's answers have three or four
_MOST = 50_000  # values; each but the first in its list or object has a comma before it


def parse_object(data: bytes | str) -> Json:
    """Return the JSON object. Raise ValueError, with a reason that can be shown, for anything else."""
    try:
        text = data.decode("utf-8-sig") if isinstance(data, bytes) else data
        if text.count(",") > _MOST:
            raise ValueError("it holds too much")
        document = json.loads(
            text,
            object_pairs_hook=_unique,
            parse_constant=_no_constant,
            parse_float=_finite,
            parse_int=_integer,
        )
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except UnicodeDecodeError:
        raise ValueError("it is not UTF-8") from None
    except json.JSONDecodeError:
        raise ValueError("it is not JSON") from None
    if not isinstance(document, dict):
        raise ValueError("it is not a JSON object")
    if _is_too_deep(document):
        raise ValueError("it is nested too deeply")
    return document


def _is_too_deep(document: Json) -> bool:
    """Go down level by level, not deeper into the stack."""
    level: list[Any] = [document]
    for _ in range(_DEEPEST):
        inside = [value for outer in level for value in (outer.values() if isinstance(outer, dict) else outer)]
        level = [value for value in inside if isinstance(value, (dict, list))]
        if not level:
            return False
    return True


def _unique(pairs: list[tuple[str, Any]]) -> Json:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise ValueError("it says one thing twice")
    return document


def _no_constant(name: str) -> None:
    raise ValueError(f"it holds {name}, which JSON does not have")


def _finite(text: str) -> float:
    """Read 1e999 as the largest number there is: infinity could not be written as JSON again."""
    return max(-sys.float_info.max, min(float(text), sys.float_info.max))


def _integer(text: str) -> int:
    if len(text) > 1000:  # Python refuses to read a little more than that, some versions only after minutes
        raise ValueError("it holds a number that is too long")
    return int(text)
