"""Read and replace the token file: no other user can read it, and no process reads half of it.

The file must be absent, or a regular file of the user without a second name (a hard link), empty or
beginning with `{`. Its directory must not be writable by everyone, unless it is sticky. Anything else
is refused and left as it is.

A new file has mode 0600 from the start, whatever the umask. It is written beside its target, synced
and renamed; then its directory is synced, because a power cut could still undo the rename.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from ..errors import StoreFailed


class FileHeld(StoreFailed):
    """Windows does not permit it now; perhaps it will when another program has closed the file."""


_LEFTOVER = r"\.(corrupt(-[0-9]+)?|[0-9]+-[0-9a-f]{8}\.tmp)"  # as `move_aside` and `_written_beside` name them
LARGEST = 16 * 1024 * 1024
_ANOTHER = "name another file with --token-file"
_ELSEWHERE = "check the free space and your permission to write there, or name another --token-file"
_FLAGS = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)


def replace_private(path: str, data: bytes, before_rename: Callable[[], None] = lambda: None) -> None:
    """Replace a private file's content atomically and durably, or leave it as it was.

    `before_rename` is called when everything is written; if it raises, nothing is replaced.
    """
    require_private(path)
    with _written_beside(path, data, "cannot be written") as temporary:
        before_rename()
        os.replace(temporary, path)
    with suppress(OSError):  # Windows cannot open a directory; the rename has happened anyway
        directory = os.open(os.path.dirname(path) or ".", os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


def check_replaceable(path: str, room: int, before_rename: Callable[[], None] = lambda: None) -> None:
    """Raise StoreFailed unless the file could be saved now with `room` more bytes in it.

    They are written to a file beside it, which then replaces it with the same content: permissions,
    quotas, full disks and files that are immutable or mounted by themselves (in containers) cannot be
    checked reliably in any other way. `before_rename` is as above.
    """
    present = read_private(path)
    with _written_beside(path, (present or b"") + b" " * room, "could not be written") as temporary:
        if present and os.name == "nt":  # a new file could have another access list
            os.rename(path, path)  # changes nothing, and fails while another program has the file open
        elif present is not None:
            os.truncate(temporary, len(present))
            before_rename()
            if read_private(path) == present:  # else a program without our lock has just replaced it
                os.replace(temporary, path)


def create_private(path: str) -> int:
    """Create a file that nobody else can open; return its descriptor. Raise OSError if the name is taken."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | _FLAGS, 0o600)
    if os.name == "posix" and os.fstat(descriptor).st_mode & 0o600 != 0o600:
        os.fchmod(descriptor, 0o600)  # a umask can take away our own rights, but never gives any to others
    return descriptor


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


def leftovers(path: str) -> list[str]:
    """Return the files beside a token file that may hold tokens: corrupt ones, and those of an interrupted run."""
    directory, name = os.path.split(path)
    try:
        others = sorted(os.listdir(directory or ".")) if path else []
    except OSError:
        return []
    found = [os.path.join(directory, other) for other in others if re.fullmatch(re.escape(name) + _LEFTOVER, other)]
    return [each for each in found if _is_ours(each)]


def remove_leftovers(path: str) -> None:
    """Remove what `leftovers` finds. Raise StoreFailed if that cannot be done."""
    for each in leftovers(path):
        try:
            os.unlink(each)
        except OSError as error:
            raise StoreFailed(f"{each} cannot be removed: {error.strerror}", "it may hold tokens; remove it") from error


def require_private(path: str) -> None:
    """Raise StoreFailed unless a private file of ours is there, or could be made."""
    with _opened(path):
        pass


def what_is_wrong(status: os.stat_result) -> str | None:
    """Return why a file is not private to us (a link, another owner, a second hard link, ...), or None."""
    if stat.S_ISLNK(status.st_mode):
        return "is a symbolic link"
    if not stat.S_ISREG(status.st_mode):
        return "is not a regular file"
    if hasattr(os, "geteuid") and status.st_uid != os.geteuid():
        return f"belongs to another user ({status.st_uid})"
    return "has a second name (a hard link)" if status.st_nlink > 1 else None


