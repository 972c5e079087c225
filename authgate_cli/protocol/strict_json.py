"""Read JSON from a stranger: one object, no duplicate keys, no NaN, no bottomless nesting."""

from __future__ import annotations

import json
import sys

from ..values import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

    Json = dict[str, Any]


def parse_object(data: bytes | str) -> Json:
    """Return the JSON object. Raise ValueError, with a reason that can be shown, for anything else."""
    try:
        document = json.loads(
            data.decode("utf-8-sig") if isinstance(data, bytes) else data,
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
    return document


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
