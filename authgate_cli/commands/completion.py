"""Print a completion script, written from the same tables as the parser and the help."""

from __future__ import annotations

from .. import report
from ..errors import UsageError
from ..options import Option
from ..settings import SETTINGS, SWITCHES
from ..values import TYPE_CHECKING
from . import COMMANDS

if TYPE_CHECKING:
    from ..context import Context

PROGRAM = "authgate.pyz"
SHELLS = ("bash", "zsh", "fish")
_GENERAL = (*SETTINGS, *SWITCHES)


def run(context: Context) -> int:
    """Print the script for one shell."""
    if len(context.arguments.operands) != 1 or context.arguments.operands[0] not in SHELLS:
        raise UsageError(f"completion needs a shell: {', '.join(SHELLS)}", "authgate.pyz completion bash")
    writer = {"bash": _bash, "zsh": _zsh, "fish": _fish}[context.arguments.operands[0]]
    shell, script = context.arguments.operands[0], writer()
    if "json" in context.arguments.flags:
        script = report.document({"shell": shell, "script": script})
    context.terminal.result(script)
    return 0


def _bash() -> str:
    choices = "\n".join(
        f"        --{option.name}) COMPREPLY=($(compgen -W '{' '.join(option.choices)}' -- \"$current\")); return ;;"
        for option in _all_options()
        if option.choices
    )
    files = "|".join(f"--{option.name}" for option in _all_options() if option.metavar == "FILE")
    commands = "\n".join(
        f"            {name}) words='{' '.join(_flags((*command.options, *_GENERAL)))}' ;;"
        for name, command in COMMANDS.items()
    )
    return f"""# bash completion for {PROGRAM}
_authgate() {{
    local current="${{COMP_WORDS[COMP_CWORD]}}" previous="${{COMP_WORDS[COMP_CWORD-1]}}" word command='' words=''
    COMPREPLY=()
    if [[ "$current" == "=" ]]; then current=''; fi  # bash takes --flow=x for three words
    if [[ "$previous" == "=" ]]; then previous="${{COMP_WORDS[COMP_CWORD-2]}}"; fi
    case "$previous" in
{choices}
        {files}) compopt -o filenames; COMPREPLY=($(compgen -f -- "$current")); return ;;
        completion) COMPREPLY=($(compgen -W '{" ".join(SHELLS)}' -- "$current")); return ;;
    esac
    for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
        case "$word" in
            {"|".join(COMMANDS)}) command="${{command:-$word}}" ;;
            --) COMPREPLY=($(compgen -c -f -- "$current")); return ;;
        esac
    done
    if [[ "$current" == -* ]]; then
        case "$command" in
{commands}
            *) words='{" ".join(_flags((*COMMANDS["login"].options, *_GENERAL)))}' ;;
        esac
    elif [[ -z "$command" ]]; then
        words='{" ".join(COMMANDS)}'
    fi
    COMPREPLY=($(compgen -W "$words" -- "$current"))
}}
complete -F _authgate {PROGRAM} authgate
"""


def _zsh() -> str:
    commands = "\n".join(f"        '{name}:{_quoted(command.summary)}'" for name, command in COMMANDS.items())
    own = "\n".join(
        f"        {name}) flags+=({' '.join(_zsh_option(option) for option in command.options)}) ;;"
        for name, command in COMMANDS.items()
        if command.options
    )
    general = "\n".join(f"        {_zsh_option(option)}" for option in _GENERAL)
    return f"""#compdef {PROGRAM} authgate
_authgate() {{
    local -a names flags rest  # zsh has a use of its own for `commands` and `options`
    integer dashes=${{words[(i)--]}}
    if (( dashes < CURRENT )); then  # behind them it is another program's turn
        shift $dashes words
        (( CURRENT -= dashes ))
        _normal
        return
    fi
    names=(
{commands}
    )
    flags=(
{general}
    )
    rest=('*: :_default')
    case "${{words[(r)({"|".join(COMMANDS)})]:-login}}" in
{own}
        completion) rest=('2:shell:({" ".join(SHELLS)})') ;;
    esac
    _arguments -s $flags '1:command:{{_describe command names}}' $rest
}}
if [[ "$funcstack[1]" == _authgate ]]; then  # loaded from a file of that name in $fpath, for a first use
    _authgate "$@"
else
    compdef _authgate {PROGRAM} authgate
fi
"""


def _zsh_option(option: Option) -> str:
    action = ""
    if option.metavar:
        values = f"({' '.join(option.choices)})" if option.choices else "_files" if option.metavar == "FILE" else ""
        action = f":{option.metavar}:{values}"
    often = "*" if option.repeatable else ""
    return f"'{often}--{option.name}{'=' if option.metavar else ''}[{_quoted(option.help)}]{action}'"


def _fish() -> str:
    none_yet = f"not __fish_seen_subcommand_from {' '.join(COMMANDS)}"
    lines = [f"# fish completion for {PROGRAM}"]
    for name, command in COMMANDS.items():
        lines.append(_fish_line("-f", f"-n '{none_yet}'", f"-a {name}", f"-d '{_quoted(command.summary)}'"))
        lines += [_fish_option(option, f"-n '__fish_seen_subcommand_from {name}'") for option in command.options]
    lines.append(_fish_line("-f", "-n '__fish_seen_subcommand_from completion'", f"-a '{' '.join(SHELLS)}'"))
    lines += [_fish_option(option, "") for option in _GENERAL]
    return "\n".join(lines) + "\n"


def _fish_option(option: Option, condition: str) -> str:
    takes = ""
    if option.metavar:
        takes = "-r" if option.metavar == "FILE" else f"-x -a '{' '.join(option.choices)}'"
    return _fish_line(condition, f"-l {option.name}", takes, f"-d '{_quoted(option.help)}'")


def _fish_line(*parts: str) -> str:
    return " ".join(["complete", "-c", PROGRAM, *(part for part in parts if part)])


def _flags(options: tuple[Option, ...]) -> list[str]:
    return [f"--{option.name}" for option in options]


def _all_options() -> tuple[Option, ...]:
    return (*_GENERAL, *(option for command in COMMANDS.values() for option in command.options))


def _quoted(text: str) -> str:
    return text.replace("'", "’").replace("[", "(").replace("]", ")").replace(":", " -")
