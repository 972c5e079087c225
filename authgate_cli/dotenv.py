"""Read `.env` text: `KEY=VALUE` lines, optional `export`, quotes, comments, CRLF and a BOM.

There is no expansion and no multi-line value. In double quotes a backslash keeps the quote or
backslash after it; in single quotes nothing is special. An unquoted value ends at ` #`.
"""

from __future__ import annotations

import re

from .values import Value

_KEY = re.compile(r"(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_]*)[ \t]*=[ \t]*(.*)", re.DOTALL)
_DOUBLE = re.compile(r'"((?:[^"\\]|\\.)*)"[ \t]*(?:#.*)?')
_SINGLE = re.compile(r"'([^']*)'[ \t]*(?:#.*)?")


class DotEnv(Value):
    """What a `.env` says, and the numbers of the lines that say nothing intelligible."""

    values: dict[str, str]
    malformed: tuple[int, ...] = ()

    def __repr__(self) -> str:
        return f"DotEnv({sorted(self.values)}, malformed={self.malformed})"


def parse(data: bytes) -> DotEnv:
    """Read the bytes of a `.env`; the last of several lines for one key counts."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):  # what `>` writes in Windows PowerShell
        data = data.decode("utf-16", "replace").encode()
    values: dict[str, str] = {}
    malformed = []
    lines = data.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    for number, line in enumerate(lines, 1):
        stripped = line.strip(b" \t")
        if not stripped or stripped.startswith(b"#"):
            continue
        try:
            key, value = _assignment(stripped.decode())
            values[key] = value
        except ValueError:
            malformed.append(number)
    return DotEnv(values, tuple(malformed))


def _assignment(line: str) -> tuple[str, str]:
    match = _KEY.fullmatch(line)
    if match is None or "\0" in line:
        raise ValueError("no assignment")
    key, value = match.groups()
    if value[:1] == '"':
        return key, re.sub(r'\\(["\\])', r"\1", _quoted(_DOUBLE, value))
    if value[:1] == "'":
        return key, _quoted(_SINGLE, value)
    return key, re.split(r"(?:^|[ \t])#", value, maxsplit=1)[0].rstrip()


def _quoted(pattern: re.Pattern[str], value: str) -> str:
    match = pattern.fullmatch(value)
    if match is None:
        raise ValueError("the quote is not closed, or text follows it")
    return match.group(1)
