"""Tell how long an answer may be kept (RFC 9111)."""

from __future__ import annotations

from ..tokens import is_number
from ..values import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_LONGEST = 24 * 3600  # a server that says a year may regret it


def lifetime(headers: Mapping[str, str]) -> int:
    """Return for how many seconds from now an answer is fresh, by its Cache-Control and Age; 0 without a word.

    RFC 9111 section 4.2.1 lets the first of several `max-age` count, or none: here it is none.
    """
    directives = [part.strip().lower() for part in headers.get("cache-control", "").split(",")]
    ages = [directive.removeprefix("max-age=").strip('"') for directive in directives if directive[:8] == "max-age="]
    if "no-store" in directives or any(each[:8] == "no-cache" for each in directives) or len(ages) != 1:
        return 0
    return max(0, min(_seconds(ages[0], 0), _LONGEST) - _seconds(headers.get("age", "0").strip(), _LONGEST))


def _seconds(text: str, otherwise: int) -> int:
    return int(text) if is_number(text) and len(text) < 10 else otherwise
