"""The commands: a table, and one small file each with `run(context) -> exit status`."""

from __future__ import annotations

from ..options import Command, Option

_MIN_TTL = Option("min-ttl", "refresh a token with less than this left", "SECONDS", "", "60")

COMMANDS = {
    command.name: command
    for command in (
        Command(
            "login",
            "get a usable token, signing in if necessary; report (default)",
            options=(Option("force", "sign in even if a token is stored"),),
            examples=("authgate.pyz", "authgate.pyz login --force --flow device"),
        ),
        Command(
            "token",
            "print the access token and nothing else, refreshed if necessary",
            options=(
                Option("format", "how to print it", "FORM", "", "raw", ("raw", "header", "json", "exec-credential")),
                _MIN_TTL,
            ),
            examples=(
                'curl -H "$(authgate.pyz token --format header)" https://api.example.com/',
                "authgate.pyz token --format exec-credential   # for kubectl",
            ),
            details="It never starts a sign-in, except with --flow client-credentials; exit 4: one is needed.",
        ),
        Command(
            "status",
            "who is signed in, where the token is kept, time left",
            options=(
                Option("offline", "do not ask the server; look at the local clock only"),
                Option("all", "list every stored token; the servers are not asked"),
            ),
            examples=("authgate.pyz status --offline && echo valid", "authgate.pyz status --all"),
            details="Exit 0 only for a token that the server accepts (--offline: that has not expired; --all: always).",
        ),
        Command(
            "logout",
            "revoke the tokens at the server and delete them",
            options=(Option("all", "every stored token, each at the server that issued it"),),
            examples=("authgate.pyz logout", "authgate.pyz logout --all"),
            details="With --all, left-over files beside the token file are removed as well.",
        ),
        Command(
            "exec",
            "run a command with AUTHGATE_TOKEN set to a fresh token",
            options=(_MIN_TTL,),
            operands="-- CMD [ARG ...]",
            examples=("authgate.pyz exec -- ./deploy.sh --all",),
            details="The exit status is the command's; 127 when there is no such program, 126 when it cannot be run.",
        ),
        Command(
            "inspect",
            "decode a JWT without sending it anywhere (default: the stored one)",
            options=(Option("verify", "check signature, issuer and time against the server's keys"),),
            operands="[TOKEN or -]",
            examples=("authgate.pyz inspect --verify", "authgate.pyz token | authgate.pyz inspect -"),
        ),
        Command(
            "doctor",
            "check everything that signing in needs, with remedies",
            examples=("authgate.pyz doctor",),
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
            "explain a command, as COMMAND --help does",
            operands="[COMMAND]",
            examples=("authgate.pyz help", "authgate.pyz help token"),
        ),
    )
}
