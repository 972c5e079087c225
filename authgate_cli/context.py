"""The context of a command: arguments, terminal, system, store, server, and settings completed from the store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property

from .errors import AuthGateError, StoreCorrupt, UsageError
from .oauth.parsing import Json
from .options import Arguments
from .settings import EXPORT, STORED_IDENTITY, Settings, export
from .store import Store, open_store
from .system import System
from .system.terminal import Terminal
from .text import ISSUER, NAME, clean, document, listing
from .urls import same_issuer
from .values import TYPE_CHECKING

if TYPE_CHECKING:
    from .server import Server


class Context:
    """What one run of the program works with.

    `problem` is the error of settings that cannot be used, else None. `warnings` are about the
    settings file, for `doctor`; for other commands they have been printed.
    """

    def __init__(
        self,
        arguments: Arguments,
        settings: Settings,
        terminal: Terminal,
        environ: Mapping[str, str],
        system: System,
        problem: AuthGateError | None,
        warnings: list[str],
    ):
        self.arguments, self.settings, self.terminal, self.environ = arguments, settings, terminal, environ
        self.system, self.problem, self.warnings = system, problem, warnings

    def result(self, text: str, fields: Json | None = None, failure: AuthGateError | None = None) -> int:
        """Print the text, or with --json the fields, if there are any. Raise the failure, or return 0."""
        if fields is not None and "json" in self.arguments.flags:
            text = document(fields)
        if text:
            self.terminal.result(text, failure.exit_status if failure else 0)
        if failure:
            raise failure
        return 0

    def require(self, *names: str) -> None:
        """Fill in these variables from the stored identity. Raise UsageError if one is not set, or StoreFailed."""
        if self.settings.missing(*names):
            store = open_store(self.settings, self.system, self.terminal, self.environ)
            try:
                self.settings = recall(self.settings, store.identities())
            except StoreCorrupt as failure:
                if self.arguments.command != "login":
                    raise
                self.terminal.warn(failure.message)  # a sign-in moves it aside, once it is known where to sign in
            recalled = [name for name, source in self.settings.sources.items() if source == STORED_IDENTITY]
            if recalled:
                identity = f"client {self.settings.client_id} at {self.settings.issuer}"
                self.terminal.explain(f"{listing(recalled)} from the stored identity: {identity}")
        if missing := self.settings.missing(*names):
            examples = {"AUTHGATE_URL": "https://auth.example.com", "CLIENT_ID": "your-client-id"}
            words = export({name: examples[name] for name in missing}, self.environ)
            raise UsageError(_not_set(missing), f"{words}, or put it into .env")

    def require_server(self) -> None:
        """Require the server, and without AUTHGATE_TOKEN the client too. Raise as `require` does."""
        self.require("AUTHGATE_URL", *(() if self.settings.access_token else ("CLIENT_ID",)))

    @cached_property
    def store(self) -> Store:
        """Return the places where tokens are stored."""
        return open_store(self.settings, self.system, self.terminal, self.environ)

    @cached_property
    def server(self) -> Server:
        """Return the server of the settings, without a request. Raise UsageError if a secret may not be sent to it."""
        self.settings.require_trusted_issuer("CLIENT_SECRET")  # before anything is sent there
        from .server import Server  # a stored token is printed without the modules that this loads

        return Server(self.system, self.settings, self.terminal)


def recall(settings: Settings, stored: Iterable[tuple[str, str]]) -> Settings:
    """Return the settings, with a missing issuer or client taken from the one stored identity that fits.

    `stored` holds (issuer, client_id) pairs. Raise UsageError when several fit.
    """
    fitting = {
        (issuer.removesuffix("/"), client_id): (issuer, client_id)
        for issuer, client_id in stored
        if (not settings.issuer or same_issuer(issuer, settings.issuer)) and settings.client_id in ("", client_id)
    }
    missing = settings.missing("AUTHGATE_URL", "CLIENT_ID")
    if len(fitting) > 1:
        shown = ", ".join(
            f"{clean(client_id, NAME)} at {clean(issuer, ISSUER)}" for issuer, client_id in fitting.values()
        )
        raise UsageError(
            f"{_not_set(missing)}, and more than one identity is stored: {shown}",
            f"choose one with --url and --client-id, or {EXPORT} AUTHGATE_URL and CLIENT_ID",
        )
    if not fitting:
        return settings
    ((issuer, client_id),) = fitting.values()
    sources = {**settings.sources, **dict.fromkeys(missing, STORED_IDENTITY)}
    return settings._replace(issuer=settings.issuer or issuer, client_id=client_id, sources=sources)


def _not_set(names: list[str]) -> str:
    return f"{listing(names)} {'is' if len(names) == 1 else 'are'} not set"
