"""Turn signals into exceptions, delay them while a token is received and saved, and limit core files.

`_thread` and `_signal`, not `threading` and `signal`, which are written in Python: importing them would cost
every run 3.7 and 3.6 million instructions, and all of printing a stored token takes about a hundred. A
signal that arrives during an import is raised again from a thread.
"""

from __future__ import annotations

import _thread
import time
from contextlib import contextmanager, suppress

from ..errors import Terminated
from ..values import TYPE_CHECKING

if TYPE_CHECKING:
    import signal
    from collections.abc import Callable, Iterable, Iterator
    from types import FrameType
else:
    import _signal as signal

try:
    import resource
except ImportError:  # Windows, which writes no core files
    resource = None  # type: ignore[assignment]

# The signals that end a process unless they are caught, without faults such as SIGSEGV. BREAK is from Windows.
_NAMES = "INT TERM HUP QUIT USR1 USR2 ALRM VTALRM PROF POLL PWR STKFLT XCPU ABRT TRAP SYS BREAK"
_SIGNALS = [getattr(signal, f"SIG{name}") for name in _NAMES.split() if hasattr(signal, f"SIG{name}")]
# They end a process too, but are too many to be handled in every run.
_REAL_TIME = range(getattr(signal, "SIGRTMIN", 0), getattr(signal, "SIGRTMAX", -1) + 1)

_core_limit = resource.getrlimit(resource.RLIMIT_CORE)[0] if resource else 0


@contextmanager
def ending_cleanly() -> Iterator[None]:
    """Turn SIGINT into KeyboardInterrupt, the other signals into Terminated, so that `finally` blocks run first."""

    def end(signum: int, frame: FrameType | None) -> None:
        if _is_importing(frame):
            _thread.start_new_thread(_raise_again, (signum,))
            return
        raise KeyboardInterrupt if signum == signal.SIGINT else Terminated(signum)

    with handling(end):
        yield


def _is_importing(frame: FrameType | None) -> bool:
    """Tell whether an import is running: Python drops exceptions that are raised in some of its callbacks."""
    while frame and not frame.f_code.co_filename.startswith("<frozen importlib"):
        frame = frame.f_back
    return frame is not None


def _raise_again(signum: int) -> None:
    time.sleep(0.005)
    signal.raise_signal(signum)  # Python runs the handler in the main thread, whichever thread this is


class _Later:
    """A signal handler that only remembers the signals, and calls `notice` for the first one."""

    def __init__(self, notice: Callable[[], None]):
        self.signals: list[int] = []
        self._notice = notice

    def __call__(self, signum: int, frame: object) -> None:
        self.signals.append(signum)
        if len(self.signals) == 1:
            with suppress(RuntimeError):  # the signal came during a write to the same stream
                self._notice()


@contextmanager
def uninterrupted(notice: Callable[[], None] = lambda: None) -> Iterator[list[int]]:
    """Delay signals that would end the process until the block is done; call `notice` for the first one.

    The block gets the list of delayed signals, so that it can stop early. Inside another such block
    signals wait for the outer one, and the list stays empty.
    """
    if any(isinstance(signal.getsignal(one), _Later) for one in _SIGNALS):
        yield []
        return
    later = _Later(notice)
    try:
        with handling(later, [*_SIGNALS, *_REAL_TIME]):
            yield later.signals
    finally:
        if later.signals:
            raise KeyboardInterrupt if later.signals[0] == signal.SIGINT else Terminated(later.signals[0])


@contextmanager
def handling(handler: Callable[[int, FrameType | None], None], signals: Iterable[int] = _SIGNALS) -> Iterator[None]:
    """Install a handler during the block; a signal that is ignored (nohup, a shell's &) stays ignored."""
    before = {one: signal.getsignal(one) for one in signals}
    try:
        for one, old in before.items():
            if old != signal.SIG_IGN:
                signal.signal(one, handler)
    except ValueError:
        before = {}  # only the main thread may set handlers
    try:
        yield
    finally:
        for one, old in before.items():
            if old is not None:
                signal.signal(one, old)


def allow_core_files(allowed: bool) -> None:
    """Set the soft limit of core files to 0, as they would contain tokens, or restore it for another program."""
    if resource:
        with suppress(OSError, ValueError):  # a sandbox may forbid it
            hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
            resource.setrlimit(resource.RLIMIT_CORE, (_core_limit if allowed else 0, hard))


def before_stopping(action: Callable[[], None] | None) -> None:
    """Call `action` each time before Ctrl-Z stops the program; None ends this."""

    def stop(signum: int, frame: object) -> None:
        if action:
            action()
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        signal.raise_signal(signal.SIGTSTP)
        signal.signal(signal.SIGTSTP, stop)  # the program goes on

    if signal.getsignal(signal.SIGTSTP) == signal.SIG_IGN:
        return
    with suppress(ValueError):  # only the main thread may set handlers
        signal.signal(signal.SIGTSTP, stop if action else signal.SIG_DFL)


def die_of(signum: int) -> None:
    """End the process by the signal itself, so that the parent process sees the real cause."""
    signal.signal(signum, signal.SIG_DFL)
    signal.raise_signal(signum)
