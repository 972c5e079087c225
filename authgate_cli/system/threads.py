"""Run a function in a thread: in the background, or with a limit on how long the caller waits.

`_thread`, not `threading`: the locks of `threading` are not safe against an exception raised by a signal
handler. One in 450 signals became RuntimeError("release unlocked lock") (Python 3.9, 3.11 and 3.13).
"""

from __future__ import annotations

import _thread
from collections.abc import Callable

from ..values import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any, TypeVar

    T = TypeVar("T")

_QUIET = 2.0  # seconds before the notice


class TookTooLong(Exception):
    """The call did not return in time; its thread is still running."""


class Background:
    """A function that runs in its own thread. The process can end while it is still running."""

    def __init__(self, function: Callable[[], Any]):
        self._function = function
        self._result: Any = None
        self._error: BaseException | None = None
        self._running = _thread.allocate_lock()  # locked until the function has returned
        self._running.acquire()
        try:
            _thread.start_new_thread(self._run, ())
        except RuntimeError:  # no more threads can be started: run it here
            self._run()
            if self._error and not isinstance(self._error, Exception):
                raise self._error  # a signal handler raised it: it is for the caller

    def ends_within(self, seconds: float) -> bool:
        """Wait at most `seconds` for the function to return. Tell whether it has."""
        ended = self._running.acquire(timeout=max(seconds, 0))
        if ended:
            self._running.release()
        return ended

    def result(self) -> Any:
        """Wait for the function, and return its result or raise its exception."""
        with self._running:
            if self._error:
                raise self._error
            return self._result

    def _run(self) -> None:
        try:
            self._result = self._function()
        except BaseException as error:  # raised again in the thread of the caller
            self._error = error
        finally:
            self._running.release()


def call_within(function: Callable[[], T], seconds: float, notice: Callable[[], None] | None = None) -> T:
    """Call a function in a thread and return its result. Raise TookTooLong if it takes longer than `seconds`.

    `notice` is called once, after two seconds.
    """
    running = Background(function)
    if not running.ends_within(min(_QUIET, seconds)):
        if notice and seconds > _QUIET:
            notice()
        if not running.ends_within(seconds - _QUIET):
            raise TookTooLong
    result: T = running.result()
    return result
