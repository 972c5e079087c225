"""Clean, escape, measure and shorten text for the terminal, and write JSON documents."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

# The longest text of each kind that is shown from a server or a token, in columns of a terminal.
WORD = 60  # an error code, an algorithm, a code to type
NAME = 100  # a person, a client, a key
ISSUER = 200
SENTENCE = 600  # why something was refused
VALUE = 500  # a claim
SCOPES = 5000
ADDRESS = 2000  # a URL to visit or to request; a longer one is refused, not cut
MARKS = 4  # combining marks on one character; no script needs more

# C0 and C1 controls, soft hyphen, bidi marks and overrides, zero-width and other invisible
# formatting, blanks that count as letters, tags, lone surrogates: text from a server
# must not move the cursor or forge a line. Not compiled here: most text is plain.
_INVISIBLE = (
    "[\x00-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\uffff\ud800-\udfff\U00013430-\U0001345f\U0001bca0-\U0001bca3"
    "\U0001d159\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)


def clean(text: object, limit: int = VALUE) -> str:
    """Return untrusted `text` as one line of at most `limit` columns, without invisible characters."""
    line = " ".join(str(text).split())
    if not _is_plain(line):
        line = _fold_marks(" ".join(re.sub(_INVISIBLE, "", line).split()))
    return cut(line, limit)


def cut(line: str, limit: int) -> str:
    """Return a line of at most `limit` columns; what was cut ends with an ellipsis."""
    if columns(line) <= limit:
        return line
    width, end = 0, 0
    while (width := width + columns(line[end])) < limit:
        end += 1
    return line[:end] + "…"


def columns(line: str) -> int:
    """Return the columns that a line takes on a terminal: two for a wide character, none for a combining mark."""
    if line.isascii():
        return len(line)
    from unicodedata import category, east_asian_width  # ASCII, which most text is, needs no tables

    return sum(
        0 if category(character) in ("Mn", "Me") else 2 if east_asian_width(character) in ("W", "F") else 1
        for character in line
    )


def escape(text: str) -> str:
    r"""Return the user's own `text` with invisible characters as escapes, such as \x1b."""
    return text if _is_plain(text) else re.sub(_INVISIBLE, lambda match: ascii(match[0])[1:-1], text)


def document(fields: Mapping[str, object]) -> str:
    """Return one JSON document for stdout; it is ASCII, other characters are escaped."""
    return json.dumps(fields, indent=2) + "\n"


def listing(words: list[str]) -> str:
    """Join words as in a sentence: a; a and b; a, b and c."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _is_plain(text: str) -> bool:
    return text.isascii() and text.isprintable()


def _fold_marks(line: str) -> str:
    """Leave no more than MARKS combining marks in a row: a longer row would cover the lines above."""
    from unicodedata import category

    kept, marks = "", 0
    for character in line:
        marks = marks + 1 if category(character).startswith("M") else 0
        kept += character if marks <= MARKS else ""
    return kept
