"""Print a completion script, made from the same tables as the parser and the help."""

from __future__ import annotations

from .. import report
from ..errors import UsageError
from ..options import SETTINGS, SWITCHES, Option
from ..values import TYPE_CHECKING
from . import COMMANDS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..context import Context

PROGRAM = "authgate.pyz"
SHELLS = ("bash", "zsh", "fish", "powershell")
_GENERAL = (*SETTINGS, *SWITCHES)
_ZSH_VALUES = {"file": "_files", "account": "_authgate_accounts"}


def run(context: Context) -> int:
    """Print the script for one shell; for `accounts`, which the scripts call, the accounts of the token file."""
    if context.arguments.operands == ("accounts",):
        context.terminal.result("".join(f"{name}\n" for name in _accounts(context)))
        return 0
    if len(context.arguments.operands) != 1 or context.arguments.operands[0] not in SHELLS:
        raise UsageError(f"completion needs a shell: {', '.join(SHELLS)}", "for example authgate.pyz completion bash")
    writer = {"bash": _bash, "zsh": _zsh, "fish": _fish, "powershell": _powershell}[context.arguments.operands[0]]
    shell, script = context.arguments.operands[0], writer()
    if "json" in context.arguments.flags:
        script = report.document({"shell": shell, "script": script})
    context.terminal.result(script)
    return 0


def _accounts(context: Context) -> list[str]:
    """Return the accounts of the token file; the keyring is not read, as it might ask for a password."""
    files = [place for place in context.store.all_places if place.name == "file"]
    accounts = {entry.account for place in files for entry in place.entries()}
    return sorted(filter(str.isprintable, accounts - {""}))


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
    if [[ "$current" == "=" ]]; then current=''; fi  # bash splits --flow=x into three words
    if [[ "$previous" == "=" ]]; then previous="${{COMP_WORDS[COMP_CWORD-2]}}"; fi
    case "$previous" in
{choices}
        --account)
            while IFS= read -r word; do
                if [[ "$word" == "$current"* ]]; then COMPREPLY+=("$(printf %q "$word")"); fi
            done < <("${{COMP_WORDS[0]}}" completion accounts 2>/dev/null)
            return ;;
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
    elif [[ -z "$command" || "$command" == help ]]; then
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
_authgate_accounts() {{
    local -a accounts
    accounts=("${{(@f)$(_call_program accounts ${{(q)program}} completion accounts 2>/dev/null)}}")
    compadd -a accounts
}}
_authgate() {{
    local program=$words[1]
    local -a names flags rest  # `commands` and `options` are special in zsh
    integer dashes=${{words[(i)--]}}
    if (( dashes < CURRENT )); then  # after them, complete for the other program
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
        help) rest=('2:command:{{_describe command names}}') ;;
    esac
    _arguments -s $flags '1:command:{{_describe command names}}' $rest
}}
if [[ "$funcstack[1]" == _authgate ]]; then  # called for the first time from a file in $fpath
    _authgate "$@"
elif (( $+functions[compdef] )); then
    compdef _authgate {PROGRAM} authgate
else  # at the first prompt: until then, ~/.zshrc may call compinit, which forgets what it did not find itself
    _authgate_register() {{
        (( $+functions[compdef] )) || {{ autoload -Uz compinit && compinit }}
        compdef _authgate {PROGRAM} authgate
        add-zsh-hook -d precmd _authgate_register
    }}
    autoload -Uz add-zsh-hook && add-zsh-hook precmd _authgate_register
fi
"""


def _zsh_option(option: Option) -> str:
    action = ""
    if option.metavar:
        values = f"({' '.join(option.choices)})" if option.choices else _ZSH_VALUES.get(_kind(option), "")
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
    lines.append(_fish_line("-f", "-n '__fish_seen_subcommand_from help'", f"-a '{' '.join(COMMANDS)}'"))
    lines += [_fish_option(option, "") for option in _GENERAL]
    return "\n".join(lines) + "\n"


def _fish_option(option: Option, condition: str) -> str:
    takes = ""
    if option.metavar:
        values = (
            f"({PROGRAM} completion accounts 2>/dev/null)" if _kind(option) == "account" else " ".join(option.choices)
        )
        takes = "-r" if _kind(option) == "file" else f"-x -a '{values}'"
    return _fish_line(condition, f"-l {option.name}", takes, f"-d '{_quoted(option.help)}'")


def _fish_line(*parts: str) -> str:
    return " ".join(["complete", "-c", PROGRAM, *(part for part in parts if part)])


def _powershell() -> str:
    commands = "\n".join(
        f"        '{name}' = {_array(_flags((*command.options, *_GENERAL)))}" for name, command in COMMANDS.items()
    )
    choices = "\n".join(
        f"        '--{option.name}' = {_array(option.choices)}" for option in _all_options() if option.choices
    )
    return f"""# PowerShell completion for {PROGRAM}
Register-ArgumentCompleter -Native -CommandName '{PROGRAM}', 'authgate' -ScriptBlock {{
    param($current, $ast, $position)
    $flags = @{{
{commands}
    }}
    $choices = @{{
{choices}
        'completion' = {_array(SHELLS)}
    }}
    $words = @($ast.CommandElements | Where-Object {{ $_.Extent.EndOffset -lt $position }} | ForEach-Object {{ "$_" }})
    $command = $words | Select-Object -Skip 1 | Where-Object {{ $flags.ContainsKey($_) }} | Select-Object -First 1
    $found = if ($choices.ContainsKey($words[-1])) {{ $choices[$words[-1]] }}
        elseif ($words[-1] -eq '--account') {{ & $words[0] completion accounts 2>$null }}
        elseif ($current -like '-*') {{ $flags[$(if ($command) {{ $command }} else {{ 'login' }})] }}
        elseif (-not $command -or $command -eq 'help') {{ $flags.Keys | Sort-Object }}
    $found | Where-Object {{ $_ -like "$current*" }} | ForEach-Object {{
        [System.Management.Automation.CompletionResult]::new($_, $_, 'ParameterValue', $_)
    }}
}}
"""


def _array(words: Iterable[str]) -> str:
    return "@(" + ", ".join(f"'{word}'" for word in words) + ")"


def _kind(option: Option) -> str:
    """Return what a value is completed with: file names, accounts, or nothing."""
    return "account" if option.name == "account" else "file" if option.metavar == "FILE" else ""


def _flags(options: tuple[Option, ...]) -> list[str]:
    return [f"--{option.name}" for option in options]


def _all_options() -> tuple[Option, ...]:
    return (*_GENERAL, *(option for command in COMMANDS.values() for option in command.options))


def _quoted(text: str) -> str:
    return text.replace("'", "’").replace("[", "(").replace("]", ")").replace(":", " -")
