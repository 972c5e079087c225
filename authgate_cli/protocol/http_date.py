"""Read the times in HTTP headers (RFC 9110 sections 5.6.7 and 10.2.3)."""

from __future__ import annotations

from ..tokens import is_number
from ..values import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def http_date(text: str) -> float | None:
    """Return an HTTP date in seconds since 1970, or None for anything else."""
    if not text:
        return None
    from email.utils import parsedate_to_datetime  # an answer that is as it should be needs no date read

    try:
        return parsedate_to_datetime(text).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Return the seconds that Retry-After asks to wait, or None where it does not or says nonsense."""
    value = headers.get("retry-after", "").strip()
    if is_number(value) and len(value) < 10:
        return float(value)
    when = http_date(value)
    return None if when is None else max(0.0, when - now)
