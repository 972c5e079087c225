"""All edges in one record, so that a test can pass its own."""

from __future__ import annotations

from ..values import TYPE_CHECKING, Value

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from ..protocol.messages import Request, Response
    from ..urls import Url
    from .browser import Opened
    from .loopback import Listener
    from .surroundings import Surroundings
    from .terminal import Terminal


class Edges(Value):
    """Everything that the program does to the world, and learns from it."""

    now: Callable[[], float]
    monotonic: Callable[[], float]
    sleep: Callable[[float], None]
    random_bytes: Callable[[int], bytes]
    send: Callable[[Request], Response]
    listen: Callable[[Url], Listener]
    open_browser: Callable[[str], Opened | None]
    uninterrupted: Callable[[], AbstractContextManager[object]]
    terminal: Terminal
    look_around: Callable[[], Surroundings]
    close: Callable[[], None]
