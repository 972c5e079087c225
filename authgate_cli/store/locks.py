"""Keep processes out of each other's way.

Two locks guard a token file, for two lengths of time:

- `<file>.lock`, made exclusively and removed again: what the Go and Python SDKs honour around
  their read-modify-write. Ours lasts milliseconds, because they give up after 5 s and take a
  lock over that is older than 30 s.
- `<file>.refresh`, issued by the kernel (flock; msvcrt on Windows) from "read again" to "written"
  around a refresh, which waits for a network. It ends with the process, however that ends.
"""

from __future__ import annotations

import os
from contextlib import contextmanager

from ..errors import StoreFailed, Unreachable
from ..system.signals import uninterrupted
from ..values import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

STALE = 30.0  # seconds after which `<file>.lock` is nobody's any more
_OPEN = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)


class Waiting:
    """Wait with a clock that tests can turn: `now` in seconds since 1970, monotonic, sleep."""

    def __init__(self, now: Callable[[], float], monotonic: Callable[[], float], sleep: Callable[[float], None]):
        self.now, self.monotonic, self.sleep = now, monotonic, sleep

    def retry_until(self, attempt: Callable[[], bool], seconds: float) -> bool:
        """Try, with growing pauses up to 0.1 s, until it works; False when the time is over."""
        deadline, pause = self.monotonic() + seconds, 0.002
        while not attempt():
            if self.monotonic() >= deadline:
                return False
            self.sleep(pause)
            pause = min(pause * 1.5, 0.1)
        return True


@contextmanager
def file_lock(path: str, waiting: Waiting) -> Iterator[None]:
    """Hold `<path>.lock` for a read-modify-write. Raise StoreFailed when it cannot be made."""
    lock, made = path + ".lock", False
    with uninterrupted() as signals:  # they would leave the lock behind; but nobody waits for one in vain

        def settled() -> bool:
            nonlocal made
            made = _make(lock, waiting.now)
            return made or bool(signals)

        # A little longer than a lock can live: only one that somebody keeps making anew lasts longer.
        waiting.retry_until(settled, STALE + 5)
        if not made:
            raise StoreFailed(f"the token file stays locked by another program ({lock})", "try again in a moment")
        try:
            yield
        finally:
            _unlink(lock)


def _make(lock: str, now: Callable[[], float]) -> bool:
    try:
        descriptor = os.open(lock, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        _take_over(lock, now)
        return False
    except OSError as error:
        if os.name == "nt" and isinstance(error, PermissionError):
            return False  # Windows says so of a file that is just being removed
        hint = "name a --token-file elsewhere, or set AUTHGATE_TOKEN"
        raise StoreFailed(f"{lock} cannot be created: {error.strerror}", hint) from error
    try:
        os.write(descriptor, str(os.getpid()).encode())
    except OSError:
        pass  # the name alone is the lock; a full disk is found out by the write that follows
    finally:
        os.close(descriptor)
    return True


def _take_over(lock: str, now: Callable[[], float]) -> None:
    """Remove a lock that its owner cannot be holding any more."""
    try:
        before = os.lstat(lock)
        if abs(now() - before.st_mtime) <= STALE:  # one from the future is as stale: a clock was set back
            return
        # Renamed first, and looked at again: between our look and our act another process may
        # have removed the old lock and made its own, which is not ours to break.
        aside = f"{lock}.{os.getpid()}"
        os.rename(lock, aside)
        try:
            after = os.lstat(aside)
            if (after.st_ino, after.st_mtime_ns) != (before.st_ino, before.st_mtime_ns):
                os.link(aside, lock)
        finally:
            os.unlink(aside)
    except OSError:
        return  # somebody else was faster; the next attempt sees


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        pass


@contextmanager
def refresh_lock(path: str, waiting: Waiting, seconds: float, explain: Callable[[str], None]) -> Iterator[None]:
    """Hold the lock of everybody who refreshes what this path stores.

    Raise Unreachable when another process keeps it for longer than `seconds`. Where the lock
    cannot be made (a read-only directory, a file system without locks): go on alone, and `explain` it.
    """
    lock = path + ".refresh"
    try:
        if not path:
            raise FileNotFoundError(0, "there is no home directory")
        descriptor = os.open(lock, _OPEN, 0o600)
    except OSError as error:
        explain(f"refreshing without a lock: {lock} cannot be opened ({error.strerror})")
        yield
        return
    try:
        try:
            locked = waiting.retry_until(lambda: _try_lock(descriptor), seconds)
        except OSError as error:
            explain(f"refreshing without a lock: {lock} cannot be locked ({error.strerror})")
            locked = True
        if not locked:
            raise Unreachable("another authgate is refreshing this token and does not finish", "try again in a moment")
        yield
    finally:
        os.close(descriptor)  # and the kernel lets go of the lock


def _try_lock(descriptor: int) -> bool:
    try:
        if fcntl:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        else:
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
    except (BlockingIOError, PermissionError):
        return False
    return True
