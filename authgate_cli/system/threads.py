"""Call a function in a thread: to bound in time what cannot be bounded otherwise, or to do two things at once."""

from __future__ import annotations

import _thread

from ..values import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    T = TypeVar("T")


class TookTooLong(Exception):
    """The call did not return in time; its thread is left behind."""


class Background:
    """A call under way. One that hangs for ever does not keep the process from ending.

    Not `threading`: a signal that ends the program may strike anywhere, and what it leaves there
    of locks half taken turns up as another error.
    """

    def __init__(self, function: Callable[[], Any]):
        self._results: list[Any] = []
        self._errors: list[BaseException] = []
        self._working = _thread.allocate_lock()
        self._working.acquire()
        try:
            _thread.start_new_thread(self._work, (function,))
        except RuntimeError:  # as many threads as are allowed here: it takes the caller's time
            self._work(function)
            if self._errors and not isinstance(self._errors[0], Exception):
                raise self._errors[0]  # a signal was for the caller

    def ends_within(self, seconds: float) -> bool:
        """Wait for the end, at most so many seconds; tell whether it has come."""
        ended = self._working.acquire(timeout=max(seconds, 0))
        if ended:
            self._working.release()
        return ended

    def result(self) -> Any:
        """Wait for the end, and return or raise what the function does."""
        with self._working:
            if self._errors:
                raise self._errors[0]
            return self._results[0]

    def _work(self, function: Callable[[], Any]) -> None:
        try:
            self._results.append(function())
        except BaseException as error:  # carried over to the caller's thread, whatever it is
            self._errors.append(error)
        finally:
            self._working.release()


def call_within(function: Callable[[], T], seconds: float, notice: Callable[[], None] | None = None) -> T:
    """Return or raise what `function` does; raise TookTooLong when it takes longer than `seconds`.

    `notice` is called once when two seconds have passed.
    """
    running = Background(function)
    ended = running.ends_within(min(2.0, seconds))
    if not ended and seconds > 2:
        if notice:
            notice()
        ended = running.ends_within(seconds - 2)
    if not ended:
        raise TookTooLong
    result: T = running.result()
    return result