def read_private(path: str, warn: Callable[[str], None] | None = None) -> bytes | None:
    """Return a token file's bytes, None if there is none. With `warn`, a mode that lets others in is tightened."""
    data = b""
    with _opened(path) as descriptor:
        if descriptor < 0:
            return None
        if warn and os.name == "posix" and os.fstat(descriptor).st_mode & 0o077:
            _tighten(path, descriptor, warn)
        while chunk := os.read(descriptor, 1024 * 1024):
            data += chunk
            if len(data) > LARGEST:
                raise StoreFailed(f"the token file {path} is larger than {LARGEST >> 20} MiB", "is it the right file?")
    return data


@contextmanager
def _opened(path: str) -> Iterator[int]:
    """Open a token file for reading; -1 if there is none. Raise StoreFailed if it is something else or unreadable."""
    if not path:
        raise StoreFailed("there is no home directory to keep the token in", "set HOME, or name a --token-file")
    _require_directory(os.path.dirname(path) or ".")
    descriptor = -1
    try:
        with suppress(FileNotFoundError):
            _require_ours(path, os.lstat(path))
            # Without O_NONBLOCK a FIFO that appears between the two calls would block us.
            descriptor = os.open(path, os.O_RDONLY | _FLAGS | getattr(os, "O_NONBLOCK", 0))
            _require_ours(path, os.fstat(descriptor))
            if os.read(descriptor, 1) not in (b"", b"{"):
                raise StoreFailed(f"{path} does not look like a token file, and is left alone", _ANOTHER)
            os.lseek(descriptor, 0, os.SEEK_SET)
        yield descriptor
    except OSError as error:
        raise _failed("cannot be read", path, error) from error
    finally:
        if descriptor >= 0:
            os.close(descriptor)


def _require_directory(directory: str) -> None:
    try:
        mode = os.stat(directory).st_mode
    except FileNotFoundError:
        hint = "create it, or name another --token-file"
        raise StoreFailed(f"the token file's directory {directory} does not exist", hint) from None
    except OSError:
        return  # opening the file reports it
    # HOME may be /dev/null, which everybody may write
    if os.name == "posix" and stat.S_ISDIR(mode) and mode & (stat.S_IWOTH | stat.S_ISVTX) == stat.S_IWOTH:
        hint = f"chmod o-w {directory}, or name another --token-file"
        raise StoreFailed(f"the token file's directory {directory} is writable by everyone", hint)


def _require_ours(path: str, status: os.stat_result) -> None:
    problem = what_is_wrong(status)
    if problem:
        raise StoreFailed(f"the token file {path} {problem}, and is left alone", _ANOTHER)


def _tighten(path: str, descriptor: int, warn: Callable[[str], None]) -> None:
    with suppress(OSError):  # the mode is checked below
        os.fchmod(descriptor, 0o600)
    if os.fstat(descriptor).st_mode & 0o077:
        warn(f"the token file {path} is accessible to other users, and chmod cannot change that here; see --token-file")
    else:
        warn(f"the token file {path} was accessible to other users; its mode is now 0600")


@contextmanager
def _written_beside(path: str, data: bytes, problem: str) -> Iterator[str]:
    """Write a temporary file beside a file, and remove it after the block if it is still there."""
    temporary = f"{path}.{os.getpid()}-{os.urandom(4).hex()}.tmp"
    try:
        with open(create_private(temporary), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        yield temporary
    except OSError as error:
        raise _failed(problem, path, error) from error
    finally:
        remove_quietly(temporary)


def _is_ours(path: str) -> bool:
    try:
        return what_is_wrong(os.lstat(path)) is None
    except OSError:
        return False


def remove_quietly(path: str) -> None:
    """Remove a file if it exists and that is permitted."""
    with suppress(OSError):
        os.unlink(path)


def _failed(what: str, path: str, error: OSError) -> StoreFailed:
    # Windows has one error for a file that is open elsewhere and for one that an access list protects.
    kind = FileHeld if os.name == "nt" and isinstance(error, PermissionError) else StoreFailed
    hint = "mount its directory and not the file itself" if error.errno == errno.EBUSY else _ELSEWHERE
    return kind(f"the token file {path} {what}: {error.strerror or error}", hint)
