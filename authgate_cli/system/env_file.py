"""Read a settings file: `KEY=VALUE` lines, optional `export`, quotes, comments, CRLF and a BOM.

There is no expansion and no multi-line value. In double quotes a backslash escapes a quote or a
backslash; in single quotes nothing is special. An unquoted value ends at white space followed by `#`.

A file named with `--env-file` is trusted. One that is found in the current directory may have been
written by anybody who can write there. It is ignored unless it belongs to the user or root and nobody
else can write to it or its directory, and it may set only the variables in DOTENV_MAY_SET.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable
from contextlib import suppress

from ..errors import UsageError
from ..options import VARIABLES
from ..settings import DOTENV_MAY_SET, EXPORT
from ..text import listing

_LARGEST = 1024 * 1024
_MAX_WARNINGS = 10  # about malformed lines
_ASSIGNMENT = r"""(?x)
    (?:export[ \t]+)? ([A-Za-z_][A-Za-z_0-9]*) [ \t]*=
    (?: [ \t]* (?: '([^']*)' | "((?:[^"\\]|\\.)*)" ) (?:[ \t]+\#.*|[ \t]*) | (?![ \t]*['"]) (.*) )
"""
# O_NONBLOCK: opening a FIFO behind a symbolic link would block. O_NOCTTY: it may be a terminal.
_FLAGS = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)


def read_env_file(path: str, named: bool, warn: Callable[[str], None]) -> dict[str, str]:
    """Return the settings of a file; `named` means that it was given with `--env-file`.

    A file that was found may be missing, and is ignored with a warning if it cannot be read or
    trusted. Raise UsageError if a named file cannot be read.
    """
    try:
        data, mode = _read_named(path) if named else _read_found(path)
        if len(data) > _LARGEST:
            raise ValueError(f"is larger than {_LARGEST >> 20} MiB")
    except (OSError, ValueError) as error:
        if not named and not os.path.lexists(path):
            return {}
        reason = f"cannot be read: {error.strerror}" if isinstance(error, OSError) else str(error)
        if named:
            reason = "does not exist" if isinstance(error, FileNotFoundError) else reason
            raise UsageError(f"the settings file {path} {reason}", "check --env-file") from error
        warn(f"{path} is ignored: it {reason}")
        return {}
    assigned, malformed = parse(data)
    for number in malformed[:_MAX_WARNINGS]:
        warn(f"line {number} of {path} is malformed and is skipped")
    if len(malformed) > _MAX_WARNINGS:
        warn(f"{len(malformed) - _MAX_WARNINGS} more lines of {path} are malformed and are skipped")
    values = {name: value for name, value in assigned.items() if name in VARIABLES}
    if not named:
        ignored = sorted(name for name in values if values[name].strip() and name not in DOTENV_MAY_SET)
        if ignored:
            verb, pronoun = ("is", "it") if len(ignored) == 1 else ("are", "them")
            remedy = f"{EXPORT} {pronoun}, or name the file with --env-file {path}"
            warn(f"{listing(ignored)} in {path} {verb} ignored; {remedy}")
        values = {name: value for name, value in values.items() if name in DOTENV_MAY_SET}
    if values.get("CLIENT_SECRET") and mode & 0o077 and os.name == "posix":
        warn(f"{path} holds CLIENT_SECRET and can be read by others; to fix it: chmod 600 {path}")
    return values


def _read_named(path: str) -> tuple[bytes, int]:
    with open(path, "rb") as file:  # it may be a pipe: `--env-file <(…)`
        return file.read(_LARGEST + 1), os.fstat(file.fileno()).st_mode


def _read_found(path: str) -> tuple[bytes, int]:
    """Read a file that was found. Raise OSError, or ValueError with the reason why the file is ignored.

    The path, the links behind it and their directories are checked before the file is opened, so that
    nobody else can replace it afterwards. Then the open file is checked itself.
    """
    found, name = os.stat(path), path
    _require_regular(found)  # opening a device may have side effects
    for _ in range(40):  # as many links as Linux follows
        status, folder = os.lstat(name), os.path.dirname(name) or "."
        _require_trusted(path, name, status)
        directory = os.stat(folder)
        _require_trusted(path, folder, directory, "is in a directory that ")
        if not stat.S_ISLNK(status.st_mode):
            break
        name = os.path.join(folder, os.readlink(name))
    if not found.st_size:  # empty, or one of /proc, where reading can remove data (/proc/kmsg)
        return b"", found.st_mode
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | _FLAGS)) as file:
        status = os.fstat(file.fileno())
        _require_regular(status)
        _require_trusted(path, file.fileno(), status)
        if status.st_nlink > 1 and directory.st_mode & stat.S_ISVTX:  # others can link to a file of ours there
            raise ValueError(f"has a second name (a hard link); if you trust it, use --env-file {path}")
        return file.read(_LARGEST + 1) or b"", status.st_mode  # read returns None for some files of /proc


def _require_regular(status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise ValueError("is not a regular file")


def _require_trusted(path: str, file: str | int, status: os.stat_result, where: str = "") -> None:
    """Raise ValueError if another user owns a file or directory, or can write to it.

    Root and the user's primary group are trusted. In a sticky directory nobody can replace the
    files of others. The mode of a symbolic link has no meaning.
    """
    if os.name != "posix":
        return
    mode, reason = status.st_mode, ""
    if status.st_uid not in (0, os.geteuid()):
        reason = "belongs to another user"
    elif not stat.S_ISLNK(mode) and not (stat.S_ISDIR(mode) and mode & stat.S_ISVTX):
        group = mode & stat.S_IWGRP and (status.st_gid != os.getegid() or _has_access_list(file))
        reason = "can be written by others" if mode & stat.S_IWOTH or group else ""
    if reason:
        raise ValueError(f"{where}{reason}; if you trust it, use --env-file {path}")


def _has_access_list(file: str | int) -> bool:
    """Tell whether the mode's group stands for users that an access list names (Linux)."""
    with suppress(AttributeError, OSError):  # not Linux, or a file system without them
        return "system.posix_acl_access" in os.listxattr(file)
    return False


def parse(data: bytes) -> tuple[dict[str, str], list[int]]:
    """Return the assignments of a settings file, the last one for a key, and the numbers of its malformed lines."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):  # what `>` writes in Windows PowerShell
        data = data.decode("utf-16", "replace").encode()
    values: dict[str, str] = {}
    malformed = []
    for number, line in enumerate(data.removeprefix(b"\xef\xbb\xbf").splitlines(), 1):
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
    match = re.fullmatch(_ASSIGNMENT, line)
    if not match or "\0" in line:
        raise ValueError("no assignment, the quote is not closed, or text follows it")
    key, single, double, unquoted = match.groups()
    if double is not None:
        return key, re.sub(r"\\([\"\\])", r"\1", double)
    return key, single if single is not None else re.split(r"[ \t]#", unquoted)[0].strip(" \t")
