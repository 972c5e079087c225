"""Lock files that keep processes from disturbing each other.

Two locks guard a token file, for two lengths of time:

- `<file>.lock`, made exclusively and removed again: what the Go and Python SDKs honour around
  their read-modify-write. Ours lasts milliseconds, because they give up after 5 s and take a
  lock over that is older than 30 s. A process that was suspended for so long has lost its lock,
  and finds that out before it replaces the file.
- `<file>.refresh`, a kernel lock (flock; msvcrt on Windows), is held while a
  process reads the store again, refreshes the token and saves it. The kernel releases it when the process ends.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import contextmanager, suppress

from ..errors import StoreFailed, Unreachable
from ..system.signals import uninterrupted
from ..values import TYPE_CHECKING
from .private_file import create_private, remove_quietly, what_is_wrong

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ..system import System

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]
    import msvcrt

STALE = 30.0  # seconds after which `<file>.lock` counts as abandoned
_OPEN = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


class LockLost(Exception):
    """Another process has taken our lock over, and may have written in the meantime."""


@contextmanager
def file_lock(path: str, system: System, tell: Callable[[str], None]) -> Iterator[Callable[[], None]]:
    """Hold `<path>.lock` for a read-modify-write. Raise StoreFailed if it cannot be made; `tell` why it takes long.

    The block gets a function that it calls just before it replaces the file; it raises LockLost if
    another process has taken the lock over.
    """
    lock, descriptor = path + ".lock", -1

    def require_lock() -> None:
        if not _is_same(descriptor, lock):
            raise LockLost

    with uninterrupted() as signals:  # a signal would leave the lock file behind; it still ends the wait
        notice = f"Waiting for another program to finish with the token file ({lock}) …"
        # Longer than STALE, so an abandoned lock is taken over first.
        for _ in system.attempts(STALE + 5, tell, notice):
            descriptor = _make(lock, system.now)
            if descriptor >= 0 or signals:
                break
        if descriptor < 0:
            raise StoreFailed(f"the token file is locked by another program ({lock})", "try again in a moment")
        try:
            yield require_lock
        finally:
            ours = _is_same(descriptor, lock)
            os.close(descriptor)  # first: Windows cannot remove an open file
            if ours:
                remove_quietly(lock)


def _make(lock: str, now: Callable[[], float]) -> int:
    """Make the lock and return its open descriptor, which identifies it later; -1 if another process has it."""
    try:
        descriptor = create_private(lock)
    except FileExistsError:
        _take_over(lock, now)
        return -1
    except OSError as error:
        if os.name == "nt" and isinstance(error, PermissionError):
            return -1  # Windows: the file is just being removed
        hint = "name a --token-file elsewhere, or set AUTHGATE_TOKEN"
        raise StoreFailed(f"{lock} cannot be created: {error.strerror}", hint) from error
    with suppress(OSError):  # the name alone is the lock; on a full disk the write that follows fails
        os.write(descriptor, str(os.getpid()).encode())
    return descriptor


def _take_over(lock: str, now: Callable[[], float]) -> None:
    """Remove an abandoned lock. Raise StoreFailed if that is not permitted."""
    # Rename it first, then look again: in the meantime another process may have removed the
    # old lock and made its own, which must be put back.
    aside = f"{lock}.{os.getpid()}"
    try:
        before = os.lstat(lock)
        if not stat.S_ISREG(before.st_mode):
            raise StoreFailed(f"{lock} exists and is not a regular file", "remove it")
        if abs(now() - before.st_mtime) <= STALE:  # one from the future is stale too: a clock was set back
            return
        os.rename(lock, aside)
    except OSError as error:
        if isinstance(error, PermissionError) and os.name == "posix":  # on Windows another process has it open
            hint = "ask for its removal, or name a --token-file in your own directory"
            raise StoreFailed(f"the old lock {lock} cannot be removed", hint) from error
        return  # another process was faster; the next attempt will see
    with suppress(OSError):  # there is a new one already
        after = os.lstat(aside)
        if (after.st_ino, after.st_mtime_ns) != (before.st_ino, before.st_mtime_ns):
            os.link(aside, lock)
    remove_quietly(aside)


def _is_same(descriptor: int, path: str) -> bool:
    """Tell whether a path still names the open file; while it is open, its inode number is not reused."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.lstat(path))
    except OSError:
        return False


@contextmanager
def refresh_lock(
    path: str, system: System, explain: Callable[[str], None], seconds: float, required: bool = False
) -> Iterator[None]:
    """Hold the lock that every process takes before it refreshes what this path stores.

    Raise Unreachable if another process holds it for longer than `seconds`. If the lock cannot be made
    (a read-only directory, a file system without locks), `explain` that and go on without it. If
    something that is not ours has its name, raise StoreFailed if the lock is `required`, otherwise go
    on without it.
    """
    lock, descriptor, locked = path + ".refresh", -1, True
    try:
        try:
            if not path:
                raise FileNotFoundError(0, "there is no home directory")
            descriptor = _open(lock)
            attempts = system.attempts(seconds, explain, f"waiting for another authgate ({lock})")
            locked = any(_try_lock(descriptor) for _ in attempts)
        except StoreFailed as failure:
            if required:
                raise
            explain(f"continuing without a lock: {failure.message}")
        except OSError as error:
            explain(f"continuing without a lock: {lock} cannot be used ({error.strerror})")
        if not locked:
            raise Unreachable("another authgate process is still refreshing this token", "try again in a moment")
        yield
    finally:
        if descriptor >= 0:
            os.close(descriptor)  # the kernel then releases the lock


def _open(lock: str) -> int:
    """Open the refresh lock, or make it. Raise StoreFailed if something else is there, OSError otherwise."""
    problem = None
    try:
        descriptor = os.open(lock, _OPEN, 0o600)
    except OSError as error:
        with suppress(OSError):  # nothing is there
            problem = what_is_wrong(os.lstat(lock))
        if problem is None and isinstance(error, PermissionError) and os.access(os.path.dirname(lock) or ".", os.W_OK):
            problem = f"cannot be opened ({error.strerror})"  # it belonged to another user, or is immutable
        if problem is None:
            raise
    else:
        problem = what_is_wrong(os.fstat(descriptor))
        if problem is None:
            with suppress(AttributeError, OSError):  # Windows, or a file system without modes
                os.fchmod(descriptor, 0o600)  # other users who can open it could hold the lock
            return descriptor
        os.close(descriptor)
    hint = "remove it or ask for its removal, or name a --token-file in your own directory"
    raise StoreFailed(f"the lock {lock} {problem}, so it cannot be used", hint)


def _try_lock(descriptor: int) -> bool:
    try:
        if fcntl:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        else:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
    except OSError as error:
        if isinstance(error, (BlockingIOError, PermissionError)) or (not fcntl and error.errno != errno.EBADF):
            return False  # another process has it; Windows has several errors for that
        raise
    return True
