"""What a command works with. The world is wired up when a command first asks for it, and no sooner:

a token that is stored and fresh is printed without sockets, TLS or a thread being imported.
"""

from __future__ import annotations

from contextlib import ExitStack

from .values import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .edges.record import Edges
    from .edges.terminal import Terminal
    from .errors import UsageError
    from .options import Arguments
    from .session import Session
    from .settings import Settings
    from .store import Store
    from .wiring import Wired


class App:
    """One run of the program. `now` is the wall clock, `problem` why the settings are not as asked for."""

    def __init__(
        self,
        arguments: Arguments,
        settings: Settings,
        terminal: Terminal,
        environ: Mapping[str, str],
        now: Callable[[], float],
        edit: Callable[[Edges], Edges],
        problem: UsageError | None = None,
    ):
        self.arguments, self.settings, self.terminal = arguments, settings, terminal
        self.environ, self.now, self.problem = environ, now, problem
        self._edit = edit
        self._wired: Wired | None = None
        self._end = ExitStack()

    @property
    def edges(self) -> Edges:
        """Return the edges of the world."""
        return self._wire().edges

    @property
    def store(self) -> Store:
        """Return where tokens are kept."""
        return self._wire().store

    @property
    def session(self) -> Session:
        """Return the dealings with the server."""
        return self._wire().session

    def close(self) -> None:
        """Close what has been opened."""
        self._end.close()

    def _wire(self) -> Wired:
        if self._wired is None:
            # The door: behind it is everything that takes time to import, and work that a signal must not break off.
            from .edges.signals import ending_cleanly
            from .wiring import wire

            self._end.enter_context(ending_cleanly())
            self._wired = wire(self.arguments, self.settings, self.terminal, self.environ, self.now, self._edit)
            self._end.callback(self._wired.edges.close)
        return self._wired
