"""Read and write JSON without importing the json package until it has to be.

json loads `re`, and together they take half as long as a bare interpreter: too much for a token
that is only looked up. The scanner underneath is the same; whatever it does not take, json judges.
"""

from __future__ import annotations

from .values import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any


class _Defaults:
    """The options of `json.loads`, as the scanner looks for them."""

    strict, parse_float, parse_int, parse_constant = True, float, int, None
    object_hook = object_pairs_hook = array_hook = None
    memo: dict[str, str] = {}


_scan: Any = None
try:
    from _json import make_scanner

    _scan = make_scanner(_Defaults)  # type: ignore[arg-type]
except (ImportError, AttributeError, TypeError):
    pass  # only CPython has it, and may change it


def loads(data: bytes | str) -> Any:
    """Return what `json.loads` returns. Raise ValueError or RecursionError as it does."""
    if _scan:
        try:
            text = (data.decode() if isinstance(data, bytes) else data).strip(" \t\r\n")
            value, end = _scan(text, 0)
            if end == len(text):
                return value
        except (ValueError, TypeError, StopIteration, SystemError):
            pass  # also NaN, for which there is no option; some scanners cannot even say what is wrong without json
    import json

    return json.loads(data)


def dumps(value: object, indent: int | None = None) -> str:
    """Return what `json.dumps` returns."""
    import json

    return json.dumps(value, indent=indent)
