r"""Print a completion script. The script calls `completion words`, which reads the tables of the parser.

`authgate.pyz completion words -- WORD ... CURRENT` prints what the word at the cursor may become, with a tab and
an explanation; where it prints nothing, the scripts offer file names. bash passes "=" as a word;
it is ignored.
"""

from __future__ import annotations

from ..context import Context
from ..errors import UsageError
from ..options import SETTINGS, SWITCHES
from . import COMMANDS

_BASH = r"""# bash completion for authgate.pyz
_authgate() {
    local program="${COMP_WORDS[0]/#\~/$HOME}" word
    COMPREPLY=()  # where it stays empty, bash completes file names itself
    while IFS=$'\t' read -r word _; do
        printf -v word %q "$word"
        COMPREPLY+=("$word")
    done < <(
        case " ${COMP_WORDS[*]:1:COMP_CWORD-1} " in
            (*" -- ") compgen -c -- "${COMP_WORDS[COMP_CWORD]}" ;;  # the program that exec runs
            (*" -- "*) ;;
            (*) "$program" completion words -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null ;;
        esac
    )
}
complete -o default -F _authgate authgate.pyz authgate
"""
_ZSH = r"""#compdef authgate.pyz authgate
_authgate() {
    local program=${~words[1]}
    local -a found texts
    integer dashes=${words[(i)--]}
    if (( dashes < CURRENT )); then  # after them, complete for the other program
        shift $dashes words
        (( CURRENT -= dashes ))
        _normal
        return
    fi
    found=("${(@f)$(_call_program words ${(q)program} completion words -- "${(@qq)words[2,CURRENT]}")}")
    texts=("${found[@]/$'\t'/  -- }")
    found=("${found[@]%%$'\t'*}")
    if [[ -n "$found" ]]; then compadd -l -d texts -a found; else _files; fi
}
if [[ "$funcstack[1]" == _authgate ]]; then  # called for the first time from a file in $fpath
    _authgate "$@"
elif (( $+functions[compdef] )); then
    compdef _authgate authgate.pyz authgate
else  # at the first prompt: until then, ~/.zshrc may call compinit, which forgets what it did not find itself
    _authgate_register() {
        (( $+functions[compdef] )) || { autoload -Uz compinit && compinit }
        compdef _authgate authgate.pyz authgate
        add-zsh-hook -d precmd _authgate_register
    }
    autoload -Uz add-zsh-hook && add-zsh-hook precmd _authgate_register
fi
"""
_FISH = r"""# fish completion for authgate.pyz
function __authgate_words
    set -l before (commandline -opc)
    set -l current (commandline -ct)
    set -l found ($before[1] completion words -- $before[2..] "$current" 2>/dev/null)
    if set -q found[1]
        printf '%s\n' $found
    else
        __fish_complete_path "$current"
    end
end
complete -c authgate.pyz -f -a '(__authgate_words)'
"""
# To PowerShell, an empty argument is none, so it passes "=", which counts as empty.
_POWERSHELL = r"""# PowerShell completion for authgate.pyz
Register-ArgumentCompleter -Native -CommandName 'authgate.pyz', 'authgate' -ScriptBlock {
    param($current, $ast, $position)
    $before = @($ast.CommandElements | Where-Object { $_.Extent.EndOffset -lt $position } | ForEach-Object { "$_" })
    $program, $before = $before
    & $program completion words -- @before $(if ($current) { $current } else { '=' }) 2>$null | ForEach-Object {
        $word, $text = $_ -split "`t"
        if (-not $text) { $text = $word }  # it may not be empty
        [System.Management.Automation.CompletionResult]::new($word, $word, 'ParameterValue', $text)
    }
}
"""
SCRIPTS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH, "powershell": _POWERSHELL}


def run(context: Context) -> int:
    """Print the script for one shell, or what a script asks for."""
    operands = context.arguments.operands
    if operands[:2] == ("words", "--") and len(operands) > 2:
        *before, current = operands[2:]
        words = _words(context, [word for word in before if word != "="], "" if current == "=" else current)
        return context.result("".join(f"{word}\t{text}\n" if text else f"{word}\n" for word, text in words))
    if len(operands) != 1 or operands[0] not in SCRIPTS:
        raise UsageError(f"completion needs a shell: {', '.join(SCRIPTS)}", "for example authgate.pyz completion bash")
    script = SCRIPTS[operands[0]]
    return context.result(script, {"shell": operands[0], "script": script})


def _words(context: Context, before: list[str], current: str) -> list[tuple[str, str]]:
    """Return what `current` may become after the words `before`, and what each means."""
    general = (*SETTINGS, *SWITCHES)
    known = (*general, *(option for command in COMMANDS.values() for option in command.options))
    options = {f"--{option.name}": option for option in known}
    name, equals, _ = current.partition("=")
    attached = name in options and equals  # in bash, --flow=x is three words
    option = options.get(name if attached else "".join(before[-1:]))
    command = next((word for word in before if word in COMMANDS), "")
    if option and option.metavar:
        values = _accounts(context) if option.name == "account" else option.choices
        words = [(f"{name}={value}" if attached else value, "") for value in values]
    elif current.startswith("-"):
        words = [(f"--{each.name}", each.help) for each in (*COMMANDS[command or "login"].options, *general)]
    elif command == "completion":
        words = [(shell, "") for shell in SCRIPTS]
    else:
        words = [(each.name, each.summary) for each in COMMANDS.values() if command in ("", "help")]
    return [(word, text) for word, text in words if word.startswith(current)]


def _accounts(context: Context) -> list[str]:
    """Return the accounts of the token file; the keyring is not read, as it might ask for a password."""
    accounts = {entry.account for entry in context.store.file.entries()}
    return sorted(filter(str.isprintable, accounts - {""}))
