"""Run a command with a fresh token in its environment."""

from __future__ import annotations

import os
import signal
import subprocess

from ..errors import UsageError
from ..values import TYPE_CHECKING
from .token import fresh_token

if TYPE_CHECKING:
    from ..wiring import App

NOT_FOUND, NOT_RUN = 127, 126


def run(app: App) -> int:
    """Become the command, so that signals and its exit status are its own; 127 or 126 when that fails."""
    command = app.arguments.operands
    if not command:
        raise UsageError("there is no command to run", "authgate.pyz exec -- CMD [ARG ...]")
    held = fresh_token(app)
    if held.save_failure:
        app.edges.terminal.warn(f"{held.save_failure.message}; the command gets the refreshed token all the same")
    environment = {**app.environ, "AUTHGATE_TOKEN": held.token.access_token}
    try:
        if os.name == "posix":
            # Python ignores SIGPIPE, and the command would inherit that.
            signal.signal(signal.SIGPIPE, signal.SIG_DFL)
            os.execvpe(command[0], command, environment)
        return subprocess.run(command, env=environment, check=False).returncode
    except FileNotFoundError:
        app.edges.terminal.error(f"there is no program {command[0]}")
        return NOT_FOUND
    except OSError as error:
        app.edges.terminal.error(f"{command[0]} cannot be run: {error.strerror}")
        return NOT_RUN
