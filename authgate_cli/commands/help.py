"""Write the help from the tables."""

from __future__ import annotations

from textwrap import wrap

from .. import report
from ..errors import UsageError
from ..options import SETTINGS, SWITCHES
from ..values import TYPE_CHECKING
from . import COMMANDS

if TYPE_CHECKING:
    from ..options import Command, Option
    from ..system.terminal import Terminal

_WIDTH = 80  # columns of the smallest terminal in use
_ABOUT = "Sign in to an AuthGate server (or any OpenID provider) and get an access token."
_NO_FLAG = [
    ("(no flag)", "CLIENT_SECRET: secret of a confidential client"),
    ("(no flag)", "AUTHGATE_TOKEN: an access token to use; nothing is stored"),
]


def show(topics: tuple[str, ...], as_json: bool, terminal: Terminal) -> int:
    """Print the help of a command, or without topics that of the program. Raise UsageError."""
    if len(topics) > 1 or not COMMANDS.keys() >= set(topics):
        raise UsageError(
            f"help takes one of these commands: {', '.join(COMMANDS)}", "for example authgate.pyz help token"
        )
    sections = _for_command(COMMANDS[topics[0]]) if topics else _for_program()
    text = "\n\n".join("\n".join(section) for section in sections if section) + "\n"
    terminal.result(report.document({"help": text}) if as_json else text)
    return 0


def _for_program() -> list[list[str]]:
    settings = [(_flag(option), f"{option.variable}: {_explained(option)}") for option in SETTINGS]
    return [
        ["usage: authgate.pyz [options] [command]", _ABOUT],
        ["commands:", *_columns([(command.name, command.summary) for command in COMMANDS.values()])],
        ["settings (a flag, a variable, or a line of a settings file):", *_columns([*settings, *_NO_FLAG])],
        _options(SWITCHES),
        _examples(COMMANDS["login"]),
        ["exit status: 0 done, 1 refused, 2 usage, 3 network, 4 sign-in needed, 5 store"],
    ]


def _for_command(command: Command) -> list[list[str]]:
    return [
        [f"usage: authgate.pyz {command.name} [options] {command.operands}".rstrip(), "", command.summary],
        wrap(command.details, _WIDTH),
        _options(command.options) if command.options else [],
        _examples(command),
        ["settings and general options: authgate.pyz --help"],
    ]


def _options(options: tuple[Option, ...]) -> list[str]:
    return ["options:", *_columns([(_flag(option), _explained(option)) for option in options])]


def _examples(command: Command) -> list[str]:
    return ["examples:", *(f"  {example}" for example in command.examples)]


def _flag(option: Option) -> str:
    short = f"-{option.short}, " if option.short else ""
    return f"{short}--{option.name} {option.metavar}".rstrip()


def _explained(option: Option) -> str:
    choices = f": {', '.join(option.choices)}" if option.choices else ""
    default = f" [{option.default}]" if option.default else ""
    return f"{option.help}{choices}{default}"


def _columns(rows: list[tuple[str, str]]) -> list[str]:
    width = max(len(left) for left, _ in rows) + 2
    lines = []
    for left, right in rows:
        first, *more = wrap(right, _WIDTH - width - 2)
        lines += [f"  {left:{width}}{first}", *(f"  {'':{width}}{line}" for line in more)]
    return lines
