"""What a command, and everything that it calls, works with."""

from __future__ import annotations

from functools import cached_property

from .store import Store, open_store
from .values import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .errors import UsageError
    from .options import Arguments
    from .server import Server
    from .settings import Settings
    from .system import System
    from .system.terminal import Terminal


class Context:
    """One run of the program. `problem` is why the settings cannot be used, where they cannot."""

    def __init__(
        self,
        arguments: Arguments,
        settings: Settings,
        terminal: Terminal,
        environ: Mapping[str, str],
        system: System,
        problem: UsageError | None = None,
    ):
        self.arguments, self.settings, self.terminal = arguments, settings, terminal
        self.environ, self.system, self.problem = environ, system, problem

    @cached_property
    def store(self) -> Store:
        """Return the places where tokens are stored."""
        return open_store(self.settings, self.system, self.terminal, self.environ)

    @cached_property
    def server(self) -> Server:
        """Return the server of the settings; nothing is asked before it is used."""
        from .server import Server  # a stored token is printed without the modules that this loads

        return Server(self.system, self.settings, self.terminal)
