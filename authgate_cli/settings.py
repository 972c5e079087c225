"""Merge and check the settings: flag, then environment, then settings file, then default.

An empty value counts as not set: CI systems pass secrets that do not exist as "". White space
around a value of the environment or a file is cut off.

Flags, the environment and a file named with `--env-file` come from the user. A `.env` that is found
in the current directory may come from somebody else: it may set DOTENV_MAY_SET only, and no secret
that the user exported is sent to a server that only this file, or only a stored identity, names.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

from .errors import UsageError
from .options import SECRET_VARIABLES, SETTINGS
from .tokens import TokenSet, is_token
from .urls import Url, split
from .values import Value

# What a `.env` that is found may set: where to sign in and as which client, and nothing else. A new
# setting must be added here to be allowed.
DOTENV_MAY_SET = frozenset(
    ("AUTHGATE_URL", "CLIENT_ID", "CLIENT_SECRET", "AUTHGATE_SCOPE", "AUTHGATE_FLOW")
    + ("AUTHGATE_REDIRECT_URI", "AUTHGATE_TIMEOUT", "AUTHGATE_NO_INPUT")
)
EXPORT = "export" if os.name == "posix" else "set"  # what one does to a variable in a shell
# The sources that the user has not named; the others are trusted.
DOTENV, STORED_IDENTITY = ".env", "the stored identity"

# Parameters that our requests set; --param may not set them (`prompt` only with offline_access).
OWN_PARAMETERS = frozenset(
    ("response_type", "client_id", "redirect_uri", "scope", "state", "nonce", "code_challenge")
    + ("code_challenge_method", "client_secret", "grant_type", "code", "code_verifier", "device_code", "refresh_token")
)

_YES, _NO = ("1", "true", "yes", "on", "y"), ("0", "false", "no", "off", "n")


class Settings(Value):
    """The settings of one run. `sources` says where each came from."""

    issuer: str = ""
    client_id: str = ""
    client_secret: str | None = None
    scope: str = "profile email"
    flow: str = "auto"
    redirect_uris: tuple[str, ...] = ()
    store: str = "auto"
    token_file: str = ""
    timeout: float = 30.0
    no_input: bool = False
    access_token: str | None = None
    account: str = ""
    params: dict[str, str] = {}
    sources: dict[str, str] = {}

    @property
    def is_machine(self) -> bool:
        """Tell whether the client signs in for itself, without a person."""
        return self.flow == "client-credentials"

    @property
    def server_and_account(self) -> str:
        """Return the server, and the account where one is named, for a message."""
        return f"{self.issuer} (account {self.account})" if self.account else self.issuer

    @property
    def login_command(self) -> str:
        """Return the command that signs in again to the same account of the same server."""
        origin, _, file = self.sources.get("AUTHGATE_URL", "").partition(" ")
        named = f" {origin} {_quoted(file)}" if origin == "--env-file" else ""
        return f"authgate.pyz{named} login" + (f" --account {_quoted(self.account)}" if self.account else "")

    @property
    def issuer_is_trusted(self) -> bool:
        """Tell whether the user named the server: by a flag, the environment or `--env-file`."""
        return self.sources.get("AUTHGATE_URL") not in (DOTENV, STORED_IDENTITY)

    def missing_scope(self, token: TokenSet) -> str:
        """Return what `--scope` or AUTHGATE_SCOPE asks for and this token was not obtained for; "" if nothing.

        If no scope was recorded, nothing counts as missing.
        """
        had = token.scope if token.requested_scope is None else token.requested_scope
        if had is None or "AUTHGATE_SCOPE" not in self.sources:
            return ""
        return " ".join(scope for scope in self.scope.split() if scope not in had.split())

    def require_trusted_issuer(self, variable: str) -> None:
        """Raise UsageError if this secret, exported by the user, would go to a server that the user has not named."""
        if self.issuer_is_trusted or self.sources.get(variable, DOTENV) == DOTENV:
            return
        source = self.sources["AUTHGATE_URL"]
        fits_there = source == DOTENV and variable in DOTENV_MAY_SET
        hint = f"{EXPORT} AUTHGATE_URL as well{f', or put {variable} into .env' if fits_there else ''}"
        raise UsageError(f"{variable} is not sent to {self.issuer}, which is known only from {source}", hint)

    def require_secret(self) -> None:
        """Raise UsageError unless the client has a secret."""
        if not self.client_secret:
            hint = "set CLIENT_SECRET in the environment or in .env"
            raise UsageError("the client-credentials flow needs a client secret", hint)

    def missing(self, *names: str) -> list[str]:
        """Return which of these variables, AUTHGATE_URL or CLIENT_ID, are not set."""
        have = {"AUTHGATE_URL": self.issuer, "CLIENT_ID": self.client_id}
        return [name for name in names if not have[name]]


def resolve(
    flags: Mapping[str, str | bool],
    environ: Mapping[str, str],
    dotenv: Mapping[str, str],
    params: Iterable[str] = (),
) -> Settings:
    """Merge and check all settings. Raise UsageError for a value that cannot be used.

    `dotenv` holds the settings of the file that the flag `env-file` names, or of the `.env` that was
    found. `params` are the values of `--param`.
    """
    sources: dict[str, str] = {}
    named: dict[str, str] = {}  # for errors: the flag, or the variable and its file
    file = f"--env-file {flags['env-file']}" if flags.get("env-file") else DOTENV

    def pick(name: str, variable: str, default: str = "") -> str:
        # An empty --scope asks for none; any other empty flag counts as not set.
        if flags.get(name) or (name == "scope" and name in flags):
            sources[variable] = named[variable] = f"--{name}"
            return "1" if flags[name] is True else str(flags[name])
        for values, source in ((environ, "environment"), (dotenv, file)):
            value = values.get(variable, "").strip()
            if value and (source != DOTENV or variable in DOTENV_MAY_SET):
                sources[variable], named[variable] = source, variable + (f" in {file}" if source == file else "")
                return value
        return default

    value = {option.variable: pick(option.name, option.variable, option.default) for option in SETTINGS}
    value.update((variable, pick("", variable)) for variable in SECRET_VARIABLES)
    for option in SETTINGS:
        if option.choices and value[option.variable] not in option.choices:
            raise UsageError(f"{named[option.variable]} must be one of {', '.join(option.choices)}")
    for variable, is_usable, problem, hint in _CHECKS:
        if value[variable] and not is_usable(value[variable]):
            raise UsageError(f"{named[variable]} {problem}", hint)
    uris = tuple(uri.strip() for uri in value["AUTHGATE_REDIRECT_URI"].split(","))
    if "AUTHGATE_REDIRECT_URI" in named:
        for uri in uris:
            _check_redirect_uri(uri, named["AUTHGATE_REDIRECT_URI"])
    if value["AUTHGATE_URL"]:
        _check_issuer(value["AUTHGATE_URL"], named["AUTHGATE_URL"])
    scopes = value["AUTHGATE_SCOPE"].split()
    return Settings(
        issuer=value["AUTHGATE_URL"],
        client_id=value["CLIENT_ID"],
        client_secret=value["CLIENT_SECRET"] or None,
        scope=" ".join(scopes),
        flow=value["AUTHGATE_FLOW"],
        redirect_uris=uris,
        store=value["AUTHGATE_STORE"],
        token_file=expand_home(value["AUTHGATE_TOKEN_FILE"], environ),
        timeout=float(value["AUTHGATE_TIMEOUT"]),
        no_input=value["AUTHGATE_NO_INPUT"].lower() in _YES,
        access_token=value["AUTHGATE_TOKEN"] or None,
        account=value["AUTHGATE_ACCOUNT"],
        params=_params(params, "offline_access" in scopes),
        sources=sources,
    )


def _quoted(word: str) -> str:
    """Quote a word for a shell, if it needs that."""
    quoted = "'" + word.replace("'", r"'\''") + "'"
    return word if word.translate(dict.fromkeys(map(ord, "/._-~"))).isalnum() else quoted


def _is_plain(value: str) -> bool:
    return value.isprintable() and value == value.strip()


def _is_scope(value: str) -> bool:
    return value.isascii() and value.isprintable() and '"' not in value and "\\" not in value  # RFC 6749 section 3.3


def _is_account(value: str) -> bool:
    return value.isprintable() and "#" not in value and "://" not in value and len(value) <= 100


def _is_timeout(value: str) -> bool:
    try:
        return 0 < float(value) <= 3600
    except ValueError:
        return False


_PLAIN = (_is_plain, "has leading or trailing spaces or unprintable characters", "was a line break copied with it?")
# What the value of a variable must be if it is set, what is wrong with any other value, and a hint.
_CHECKS = (
    ("CLIENT_ID", *_PLAIN),
    (
        "CLIENT_ID",
        lambda value: "#" not in value,  # it begins the account in the name of a stored token
        "contains #, which separates client and account where tokens are stored",
        "was a comment copied with it? in a settings file it needs a space before the #",
    ),
    ("CLIENT_SECRET", *_PLAIN),
    ("AUTHGATE_SCOPE", _is_scope, "has characters that are not allowed in a scope", "for example 'openid email'"),
    ("AUTHGATE_TOKEN_FILE", *_PLAIN),
    (
        "AUTHGATE_ACCOUNT",
        _is_account,
        "must be a name of at most 100 characters, without # and ://",
        "for example work",
    ),
    ("AUTHGATE_TIMEOUT", _is_timeout, "must be a number of seconds above 0 and not above 3600", "for example 30"),
    ("AUTHGATE_NO_INPUT", lambda value: value.lower() in _YES + _NO, f"must be one of {', '.join(_YES + _NO)}", None),
    ("AUTHGATE_TOKEN", is_token, "has characters that are not allowed in a token", "was a line break or space copied?"),
)


def export(values: Mapping[str, str], environ: Mapping[str, str]) -> str:
    """Return what to type to set environment variables, in the shell that we are probably started from."""
    if os.name == "posix":
        return "export " + " ".join(f"{name}={value}" for name, value in values.items())
    # Of the shells of Windows, only PowerShell adds a folder of the user's to this variable.
    modules, home = environ.get("PSMODULEPATH", "").lower(), environ.get("USERPROFILE", "").lower()
    form = "$env:{}='{}'" if home and home in modules else "set {}={}"
    return " and ".join(form.format(name, value) for name, value in values.items())


def is_issuer(url: str) -> bool:
    """Tell whether a URL could be the setting AUTHGATE_URL."""
    try:
        _check_issuer(url, "")
    except UsageError:
        return False
    return True


def _check_issuer(url: str, name: str) -> None:
    example = "for example https://auth.example.com"
    parts = _split(url, f"{name} is not a server URL", example)
    if parts.query or parts.fragment or url.endswith("?"):  # RFC 8414 section 2
        raise UsageError(f"{name} is not a server URL: it has a query or a fragment", example)
    if not parts.is_safe:
        hint = f"use https://{parts.netloc}{parts.path}; plain http is allowed only for this machine"
        raise UsageError(f"{name} is plain http, which would send tokens unencrypted over the network", hint)


def _check_redirect_uri(uri: str, name: str) -> None:
    example = "for example http://127.0.0.1:8088/callback"
    parts = _split(uri, f"{name} is not a callback URL", example)
    if parts.scheme != "http" or not parts.is_loopback or parts.fragment:
        raise UsageError(f"{name} must be an http:// URL on this machine, without a fragment (RFC 8252)", example)


def _split(url: str, problem: str, example: str) -> Url:
    try:
        return split(url)
    except ValueError as error:
        raise UsageError(f"{problem}: {error}", example) from None


def _params(words: Iterable[str], consents: bool) -> dict[str, str]:
    """Read NAME=VALUE words. With `consents` the request sets `prompt` itself."""
    params: dict[str, str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not name or not equals:
            raise UsageError("--param must be NAME=VALUE", "for example --param login_hint=jane@example.com")
        if not word.isprintable():
            raise UsageError("--param has characters that cannot be sent", "was a line break copied with it?")
        if name in OWN_PARAMETERS or (name == "prompt" and consents):
            raise UsageError(f"--param {name} is set by authgate itself", "leave it out, or see authgate.pyz --help")
        if name in params:
            raise UsageError(f"--param {name} is given twice", "leave one of them out")
        params[name] = value
    return params


def expand_home(value: str, environ: Mapping[str, str]) -> str:
    """Expand a leading ~ or ~user; return "" if there is no home directory. Other paths stay as they are."""
    home = environ.get("USERPROFILE" if os.name == "nt" else "HOME")
    if value[:2] in ("~", "~/", "~" + os.sep) and home is not None:
        return os.path.join(home, value[2:]) if home else ""
    path = os.path.expanduser(value)
    return "" if path.startswith("~") else path
