"""The table of commands. Each but `help` has a module here with `run(context)`, which returns the exit status."""

from __future__ import annotations

from ..options import Command, Option

_MIN_TTL = Option("min-ttl", "refresh the token if less than this, or half of its life, is left", "SECONDS", "", "60")

COMMANDS = {
    command.name: command
    for command in (
        Command(
            "login",
            "get a valid token, signing in if necessary, and report (default)",
            options=(Option("force", "sign in even if a token is stored"),),
            examples=("authgate.pyz", "authgate.pyz login --force --flow device"),
        ),
        Command(
            "token",
            "print the access token and nothing else, refreshed if necessary",
            options=(
                Option("format", "how to print it", "FORMAT", "", "raw", ("raw", "header", "json", "exec-credential")),
                _MIN_TTL,
            ),
            examples=(
                "authgate.pyz token --format header | curl -H @- https://api.example.com/",
                "authgate.pyz token --format exec-credential   # for kubectl",
            ),
            details="It never asks you to sign in; exit status 4 means that you have to."
            " With --flow client-credentials it gets a token itself.",
        ),
        Command(
            "status",
            "show who is signed in, where the token is, and when it expires",
            options=(
                Option("offline", "check only the expiry time; do not ask the server"),
                Option("all", "list every stored token; the servers are not asked"),
            ),
            examples=("authgate.pyz status --offline && echo valid", "authgate.pyz status --all"),
            details="Exits with 0 only if the server accepts the token (--offline: if not expired;"
            " --all: if the stores can be read).",
        ),
        Command(
            "logout",
            "revoke the tokens at the server and delete them here",
            options=(Option("all", "revoke and delete every stored token that names its server"),),
            examples=("authgate.pyz logout", "authgate.pyz logout --all"),
            details="--all also removes old files next to the token file that may contain tokens.",
        ),
        Command(
            "exec",
            "run a command with AUTHGATE_TOKEN set to a fresh token",
            options=(_MIN_TTL,),
            operands="-- CMD [ARG ...]",
            examples=("authgate.pyz exec -- ./deploy.sh --all",),
            details="The exit status is the command's; 127 if there is no such program, 126 if it cannot be run.",
        ),
        Command(
            "inspect",
            "decode a JWT without sending it anywhere (default: the stored one)",
            options=(Option("verify", "check signature, issuer and time against the server's keys"),),
            operands="[TOKEN or -]",
            examples=("authgate.pyz inspect --verify", "authgate.pyz token | authgate.pyz inspect -"),
        ),
        Command(
            "doctor", "check everything that signing in needs, and suggest fixes", examples=("authgate.pyz doctor",)
        ),
        Command(
            "completion",
            "print a completion script",
            operands="bash|zsh|fish|powershell",
            examples=(
                'eval "$(authgate.pyz completion bash)"',
                "authgate.pyz completion fish > ~/.config/fish/completions/authgate.pyz.fish",
                "authgate.pyz completion powershell | Out-String | Invoke-Expression",
            ),
        ),
        Command(
            "help",
            "explain a command, like COMMAND --help",
            operands="[COMMAND]",
            examples=("authgate.pyz help", "authgate.pyz help token"),
        ),
    )
}
