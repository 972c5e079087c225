"""Read and replace a private file so that nobody else sees it and nobody ever sees half of it.

A symlink, another owner's file, a directory or a device in its place is refused untouched. A
file is created 0600 in one step, written beside its target, synced, renamed; then its directory
is synced, or a power cut could still undo the rename.
"""

from __future__ import annotations

import os
import stat

from ..errors import StoreFailed
from ..values import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

LARGEST = 16 * 1024 * 1024
_ELSEWHERE = "see that there is room and that you may write there, or name another --token-file"
_FLAGS = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


def read_private(path: str, warn: Callable[[str], None]) -> bytes:
    """Return a private file's bytes, b"" when there is none. A mode too loose is tightened."""
    require_private(path)
    try:
        # Without O_NONBLOCK a FIFO that appears here between two calls would hang us.
        descriptor = os.open(path, os.O_RDONLY | _FLAGS | getattr(os, "O_NONBLOCK", 0))
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise _failed("cannot be read", path, error) from error
    try:
        status = os.fstat(descriptor)
        _refuse(path, status)
        if status.st_mode & 0o077 and os.name == "posix":
            _tighten(path, descriptor, warn)
        return _read_all(path, descriptor)
    finally:
        os.close(descriptor)


def replace_private(path: str, data: bytes) -> None:
    """Replace a private file's content at once and for good, or leave it as it was."""
    require_private(path)
    temporary = f"{path}.{os.getpid()}-{os.urandom(4).hex()}.tmp"
    try:
        _write_new(temporary, data)
        os.replace(temporary, path)
    except OSError as error:
        raise _failed("cannot be written", path, error) from error
    finally:
        _remove(temporary)
    _sync_directory(os.path.dirname(path) or ".")


def check_replaceable(path: str, room: int) -> None:
    """Raise StoreFailed unless the file could be saved now with `room` more bytes in it.

    Really writes them, to a file beside it: permissions, quotas, file size limits and full disks
    tell the truth only when asked this way.
    """
    require_private(path)
    temporary = f"{path}.{os.getpid()}-{os.urandom(4).hex()}.tmp"
    try:
        present = os.stat(path).st_size if os.path.exists(path) else 0
        _write_new(temporary, b" " * (present + room))
    except OSError as error:
        raise _failed("could not be written", path, error) from error
    finally:
        _remove(temporary)


def move_aside(path: str) -> str:
    """Rename a file to the first free of `<file>.corrupt`, `<file>.corrupt-2`, …; return that name."""
    aside, count = path + ".corrupt", 1
    while os.path.lexists(aside):
        count += 1
        aside = f"{path}.corrupt-{count}"
    try:
        os.rename(path, aside)
    except OSError as error:
        raise _failed("is corrupt, and could not be moved aside", path, error) from error
    return aside


def require_private(path: str) -> None:
    """Raise StoreFailed unless a private file of ours is there, or could be."""
    if not path:
        raise StoreFailed("there is no home directory to keep the token in", "set HOME, or name a --token-file")
    try:
        _refuse(path, os.lstat(path))
    except FileNotFoundError:
        directory = os.path.dirname(path) or "."
        if not os.path.isdir(directory):
            raise StoreFailed(
                f"the token file's directory {directory} does not exist", "create it, or name another --token-file"
            ) from None
    except OSError as error:
        raise _failed("cannot be reached", path, error) from error


def _refuse(path: str, status: os.stat_result) -> None:
    reason = None
    if stat.S_ISLNK(status.st_mode):
        reason = "is a symbolic link"
    elif not stat.S_ISREG(status.st_mode):
        reason = "is not a regular file"
    elif hasattr(os, "geteuid") and status.st_uid != os.geteuid():
        reason = "belongs to another user"
    if reason:
        raise StoreFailed(f"the token file {path} {reason}, and is left alone", "name another with --token-file")


def _tighten(path: str, descriptor: int, warn: Callable[[str], None]) -> None:
    try:
        os.fchmod(descriptor, 0o600)
    except OSError as error:
        warn(f"the token file {path} can be read by others, and that cannot be changed ({error.strerror})")
    else:
        warn(f"the token file {path} could be read by others; its mode is now 0600")


def _read_all(path: str, descriptor: int) -> bytes:
    chunks, size = [], 0
    try:
        while chunk := os.read(descriptor, 65536):
            chunks.append(chunk)
            size += len(chunk)
            if size > LARGEST:
                raise StoreFailed(f"the token file {path} is larger than {LARGEST >> 20} MiB", "is it the right file?")
    except OSError as error:
        raise _failed("cannot be read", path, error) from error
    return b"".join(chunks)


def _write_new(path: str, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _FLAGS, 0o600)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        pass  # it was renamed, or never came to be


def _sync_directory(directory: str) -> None:
    try:
        descriptor = os.open(directory, os.O_RDONLY)
    except OSError:
        return  # Windows has no handle for a directory; the rename has happened all the same
    try:
        os.fsync(descriptor)
    except OSError:
        pass
    finally:
        os.close(descriptor)


def _failed(what: str, path: str, error: OSError) -> StoreFailed:
    return StoreFailed(f"the token file {path} {what}: {error.strerror or error}", _ELSEWHERE)
