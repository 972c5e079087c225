"""Describe options and commands as tables, and read a command line by them.

Not argparse: options stand before or after the command, one table serves the parser, the help
and the completions, the help is the same on every Python, and a cached `token` starts without
the two milliseconds that importing argparse takes.
"""

from __future__ import annotations

from .errors import UsageError
from .values import Value


class Option(Value):
    """One option. Without a metavar it is a switch; `variable` names the environment's twin."""

    name: str
    help: str
    metavar: str = ""
    variable: str = ""
    default: str = ""
    choices: tuple[str, ...] = ()
    short: str = ""
    repeatable: bool = False


class Command(Value):
    """One command: its module under `commands/`, what it takes, and how it is explained."""

    name: str
    summary: str
    options: tuple[Option, ...] = ()
    operands: str = ""
    examples: tuple[str, ...] = ()
    details: str = ""


class Arguments(Value):
    """A command line that has been read. `flags` maps an option's name to its value or True.

    `repeated` maps the name of a repeatable option to all of its values.
    """

    command: str
    flags: dict[str, str | bool]
    operands: tuple[str, ...] = ()
    repeated: dict[str, tuple[str, ...]] = {}


FLOWS = ("auto", "browser", "device", "client-credentials")
STORES = ("auto", "keyring", "file")

DEFAULT_TOKEN_FILE = "~/.authgate-tokens.json"

SETTINGS = (
    Option("url", "server URL (the issuer)", "URL", "AUTHGATE_URL"),
    Option("client-id", "client at that server", "ID", "CLIENT_ID"),
    Option("scope", "scopes to ask for", "SCOPES", "AUTHGATE_SCOPE", "profile email"),
    Option("flow", "how to sign in", "HOW", "AUTHGATE_FLOW", "auto", FLOWS),
    Option(
        "redirect-uri",
        "callback URL, as registered; or several, by commas",
        "URL",
        "AUTHGATE_REDIRECT_URI",
        "http://127.0.0.1:8088/callback",
    ),
    Option("store", "token store", "WHERE", "AUTHGATE_STORE", "auto", STORES),
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
    Option("no-browser", "print the address, open nothing, wait"),
    Option("param", "extra parameter of a sign-in; repeatable", "NAME=VALUE", repeatable=True),
    Option("version", "print the version", short="V"),
    Option("help", "print this help", short="h"),
)
# Settings that are never flags: every process on the machine can read a command line.
SECRET_VARIABLES = ("CLIENT_SECRET", "AUTHGATE_TOKEN")
VARIABLES = frozenset([option.variable for option in SETTINGS] + list(SECRET_VARIABLES))


def parse(argv: list[str], options: tuple[Option, ...], commands: dict[str, Command]) -> Arguments:
    """Read a command line. Raise UsageError for what is in no table; values are not judged here."""
    known = {option.name: option for option in options}
    for command in commands.values():
        known.update((option.name, option) for option in command.options)
    shorts = {option.short: option for option in known.values() if option.short}
    flags: dict[str, str | bool] = {}
    repeated: dict[str, tuple[str, ...]] = {}
    words: list[str] = []
    rest = list(argv)
    while rest:
        word = rest.pop(0)
        if word == "--":
            words += [word, *rest]
            break
        if not word.startswith("-") or word == "-":
            if words and commands[words[0]].operands.startswith("-- "):
                words += [word, *rest]  # what follows a program's name is the program's own
                break
            words.append(word)
            if words[0] not in commands:
                break
            continue
        if len(word) > 2 and word[1] != "-" and all(letter in shorts for letter in word[1:]):
            rest[:0] = [f"-{letter}" for letter in word[1:]]
            continue
        name, equals, value = word.partition("=")
        option = known.get(name[2:]) if name.startswith("--") else shorts.get(name[1:])
        if option is None:
            raise _unknown_option(name, known)
        flags[option.name] = _value(option, value if equals else None, rest)
        if option.repeatable:
            repeated[option.name] = (*repeated.get(option.name, ()), str(flags[option.name]))
    return _arguments(words, flags, options, commands)._replace(repeated=repeated)


def _value(option: Option, attached: str | None, rest: list[str]) -> str | bool:
    if not option.metavar:
        if attached is not None:
            raise UsageError(f"--{option.name} takes no value")
        return True
    if attached is not None:
        return attached
    if not rest or rest[0].startswith("--"):
        raise UsageError(f"--{option.name} needs a value", f"for example --{option.name} {option.metavar}")
    return rest.pop(0)


def _arguments(
    words: list[str], flags: dict[str, str | bool], options: tuple[Option, ...], commands: dict[str, Command]
) -> Arguments:
    name = words.pop(0) if words and words[0] != "--" else "login"
    command = commands.get(name)
    if command is None:
        # What is long may be a token that somebody meant to inspect, and is not repeated.
        shown = repr(name) if len(name) <= 20 else "like that"
        raise UsageError(f"there is no command {shown}", _nearest(name, list(commands)) or "see authgate.pyz --help")
    general = {option.name for option in options}
    own = {option.name for option in command.options}
    for flag in flags:
        if flag not in general | own:
            owners = [other.name for other in commands.values() if flag in {option.name for option in other.options}]
            raise UsageError(f"--{flag} cannot be used with {name!r}", f"it belongs to {' and '.join(owners)}")
    if words[:1] == ["--"]:
        words.pop(0)
    if words and not command.operands:
        raise UsageError(f"{name!r} takes no arguments ({len(words)} given)", f"see authgate.pyz {name} --help")
    return Arguments(name, flags, tuple(words))


def _unknown_option(name: str, known: dict[str, Option]) -> UsageError:
    if name == "--client-secret":
        return UsageError(
            "a client secret is never an option: every process on the machine could read it",
            "set CLIENT_SECRET in the environment or in .env",
        )
    near = _nearest(name, ["--" + option for option in known])
    return UsageError(f"there is no option {name}", near or "see authgate.pyz --help")


def _nearest(word: str, words: list[str]) -> str | None:
    import difflib

    near = difflib.get_close_matches(word, words, n=1, cutoff=0.7)
    return f"did you mean {near[0]}?" if near else None
