"""Let signals end the program cleanly, and never between a spent code and a saved token."""

from __future__ import annotations

import _thread
import signal
import time
from contextlib import contextmanager

from ..errors import Terminated
from ..values import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


@contextmanager
def ending_cleanly() -> Iterator[None]:
    """Turn SIGINT into KeyboardInterrupt, SIGTERM and SIGHUP into Terminated, so that `finally` blocks run first."""

    def end(signum: int, frame: FrameType | None) -> None:
        if _is_importing(frame):
            _thread.start_new_thread(_come_again, (signum,))
            return
        raise KeyboardInterrupt if signum == signal.SIGINT else Terminated(signum)

    with _handlers(end):
        yield


def _is_importing(frame: FrameType | None) -> bool:
    """Tell whether an exception could get lost: Python forgets those that come amid callbacks of its imports."""
    while frame and not frame.f_code.co_filename.startswith("<frozen importlib"):
        frame = frame.f_back
    return frame is not None


def _come_again(signum: int) -> None:
    time.sleep(0.005)
    _thread.interrupt_main(signal.Signals(signum))


class _Later:
    """A handler that keeps signals for later; the first one is noticed."""

    def __init__(self, notice: Callable[[], None]):
        self.signals: list[int] = []
        self._notice = notice

    def __call__(self, signum: int, frame: object) -> None:
        self.signals.append(signum)
        if len(self.signals) == 1:
            try:
                self._notice()
            except RuntimeError:
                pass  # the signal came amid a write to the same stream, which cannot be entered twice


@contextmanager
def uninterrupted(notice: Callable[[], None] = lambda: None) -> Iterator[list[int]]:
    """Make SIGINT, SIGTERM and SIGHUP wait until the block is done; `notice` tells the person so.

    What the block gets is the list of those that wait: it may end early for them. Within another
    such block they wait for the end of that one, and the list stays empty.
    """
    if any(isinstance(signal.getsignal(one), _Later) for one in _SIGNALS):
        yield []
        return
    later = _Later(notice)
    try:
        with _handlers(later):
            yield later.signals
    finally:
        if later.signals:
            raise KeyboardInterrupt if later.signals[0] == signal.SIGINT else Terminated(later.signals[0])


@contextmanager
def _handlers(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Install a handler for a while; a signal that is ignored (nohup, a shell's &) stays ignored."""
    before = {one: signal.getsignal(one) for one in _SIGNALS}
    try:
        for one, old in before.items():
            if old != signal.SIG_IGN:
                signal.signal(one, handler)
    except ValueError:
        before = {}  # not the main thread, the only one that signals interrupt
    try:
        yield
    finally:
        for one, old in before.items():
            if old is not None:
                signal.signal(one, old)


def before_stopping(action: Callable[[], None] | None) -> None:
    """Have `action` called each time before Ctrl-Z stops the program; None ends this."""

    def stop(signum: int, frame: object) -> None:
        if action:
            action()
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        signal.raise_signal(signal.SIGTSTP)
        signal.signal(signal.SIGTSTP, stop)  # the program goes on

    if signal.getsignal(signal.SIGTSTP) == signal.SIG_IGN:
        return
    try:
        signal.signal(signal.SIGTSTP, stop if action else signal.SIG_DFL)
    except ValueError:
        pass  # not the main thread, the only one that signals interrupt


def die_of(signum: int) -> None:
    """End the process by the signal itself, so that whoever waits for it sees the truth."""
    signal.signal(signum, signal.SIG_DFL)
    signal.raise_signal(signum)
