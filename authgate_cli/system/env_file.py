"""Read a settings file: `KEY=VALUE` lines, optional `export`, quotes, comments, CRLF and a BOM.

There is no expansion and no multi-line value. In double quotes a backslash escapes a quote or a
backslash; in single quotes nothing is special. An unquoted value ends at white space followed by `#`.

A file named with `--env-file` is trusted. One that is found in the current directory may have been
written by anybody who can write there. It is ignored unless it belongs to the user or root and nobody
else can write to it or its directory, and it may set only the variables in FOUND_MAY_SET.
"""

from __future__ import annotations

import os
import re
import stat

from ..errors import UsageError
from ..options import VARIABLES
from ..settings import EXPORT, FOUND_MAY_SET
from ..text import listing
from ..values import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_LARGEST = 1024 * 1024
_MAX_WARNINGS = 10  # about malformed lines
# A quoted value, and optionally a comment after it.
_QUOTED = r"""(?:'([^']*)'|"((?:[^"\\]|\\.)*)")(?:[ \t]+#.*|[ \t]*)"""
# O_NONBLOCK: opening a FIFO behind a symbolic link would block. O_NOCTTY: it may be a terminal.
_FLAGS = os.O_RDONLY
for _name in ("O_NONBLOCK", "O_NOCTTY", "O_CLOEXEC", "O_BINARY"):
    _FLAGS |= getattr(os, _name, 0)


class _Ignored(Exception):
    """The reason why a file that was found is not read."""


def read_env_file(path: str, named: bool, warn: Callable[[str], None]) -> dict[str, str]:
    """Return the settings of a file; `named` means that it was given with `--env-file`.

    A file that was found may be missing, and is ignored with a warning if it cannot be read or
    trusted. Raise UsageError if a named file cannot be read.
    """
    try:
        data, status = _read_named(path) if named else _read_found(path)
    except _Ignored as reason:
        warn(f"{path} is ignored: {reason}")
        return {}
    except OSError as error:
        missing = isinstance(error, FileNotFoundError)
        if named:
            problem = "does not exist" if missing else f"cannot be read: {error.strerror}"
            raise UsageError(f"the settings file {path} {problem}", "check --env-file") from error
        if not missing or os.path.lexists(path):
            warn(f"{path} is ignored: it cannot be read ({error.strerror})")
        return {}
    found, malformed = parse(data)
    for number in malformed[:_MAX_WARNINGS]:
        warn(f"line {number} of {path} is malformed and is skipped")
    if len(malformed) > _MAX_WARNINGS:
        warn(f"{len(malformed) - _MAX_WARNINGS} more lines of {path} are malformed and are skipped")
    values = {name: value for name, value in found.items() if name in VARIABLES}
    if not named:
        refused = sorted(name for name in values if values[name].strip() and name not in FOUND_MAY_SET)
        if refused:
            verb, pronoun = ("is", "it") if len(refused) == 1 else ("are", "them")
            remedy = f"{EXPORT} {pronoun}, or name the file with --env-file {path}"
            warn(f"{listing(refused)} in {path} {verb} ignored; {remedy}")
        values = {name: value for name, value in values.items() if name in FOUND_MAY_SET}
    if values.get("CLIENT_SECRET") and status.st_mode & 0o077 and os.name == "posix":
        warn(f"{path} holds CLIENT_SECRET and can be read by others; to fix it: chmod 600 {path}")
    return values


def _read_named(path: str) -> tuple[bytes, os.stat_result]:
    with open(path, "rb") as file:  # it may be a pipe: `--env-file <(…)`
        data = file.read(_LARGEST + 1)
        status = os.fstat(file.fileno())
    if len(data) > _LARGEST:
        raise UsageError(f"the settings file {path} is larger than {_LARGEST >> 20} MiB", "check --env-file")
    return data, status


def _read_found(path: str) -> tuple[bytes, os.stat_result]:
    """Read a file that was found. Raise _Ignored or OSError.

    The path and its directory are checked before the file is opened, so that nobody else can replace
    it afterwards. Then the open file is checked itself.
    """
    _require_trusted(path, os.lstat(path), "it")
    _require_trusted(path, os.stat(os.path.dirname(path) or "."), "its directory")
    _require_regular(os.stat(path))  # opening a device may have side effects
    descriptor = os.open(path, _FLAGS)
    try:
        status = os.fstat(descriptor)
        _require_regular(status)
        _require_trusted(path, status, "it")
        with open(descriptor, "rb", closefd=False) as file:
            data = file.read(_LARGEST + 1) or b""  # read returns None for some files of /proc
    finally:
        os.close(descriptor)
    if len(data) > _LARGEST:
        raise _Ignored(f"it is larger than {_LARGEST >> 20} MiB")
    return data, status


def _require_regular(status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise _Ignored("it is not a regular file")


def _require_trusted(path: str, status: os.stat_result, what: str) -> None:
    """Raise _Ignored if another user owns a file or directory, or can write to it.

    Root and the user's primary group are trusted. In a sticky directory nobody can replace the
    files of others. The mode of a symbolic link has no meaning.
    """
    if os.name != "posix":
        return
    mode, reason = status.st_mode, ""
    others = mode & stat.S_IWOTH or (mode & stat.S_IWGRP and status.st_gid != os.getegid())
    if status.st_uid not in (0, os.geteuid()):
        reason = "belongs to another user"
    elif others and not stat.S_ISLNK(mode) and not (stat.S_ISDIR(mode) and mode & stat.S_ISVTX):
        reason = "can be written by others"
    if reason:
        raise _Ignored(f"{what} {reason}; if you trust it, use --env-file {path}")


def parse(data: bytes) -> tuple[dict[str, str], list[int]]:
    """Return the assignments of a settings file, the last one for a key, and the numbers of its malformed lines."""
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
    return values, malformed


def _assignment(line: str) -> tuple[str, str]:
    key, equals, value = line.partition("=")
    key = key.rstrip(" \t")
    if key.startswith(("export ", "export\t")):
        key = key[len("export ") :].lstrip(" \t")
    if not equals or not key.isascii() or not key.isidentifier() or "\0" in line:
        raise ValueError("no assignment")
    quoted = value.lstrip(" \t")
    return key, _quoted(quoted) if quoted[:1] in ("'", '"') else _unquoted(value)


def _unquoted(value: str) -> str:
    for comment in (" #", "\t#"):
        value = value.partition(comment)[0]
    return value.strip(" \t")


def _quoted(value: str) -> str:
    match = re.fullmatch(_QUOTED, value)
    if not match:
        raise ValueError("the quote is not closed, or text follows it")
    single, double = match.groups()
    return re.sub(r"\\([\"\\])", r"\1", double) if single is None else str(single)
