"""Write the help from the tables."""

from __future__ import annotations

from textwrap import wrap

from .. import report
from ..errors import UsageError
from ..options import SETTINGS, SWITCHES
from ..values import TYPE_CHECKING
from . import COMMANDS

if TYPE_CHECKING:
    from ..options import Arguments, Command, Option
    from ..system.terminal import Terminal

_WIDTH = 80  # columns; less on a terminal that is narrower
_ABOUT = "Sign in to an AuthGate server (or any OpenID provider) and get an access token."
_NO_FLAG = [
    ("(no flag)", "CLIENT_SECRET: secret of a confidential client"),
    ("(no flag)", "AUTHGATE_TOKEN: an access token to use; nothing is stored"),
]


def show(arguments: Arguments, topic: str, terminal: Terminal) -> int:
    """Print the help of a command (`topic`, or the operand), or of the program. Raise UsageError."""
    topics = (topic,) if topic else arguments.operands
    if len(topics) > 1 or (topics and topics[0] not in COMMANDS):
        raise UsageError(
            f"help takes one of these commands: {', '.join(COMMANDS)}", "for example authgate.pyz help token"
        )
    width = min(terminal.result_columns or _WIDTH, _WIDTH)
    text = _for_command(COMMANDS[topics[0]], width) if topics else _for_program(width)
    terminal.result(report.document({"help": text}) if "json" in arguments.flags else text)
    return 0


def _for_program(width: int) -> str:
    sections = [
        ["usage: authgate.pyz [options] [command]", *wrap(_ABOUT, width)],
        ["commands:", *_columns([(command.name, command.summary) for command in COMMANDS.values()], width)],
        [
            *wrap("settings (a flag, a variable, or a line of a settings file):", width),
            *_columns([*(_setting(option) for option in SETTINGS), *_NO_FLAG], width),
        ],
        ["options:", *_columns([_switch(option) for option in SWITCHES], width)],
        ["examples:", *(f"  {example}" for example in COMMANDS["login"].examples)],
        wrap("exit status: 0 done, 1 refused, 2 usage, 3 network, 4 sign-in needed, 5 store", width),
    ]
    return "\n\n".join("\n".join(section) for section in sections) + "\n"


def _for_command(command: Command, width: int) -> str:
    usage = " ".join(["usage: authgate.pyz", command.name, "[options]", command.operands]).rstrip()
    sections = [[usage, "", *wrap(command.summary, width)]]
    if command.details:
        sections.append(wrap(command.details, width))
    if command.options:
        sections.append(["options:", *_columns([_switch(option) for option in command.options], width)])
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


def _columns(rows: list[tuple[str, str]], width: int) -> list[str]:
    left_width = max(len(left) for left, _ in rows) + 2
    lines = []
    for left, right in rows:
        first, *more = wrap(right, max(width - left_width - 2, 20), break_on_hyphens=False)
        lines += [f"  {left:{left_width}}{first}", *(f"  {'':{left_width}}{line}" for line in more)]
    return lines
