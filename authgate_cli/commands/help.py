"""Write the help from the tables."""

from __future__ import annotations

from textwrap import wrap

from ..settings import SETTINGS, SWITCHES
from ..values import TYPE_CHECKING

if TYPE_CHECKING:
    from ..options import Command, Option

_WIDTH = 80  # columns of the smallest terminal in use
_ABOUT = "Sign in to an AuthGate server (or any OpenID provider) and hand out the token."
_NO_FLAG = [
    ("(no flag)", "CLIENT_SECRET: secret of a confidential client"),
    ("(no flag)", "AUTHGATE_TOKEN: a ready access token; nothing is stored"),
]


def for_program(commands: dict[str, Command]) -> str:
    """Return the help of the whole program."""
    sections = [
        ["usage: authgate.pyz [options] [command]", "", _ABOUT],
        ["commands:", *_columns([(command.name, command.summary) for command in commands.values()])],
        [
            "settings (a flag, a variable, or a line of a settings file):",
            *_columns([*(_setting(option) for option in SETTINGS), *_NO_FLAG]),
        ],
        ["options:", *_columns([_switch(option) for option in SWITCHES])],
        ["examples:", *(f"  {example}" for example in commands["login"].examples)],
        [
            "exit status: 0 done, 1 refused, 2 usage, 3 not reachable, 4 sign-in needed,",
            "5 token store, 130 interrupted",
        ],
    ]
    return "\n\n".join("\n".join(section) for section in sections) + "\n"


def for_command(command: Command) -> str:
    """Return the help of one command."""
    usage = " ".join(["usage: authgate.pyz", command.name, "[options]", command.operands]).rstrip()
    sections = [[usage, "", command.summary]]
    if command.details:
        sections.append(wrap(command.details, _WIDTH))
    if command.options:
        sections.append(["options:", *_columns([_switch(option) for option in command.options])])
    if command.examples:
        sections.append(["examples:", *(f"  {example}" for example in command.examples)])
    sections.append(["settings and general options: authgate.pyz --help"])
    return "\n\n".join("\n".join(section) for section in sections) + "\n"


def _setting(option: Option) -> tuple[str, str]:
    default = f" [{option.default}]" if option.default else ""
    choices = f": {', '.join(option.choices)}" if option.choices else ""
    return _flag(option), f"{option.variable}: {option.help}{choices}{default}"


def _switch(option: Option) -> tuple[str, str]:
    default = f" [{option.default}]" if option.default else ""
    choices = f": {', '.join(option.choices)}" if option.choices else ""
    return _flag(option), f"{option.help}{choices}{default}"


def _flag(option: Option) -> str:
    short = f"-{option.short}, " if option.short else ""
    return f"{short}--{option.name} {option.metavar}".rstrip()


def _columns(rows: list[tuple[str, str]]) -> list[str]:
    width = max(len(left) for left, _ in rows) + 2
    lines = []
    for left, right in rows:
        first, *more = wrap(right, _WIDTH - width - 2)
        lines += [f"  {left:{width}}{first}", *(f"  {'':{width}}{line}" for line in more)]
    return lines
