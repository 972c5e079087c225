"""Read `.env` text: `KEY=VALUE` lines, optional `export`, quotes, comments, CRLF and a BOM.

There is no expansion and no multi-line value. In double quotes a backslash keeps the quote or
backslash after it; in single quotes nothing is special. An unquoted value ends at ` #`.
"""

from __future__ import annotations

from .values import Value


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
    key, equals, value = line.partition("=")
    key = key.rstrip(" \t")
    if key.startswith(("export ", "export\t")):
        key = key[len("export ") :].lstrip(" \t")
    if not equals or not key.isascii() or not key.isidentifier() or "\0" in line:
        raise ValueError("no assignment")
    value = value.lstrip(" \t")
    return key, _quoted(value) if value[:1] in ("'", '"') else _unquoted(value)


def _unquoted(value: str) -> str:
    comment = next((at for at, mark in enumerate(value) if mark == "#" and value[at - 1 : at] in ("", " ", "\t")), None)
    return value[:comment].rstrip()


def _quoted(value: str) -> str:
    quote, inside, marks = value[0], "", iter(value[1:])
    for mark in marks:
        if mark == quote:
            rest = "".join(marks).lstrip(" \t")
            if rest and rest[0] != "#":
                break
            return inside
        if mark == "\\" and quote == '"':
            following = next(marks, "")
            mark = following if following in ('"', "\\") else mark + following
        inside += mark
    raise ValueError("the quote is not closed, or text follows it")
