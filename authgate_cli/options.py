"""Describe options and commands as tables, and parse a command line with them.

Not argparse: options stand before or after the command, one table serves the parser, the help
and the completions, the help is the same on every Python, and a cached `token` starts without
the two milliseconds that importing argparse takes.
"""

from __future__ import annotations

from .errors import UsageError
from .values import Value


class Option(Value):
    """One option. Without a metavar it is a switch; `variable` is the environment variable for it."""

    name: str
    help: str
    metavar: str = ""
    variable: str = ""
    default: str = ""
    choices: tuple[str, ...] = ()
    short: str = ""


class Command(Value):
    """One command: its module under `commands/`, its options and operands, and its help."""

    name: str
    summary: str
    options: tuple[Option, ...] = ()
    operands: str = ""
    examples: tuple[str, ...] = ()
    details: str = ""


class Arguments(Value):
    """A command line that has been read: options by name (a switch is True), and every --param."""

    command: str
    flags: dict[str, str | bool]
    operands: tuple[str, ...] = ()
    params: tuple[str, ...] = ()


_FLOWS = ("auto", "browser", "device", "client-credentials")
DEFAULT_TOKEN_FILE = "~/.authgate-tokens.json"

SETTINGS = (
    Option("url", "server URL (the issuer)", "URL", "AUTHGATE_URL"),
    Option("client-id", "client at that server", "ID", "CLIENT_ID"),
    Option("scope", "scopes to ask for", "SCOPES", "AUTHGATE_SCOPE", "profile email"),
    Option("flow", "how to sign in", "FLOW", "AUTHGATE_FLOW", "auto", _FLOWS),
    Option(
        "redirect-uri",
        "registered callback URL, or several separated by commas",
        "URL",
        "AUTHGATE_REDIRECT_URI",
        "http://127.0.0.1:8088/callback",
    ),
    Option("store", "token store", "STORE", "AUTHGATE_STORE", "auto", ("auto", "keyring", "file")),
    Option("token-file", "token file", "FILE", "AUTHGATE_TOKEN_FILE", DEFAULT_TOKEN_FILE),
    Option("account", "which of several tokens of one client", "NAME", "AUTHGATE_ACCOUNT"),
    Option("timeout", "time for one HTTP exchange", "SECONDS", "AUTHGATE_TIMEOUT", "30"),
    Option("no-input", "never start a sign-in", "", "AUTHGATE_NO_INPUT"),
)
SWITCHES = (
    Option("env-file", "settings file", "FILE", "", ".env"),
    Option("json", "print one JSON document"),
    Option("quiet", "no progress and no warnings", short="q"),
    Option("verbose", "a line per HTTP exchange, and why a flow was chosen", short="v"),
    Option("debug", "show tracebacks"),
    Option("show-tokens", "do not mask tokens"),
    Option("no-qr", "no QR code with the device code"),
    Option("no-browser", "print the address instead of opening a browser"),
    Option("param", "extra parameter of a sign-in; repeatable", "NAME=VALUE"),
    Option("version", "print the version", short="V"),
    Option("help", "print this help", short="h"),
)
# Settings that are never flags: every process on the machine can read a command line.
SECRET_VARIABLES = ("CLIENT_SECRET", "AUTHGATE_TOKEN")
VARIABLES = frozenset([option.variable for option in SETTINGS] + list(SECRET_VARIABLES))


def parse(argv: list[str], options: tuple[Option, ...], commands: dict[str, Command]) -> Arguments:
    """Read a command line; without a command it is login.

    Raise UsageError for an unknown command or option, or one that does not belong to the command.
    Values are checked elsewhere.
    """
    known = {option.name: option for option in options}
    for command in commands.values():
        known.update((option.name, option) for option in command.options)
    shorts = {option.short: option for option in known.values() if option.short}
    flags: dict[str, str | bool] = {}
    params: list[str] = []
    words: list[str] = []
    rest = list(argv)
    while rest:
        word = rest.pop(0)
        if word == "--":
            words += [word, *rest]
            break
        if not word.startswith("-") or word == "-":
            if words and commands[words[0]].operands.startswith("-- "):
                words += [word, *rest]  # what follows a program's name are its own arguments
                break
            words.append(word)
            if words[0] not in commands:
                break
            continue
        if len(word) > 2 and word[1] != "-" and all(letter in shorts for letter in word[1:]):
            rest[:0] = [f"-{letter}" for letter in word[1:]]
            continue
        written, equals, value = word.partition("=")
        option = known.get(written[2:]) if written.startswith("--") else shorts.get(written[1:])
        if option is None:
            if written == "--client-secret":
                raise UsageError(
                    "a client secret cannot be given as an option: every process on this machine could read it",
                    "set CLIENT_SECRET in the environment or in .env",
                )
            raise UsageError(f"unknown option {_shown(written)}", _nearest(written, [f"--{name}" for name in known]))
        if equals and not option.metavar:
            raise UsageError(f"--{option.name} takes no value")
        if option.metavar and not equals:
            if not rest or rest[0].startswith("--"):
                raise UsageError(f"--{option.name} needs a value", f"for example --{option.name} {option.metavar}")
            value = rest.pop(0)
        flags[option.name] = value if option.metavar else True
        if option.name == "param":  # the only option that may be repeated
            params.append(value)
    return _arguments(words, flags, options, commands)._replace(params=tuple(params))


def _arguments(
    words: list[str], flags: dict[str, str | bool], options: tuple[Option, ...], commands: dict[str, Command]
) -> Arguments:
    name = words.pop(0) if words and words[0] != "--" else "login"
    command = commands.get(name)
    if command is None:
        shown = _shown(name, "'")
        raise UsageError(f"unknown command {shown}", _nearest(name, list(commands)))
    allowed = {option.name for option in (*options, *command.options)}
    for flag in flags:
        if flag not in allowed:
            owners = [other.name for other in commands.values() if flag in {option.name for option in other.options}]
            raise UsageError(f"--{flag} is not an option of {name!r}", f"it is an option of {' and '.join(owners)}")
    if words[:1] == ["--"]:
        words.pop(0)
    if words and not command.operands:
        raise UsageError(f"{name!r} takes no arguments", f"see authgate.pyz {name} --help")
    return Arguments(name, flags, tuple(words))


def _shown(word: str, quote: str = "") -> str:
    """Return a word for a message, unless it may be a token that was meant for inspect."""
    is_word = len(word) <= 20 and word.replace("-", "").isalpha()
    return f"{quote}{word}{quote}" if is_word else "(not shown, as it may be a token)"


def _nearest(word: str, words: list[str]) -> str:
    """Return a hint that names the most similar of these words."""
    import difflib

    near = difflib.get_close_matches(word, words, n=1, cutoff=0.7)
    return f"did you mean {near[0]}?" if near else "see authgate.pyz --help"
