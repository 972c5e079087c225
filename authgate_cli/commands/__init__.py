"""The commands: a table, and one small file each with `run(app) -> exit status`."""

from __future__ import annotations

from ..options import Command, Option

COMMANDS = {
    command.name: command
    for command in (
        Command(
            "login",
            "sign in, or check the token that is there, and report (default)",
            options=(Option("force", "sign in even if a token is stored"),),
            examples=("authgate.pyz", "authgate.pyz login --force --flow device"),
        ),
    )
}
