"""Print the help of the program or of one command, from the tables."""

from __future__ import annotations

from textwrap import wrap

from ..errors import UsageError
from ..options import SETTINGS, SWITCHES, Command, Option
from ..system.terminal import Terminal
from ..text import document
from . import COMMANDS

_WIDTH = 80  # columns; less on a terminal that is narrower
_ABOUT = "Sign in to an AuthGate server (or any OpenID provider) and get an access token."
_NO_FLAG = [
    ("(no flag)", "CLIENT_SECRET: secret of a confidential client"),
    ("(no flag)", "AUTHGATE_TOKEN: an access token to use; nothing is stored"),
]


def show(topics: tuple[str, ...], as_json: bool, terminal: Terminal) -> int:
    """Print the help of a command, or without topics that of the program. Raise UsageError."""
    if len(topics) > 1 or not COMMANDS.keys() >= set(topics):
        hint = "for example authgate.pyz help token"
        raise UsageError(f"help takes one of these commands: {', '.join(COMMANDS)}", hint)
    width = min(terminal.result_columns or _WIDTH, _WIDTH)
    sections = _for_command(COMMANDS[topics[0]], width) if topics else _for_program(width)
    text = "\n\n".join("\n".join(section) for section in sections if section) + "\n"
    terminal.result(document({"help": text}) if as_json else text)
    return 0


def _for_program(width: int) -> list[list[str]]:
    settings = [(_flag(option), f"{option.variable}: {_explained(option)}") for option in SETTINGS]
    return [
        ["usage: authgate.pyz [options] [command]", *wrap(_ABOUT, width)],
        ["commands:", *_columns([(command.name, command.summary) for command in COMMANDS.values()], width)],
        [
            *wrap("settings (a flag, a variable, or a line of a settings file):", width),
            *_columns([*settings, *_NO_FLAG], width),
        ],
        _options(SWITCHES, width),
        _examples(COMMANDS["login"]),
        wrap("exit status: 0 done, 1 refused, 2 usage, 3 network, 4 sign-in needed, 5 store", width),
    ]


def _for_command(command: Command, width: int) -> list[list[str]]:
    return [
        [
            f"usage: authgate.pyz {command.name} [options] {command.operands}".rstrip(),
            "",
            *wrap(command.summary, width),
        ],
        wrap(command.details, width),
        _options(command.options, width) if command.options else [],
        _examples(command),
        ["settings and general options: authgate.pyz --help"],
    ]


def _options(options: tuple[Option, ...], width: int) -> list[str]:
    return ["options:", *_columns([(_flag(option), _explained(option)) for option in options], width)]


def _examples(command: Command) -> list[str]:
    return ["examples:", *(f"  {example}" for example in command.examples)]


def _flag(option: Option) -> str:
    short = f"-{option.short}, " if option.short else ""
    return f"{short}--{option.name} {option.metavar}".rstrip()


def _explained(option: Option) -> str:
    choices = f": {', '.join(option.choices)}" if option.choices else ""
    default = f" [{option.default}]" if option.default else ""
    return f"{option.help}{choices}{default}"


def _columns(rows: list[tuple[str, str]], width: int) -> list[str]:
    left_width = max(len(left) for left, _ in rows) + 2
    lines = []
    for left, right in rows:
        first, *more = wrap(right, max(width - left_width - 2, 20), break_on_hyphens=False)
        lines += [f"  {left:{left_width}}{first}", *(f"  {'':{left_width}}{line}" for line in more)]
    return lines
