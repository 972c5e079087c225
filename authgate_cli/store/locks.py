"""Keep processes out of each other's way.

Two locks guard a token file, for two lengths of time:

- `<file>.lock`, made exclusively and removed again: what the Go and Python SDKs honour around
  their read-modify-write. Ours lasts milliseconds, because they give up after 5 s and take a
  lock over that is older than 30 s. A process that was suspended for so long has lost its lock,
  and finds that out before it replaces the file.
- `<file>.refresh`, issued by the kernel (flock; msvcrt on Windows) from "read again" to "written"
  around a refresh, which waits for a network. It ends with the process, however that ends.
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

    from .file_store import Waiting

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]
    import msvcrt

STALE = 30.0  # seconds after which `<file>.lock` is nobody's any more
_OPEN = os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0)


class LockLost(Exception):
    """Somebody else has taken our lock over, and may have written meanwhile."""


@contextmanager
def file_lock(path: str, waiting: Waiting) -> Iterator[Callable[[], None]]:
    """Hold `<path>.lock` for a read-modify-write. Raise StoreFailed when it cannot be made.

    The block gets a function to call just before it replaces the file: it raises LockLost when
    the lock is somebody else's by then.
    """
    lock, descriptor = path + ".lock", -1
    with uninterrupted() as signals:  # they would leave the lock behind; but nobody waits for one in vain

        def settled() -> bool:
            nonlocal descriptor
            descriptor = _make(lock, waiting.now)
            return descriptor >= 0 or bool(signals)

        def notice() -> None:
            waiting.tell(f"Waiting for another program to finish with the token file ({lock}) …")

        def require_lock() -> None:
            if not _is_same(descriptor, lock):
                raise LockLost

        # A little longer than a lock can live: only one that somebody keeps making anew lasts longer.
        waiting.retry_until(settled, STALE + 5, notice)
        if descriptor < 0:
            message = f"the token file is locked by another program ({lock}{_whose(lock)})"
            raise StoreFailed(message, "try again in a moment")
        try:
            yield require_lock
        finally:
            ours = _is_same(descriptor, lock)
            os.close(descriptor)  # first: Windows removes no file that is open
            if ours:
                remove_quietly(lock)


def _make(lock: str, now: Callable[[], float]) -> int:
    """Make the lock and return its open descriptor, by which it is known again; -1 when somebody has it."""
    try:
        descriptor = create_private(lock)
    except FileExistsError:
        _take_over(lock, now)
        return -1
    except OSError as error:
        if os.name == "nt" and isinstance(error, PermissionError):
            return -1  # Windows says so of a file that is just being removed
        hint = "name a --token-file elsewhere, or set AUTHGATE_TOKEN"
        raise StoreFailed(f"{lock} cannot be created: {error.strerror}", hint) from error
    with suppress(OSError):  # the name alone is the lock; a full disk is found out by the write that follows
        os.write(descriptor, str(os.getpid()).encode())
    return descriptor


def _take_over(lock: str, now: Callable[[], float]) -> None:
    """Remove a lock that its owner cannot be holding any more. Raise StoreFailed when that is not permitted."""
    # Renamed first, and looked at again: between our look and our act another process may
    # have removed the old lock and made its own, which is not ours to break.
    aside = f"{lock}.{os.getpid()}"
    try:
        before = os.lstat(lock)
        if not stat.S_ISREG(before.st_mode):
            raise StoreFailed(f"{lock} is in the way: it is not a regular file", "remove it")
        if abs(now() - before.st_mtime) <= STALE:  # one from the future is as stale: a clock was set back
            return
        os.rename(lock, aside)
    except OSError as error:
        if isinstance(error, PermissionError) and os.name == "posix":  # on Windows somebody has it open
            hint = "have it removed, or name a --token-file in a directory of your own"
            raise StoreFailed(f"{lock}{_whose(lock)} is left over and cannot be removed", hint) from error
        return  # somebody else was faster; the next attempt sees
    with suppress(OSError):  # there is a new one already
        after = os.lstat(aside)
        if (after.st_ino, after.st_mtime_ns) != (before.st_ino, before.st_mtime_ns):
            os.link(aside, lock)
    remove_quietly(aside)


def _whose(lock: str) -> str:
    """Return for a message whose lock it is, where it is another user's."""
    try:
        owner = os.lstat(lock).st_uid
    except OSError:
        return ""
    return f" of user {owner}" if os.name == "posix" and owner != os.geteuid() else ""


def _is_same(descriptor: int, path: str) -> bool:
    """Tell whether a path still leads to the file that is open: while it is, nobody else gets its number."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.lstat(path))
    except OSError:
        return False


@contextmanager
def refresh_lock(
    path: str, waiting: Waiting, seconds: float, explain: Callable[[str], None], required: bool = False
) -> Iterator[None]:
    """Hold the lock of everybody who refreshes what this path stores.

    Raise Unreachable when another process keeps it for longer than `seconds`. Where the lock
    cannot be made (a read-only directory, a file system without locks): go on alone, and `explain`
    it. So too where something of somebody else's is in its place, unless the lock is `required`,
    as it is for a refresh token; then raise StoreFailed.
    """
    lock, descriptor, locked = path + ".refresh", -1, True
    try:
        try:
            if not path:
                raise FileNotFoundError(0, "there is no home directory")
            descriptor = _open(lock)
            locked = waiting.retry_until(
                lambda: _try_lock(descriptor), seconds, lambda: explain(f"waiting for another authgate ({lock})")
            )
        except StoreFailed as failure:
            if required:
                raise
            explain(f"continuing without a lock: {failure.message}")
        except OSError as error:
            explain(f"continuing without a lock: {lock} cannot be used ({error.strerror})")
        if not locked:
            raise Unreachable("another authgate has been refreshing this token for too long", "try again in a moment")
        yield
    finally:
        if descriptor >= 0:
            os.close(descriptor)  # and the kernel lets go of the lock


def _open(lock: str) -> int:
    """Open the refresh lock, making it if need be. Raise StoreFailed for anything else there, OSError without it."""
    problem, descriptor = None, -1
    try:
        descriptor = _open_or_create(lock)
        problem = what_is_wrong(os.fstat(descriptor))
    except OSError as error:
        with suppress(OSError):  # nothing is there
            problem = what_is_wrong(os.lstat(lock))
        if problem is None and isinstance(error, PermissionError) and os.access(os.path.dirname(lock) or ".", os.W_OK):
            problem = f"cannot be opened ({error.strerror})"  # somebody else's until a moment ago, or immutable
        if problem is None:
            raise
    if problem is None:
        return descriptor
    if descriptor >= 0:
        os.close(descriptor)
    hint = "remove it or have it removed, or name a --token-file in a directory of your own"
    raise StoreFailed(f"the lock {lock} {problem}, and cannot be relied on", hint)


def _open_or_create(lock: str) -> int:
    for _ in range(10):  # it is not removed as a rule
        try:
            return create_private(lock)
        except FileExistsError:
            try:
                return os.open(lock, _OPEN)
            except FileNotFoundError as error:
                gone = error
    raise gone


def _try_lock(descriptor: int) -> bool:
    try:
        if fcntl:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        else:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
    except OSError as error:
        if isinstance(error, (BlockingIOError, PermissionError)) or (not fcntl and error.errno != errno.EBADF):
            return False  # somebody has it; Windows has several ways of saying so
        raise
    return True
