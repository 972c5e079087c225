"""Make text from elsewhere safe to show."""

from __future__ import annotations

from .values import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

# C0 and C1 controls, soft hyphen, bidi marks and overrides, zero-width and other invisible
# formatting, tags, lone surrogates: nothing of a server's may move the cursor or forge a line.
_INVISIBLE = (
    "[\x00-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\uffff\ud800-\udfff\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)


def clean(text: object, limit: int = 500) -> str:
    """Return `text` as one visible line of at most `limit` characters."""
    spaced = _replaced(r"[\t\r\n\v\f\x85\u2028\u2029]+", " ", str(text))
    visible = _replaced(_INVISIBLE, "", spaced).strip()
    return visible if len(visible) <= limit else visible[: limit - 1] + "…"


def escape(text: str) -> str:
    """Return `text` with escapes for what cannot be seen: for words and file names of the person's own."""
    return _replaced(_INVISIBLE, lambda match: ascii(match[0])[1:-1], text)


def _replaced(pattern: str, replacement: str | Callable[..., str], text: str) -> str:
    if text.isascii() and text.isprintable():
        return text
    import re  # most text gets by without, and a cached `token` has no time for it

    return re.sub(pattern, replacement, text)


def listing(words: list[str]) -> str:
    """Join words as a sentence does: a; a and b; a, b and c."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
