"""Bound in time what cannot be bounded otherwise: name look-ups, and everything about keyrings."""

from __future__ import annotations

import threading

from ..values import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    T = TypeVar("T")


class GivenUp(Exception):
    """The call did not return in time; its thread is left behind."""


def call(function: Callable[[], T], seconds: float, notice: Callable[[], None] | None = None) -> T:
    """Return or raise what `function` does; raise GivenUp when it takes longer than `seconds`.

    `notice` is called once when two seconds have passed. The thread is a daemon: one that hangs
    for ever does not keep the process from ending.
    """
    results: list[T] = []
    errors: list[BaseException] = []

    def work() -> None:
        try:
            results.append(function())
        except BaseException as error:  # carried over to the caller's thread, whatever it is
            errors.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(min(2.0, seconds))
    if thread.is_alive() and seconds > 2:
        if notice:
            notice()
        thread.join(seconds - 2)
    if errors:
        raise errors[0]
    if not results:
        raise GivenUp
    return results[0]
