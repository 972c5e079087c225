"""The functions that reach the system and the network, in one object that tests can replace."""

from __future__ import annotations

import time
from functools import cache, partial

from ..values import TYPE_CHECKING, Value
from .signals import uninterrupted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from ..oauth.messages import Request, Response
    from ..settings import Settings
    from .browser import Environment, Opener
    from .http import Http
    from .terminal import Terminal

_NOTICE_AFTER = 2.0  # seconds of waiting after which the user is told


class System(Value):
    """The functions that reach the operating system and the network.

    `now` is in seconds since 1970, `monotonic` and `sleep` in seconds.
    """

    now: Callable[[], float]
    monotonic: Callable[[], float]
    sleep: Callable[[float], None]
    random_bytes: Callable[[int], bytes]
    send: Callable[[Request], Response]
    find_browser: Callable[[], str | None]
    open_browser: Callable[[str], Opener | None]
    uninterrupted: Callable[[], AbstractContextManager[object]]
    environment: Callable[[], Environment]

    def attempts(self, seconds: float, tell: Callable[[str], None], notice: str) -> Iterator[None]:
        """Yield before each attempt at something, with pauses that grow up to 0.1 s, until the time is over.

        The user is told the `notice` once, when two seconds have passed.
        """
        begun, pause, noticed = self.monotonic(), 0.002, False
        yield
        while (waited := self.monotonic() - begun) < seconds:
            if waited >= _NOTICE_AFTER and not noticed:
                noticed = True
                tell(notice)
            self.sleep(pause)
            pause = min(pause * 1.5, 0.1)
            yield


def real_system(
    settings: Settings, terminal: Terminal, environ: Mapping[str, str], now: Callable[[], float] = time.time
) -> System:
    """Return the functions of the real system. Each module is imported on first use: a stored token needs none."""

    @cache
    def http() -> Http:
        from .http import Http

        return Http(settings.timeout, environ, terminal.explain, now)

    @cache
    def environment() -> Environment:
        from .browser import detect

        return detect(environ, terminal.is_terminal)

    def random_bytes(count: int) -> bytes:
        import secrets

        return secrets.token_bytes(count)

    @cache
    def find_browser() -> str | None:
        from .browser import find_browser

        return find_browser(environ, environment().platform)

    def open_browser(url: str) -> Opener | None:
        from .browser import open_browser

        return open_browser(url, environ, environment().platform)

    return System(
        now=now,
        monotonic=time.monotonic,
        sleep=time.sleep,
        random_bytes=random_bytes,
        send=lambda request: http().send(request),
        find_browser=find_browser,
        open_browser=open_browser,
        uninterrupted=partial(uninterrupted, lambda: terminal.tell("Stopping as soon as the server has answered.")),
        environment=environment,
    )
