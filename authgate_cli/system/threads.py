"""Call a function in a thread: to limit the time of what has no limit, or to do two things at once.

`_thread`, not `threading`: there, one in 450 signals that arrive while a thread starts turns up as
RuntimeError("release unlocked lock") instead of what its handler raises (seen on 3.9, 3.11 and 3.13).
"""

from __future__ import annotations

import _thread

from ..values import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    T = TypeVar("T")

_QUIET = 2.0  # seconds before the notice


class TookTooLong(Exception):
    """The call did not return in time; its thread goes on."""


class Background:
    """A function that runs in a thread of its own. The process does not wait for it when it ends."""

    def __init__(self, function: Callable[[], Any]):
        self._function = function
        self._result: Any = None
        self._error: BaseException | None = None
        self._running = _thread.allocate_lock()  # locked until the function has returned
        self._running.acquire()
        try:
            _thread.start_new_thread(self._run, ())
        except RuntimeError:  # no more threads are allowed: run it here
            self._run()
            if self._error and not isinstance(self._error, Exception):
                raise self._error  # it came from a signal, and was for the caller

    def ends_within(self, seconds: float) -> bool:
        """Wait until the function has returned, but not longer than `seconds`. Tell whether it has."""
        ended = self._running.acquire(timeout=max(seconds, 0))
        if ended:
            self._running.release()
        return ended

    def result(self) -> Any:
        """Wait until the function has returned, and return or raise what it did."""
        with self._running:
            if self._error:
                raise self._error
            return self._result

    def _run(self) -> None:
        try:
            self._result = self._function()
        except BaseException as error:  # the caller's thread raises it, whatever it is
            self._error = error
        finally:
            self._running.release()


def call_within(function: Callable[[], T], seconds: float, notice: Callable[[], None] | None = None) -> T:
    """Return or raise what a function does. Raise TookTooLong when it takes longer than `seconds`.

    `notice` is called once when two seconds have passed.
    """
    running = Background(function)
    ended = running.ends_within(min(_QUIET, seconds))
    if not ended and seconds > _QUIET:
        if notice:
            notice()
        ended = running.ends_within(seconds - _QUIET)
    if not ended:
        raise TookTooLong
    result: T = running.result()
    return result
