"""Read Retry-After (RFC 9110 section 10.2.3): seconds, or a date."""

from __future__ import annotations

from email.utils import parsedate_to_datetime

from ..values import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Return the seconds to wait, or None where the server does not say or says nonsense."""
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdecimal() and len(value) < 10:
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - now)
    except (TypeError, ValueError, OverflowError):
        return None
