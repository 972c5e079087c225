"""The story of a token: stored, refreshed, signed in, checked.

Every stored token is for one issuer and is only ever sent there. What the person or the script
holds in the end has been accepted by the server, or is plainly said not to be.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager

from .edges.bounded import Running
from .errors import (
    AuthGateError,
    Refused,
    SignInNeeded,
    StoreFailed,
    TokenRefused,
    Unreachable,
    UsageError,
)
from .held import Held, from_environment
from .protocol import claims
from .protocol.binding import same_issuer
from .protocol.claims import Answer
from .protocol.jwt import claimed_issuer, claimed_subject
from .protocol.messages import get_as
from .text import clean
from .tokens import EARLY, STILL_USABLE, TokenSet
from .urls import split
from .values import TYPE_CHECKING, Value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .edges.locks import Waiting
    from .edges.record import Edges
    from .refresh import Refresher
    from .server import Server
    from .settings import Settings
    from .store import Store, Stored

_ASK_OPENID = "its UserInfo may want the scope openid: --scope 'openid profile email'"


class Checked(Value):
    """A token in hand, and what the server says about it."""

    held: Held
    userinfo: Answer
    tokeninfo: Answer


class Session:
    """One run's dealings with one server."""

    def __init__(
        self, settings: Settings, edges: Edges, store: Store, server: Server, waiting: Waiting, show_qr: bool = True
    ):
        self._settings, self._edges, self._store, self._show_qr = settings, edges, store, show_qr
        self._waiting, self.server = waiting, server

    @property
    def _refresher(self) -> Refresher:
        from .refresh import Refresher  # a door: most stored tokens are fresh

        return Refresher(self._settings, self._edges, self._store, self._waiting, self.server)

    def log_in(self, force: bool = False) -> Checked:
        """Return a checked token: the stored one, refreshed if need be, or one of a new sign-in."""
        held = None if force else self._usable(self.present)
        refused: TokenSet | None = None
        if held is not None:
            try:
                return self._check_or_renew(held)
            except TokenRefused as error:
                if held.source == "environment":
                    raise
                if held.source == "client-credentials":
                    raise self._refused_at_once(held) from error
                self._edges.terminal.tell("The server does not accept the stored token any more.")
                refused = held.token
        held = self.sign_in(refused)
        try:
            return self.check(held)
        except TokenRefused as error:
            raise self._refused_at_once(held) from error
        except _Mismatch:
            self._store.forget()
            raise

    def present(self, min_ttl: float = EARLY) -> Held | None:
        """Return a token without asking anybody, or None; a machine may sign itself in for it."""
        if self._settings.access_token:
            return from_environment(self._settings.access_token)
        if self._settings.flow == "client-credentials":
            return self._machine_token(min_ttl)
        return self.stored_token(min_ttl)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep everybody else from refreshing, while tokens are revoked and removed."""
        with ExitStack() as locks:
            for path in self._store.lock_paths():
                locks.enter_context(self._refresher.lock(path))
            yield

    def stored_token(self, min_ttl: float = EARLY) -> Held | None:
        """Return the stored token with `min_ttl` seconds left, refreshed if need be; None if there is none.

        A token that cannot be refreshed now still serves for its last seconds, with a warning.
        Raise SignInNeeded, Unreachable, Refused or StoreFailed when it does not.
        """
        stored = self._store.load()
        if stored is None:
            return None
        left = stored.token.seconds_left(self._edges.now())
        if left >= min_ttl:
            return Held(stored.token, "stored", stored.place.label)
        try:
            return self._refresher.refresh(stored, min_ttl)
        except AuthGateError as error:
            if left < STILL_USABLE:
                raise
            return self._still_good(stored, left, error)

    def sign_in(self, refused: TokenSet | None = None) -> Held:
        """Sign in anew; a stored token that the server `refused` is cleared first.

        Raise SignInNeeded where nobody may be asked or the person said no.
        """
        from .sign_in import SignIn  # the door to the flows: a stored token does without them

        return SignIn(self._settings, self._edges, self._store, self.server, self._show_qr).run(refused)

    def check(self, held: Held) -> Checked:
        """Ask the server about the token. Raise TokenRefused, Unreachable or Refused."""
        token = held.token.access_token
        self._keep_from_strangers(held)
        subject = claimed_subject(held.token.id_token)
        endpoint = self.server.metadata.tokeninfo_endpoint
        asking = Running(lambda: self._tokeninfo(endpoint, token))  # both at once: a network may be slow
        try:
            userinfo = self._userinfo(token, subject)
            tokeninfo: Answer = asking.result()
        except AuthGateError as error:
            tokeninfo = asking.result()
            if not isinstance(error, TokenRefused):
                raise
            if held.source != "client-credentials" and (tokeninfo.claims or {}).get("subject_type") != "client":
                raise
            userinfo = Answer(reason=f"a machine's token has no user: {error.code}")
        if tokeninfo.refused and not userinfo.accepted:
            raise claims.token_refused(tokeninfo.reason)
        if userinfo.claims and subject not in (None, userinfo.claims["sub"]):
            raise _Mismatch("UserInfo is about somebody else than the ID token (sub)", "tell whoever runs the server")
        return Checked(held, userinfo, tokeninfo)

    def _refused_at_once(self, held: Held) -> Refused:
        a_persons = held.source != "client-credentials" and self.server.metadata.userinfo_endpoint is not None
        hint = _ASK_OPENID if a_persons and "openid" not in self._settings.scope.split() else None
        return Refused("the server does not accept the token that it has just issued", hint)

    def _keep_from_strangers(self, held: Held) -> None:
        """Refuse to send AUTHGATE_TOKEN to a server that did not issue it; stored tokens are bound anyway."""
        owner = claimed_issuer(held.token.access_token) if held.source == "environment" else None
        if owner is not None and not same_issuer(owner, self._settings.issuer):
            raise UsageError(
                f"AUTHGATE_TOKEN is from {clean(owner, 100)}, and is not sent to {self._settings.issuer}",
                "check AUTHGATE_URL, in a .env of this directory too",
            )

    def _machine_token(self, min_ttl: float) -> Held:
        """Return the stored token while it is good; a machine signs itself in for the next one."""
        stored = self._store.load()
        if stored and stored.token.is_personal:
            stored = None  # the machine is not to act in a person's name
        left = stored.token.seconds_left(self._edges.now()) if stored else 0.0
        if stored and left >= min_ttl:
            return Held(stored.token, "stored", stored.place.label)
        try:
            return self.sign_in()
        except Unreachable as error:
            if stored is None or left < STILL_USABLE:
                raise
            return self._still_good(stored, left, error)

    def _still_good(self, stored: Stored, left: float, error: AuthGateError) -> Held:
        self._edges.terminal.warn(f"{error.message}; the present token is used, and is good for {left:.0f} s")
        return Held(stored.token, "stored", stored.place.label)

    def _check_or_renew(self, held: Held) -> Checked:
        """Ask about a token that was there. One that only our clock calls good is refreshed first."""
        try:
            return self.check(held)
        except TokenRefused as error:
            if held.source != "stored" or error.server_time < (held.token.expires_at or float("inf")):
                raise
            renewed = self._usable(self._renewed)
            if renewed is None:
                raise
        return self.check(renewed)

    def _renewed(self) -> Held | None:
        stored = self._store.load()
        return self._refresher.refresh(stored, EARLY) if stored else None

    def _usable(self, obtain: Callable[[], Held | None]) -> Held | None:
        """Return the token that is there; None when a sign-in has to bring one."""
        try:
            return obtain()
        except SignInNeeded as error:
            self._edges.terminal.tell(f"{error.sentence}.")
        except StoreFailed:
            if self._settings.no_input:
                raise
            # A new sign-in moves a corrupt file aside, and fails in turn for any other reason.
        return None

    def _userinfo(self, token: str, subject: str | None) -> Answer:
        """Ask UserInfo; at its present place, should a kept one give no good answer."""
        server, endpoint = self.server, self.server.metadata.userinfo_endpoint
        outcome = self._userinfo_at(endpoint, token)
        good = isinstance(outcome, Answer) and outcome.claims and subject in (None, outcome.claims["sub"])
        if server.is_kept and not good and not _is_silent(outcome, endpoint, self._settings.issuer):
            present = server.ask_anew().userinfo_endpoint
            if present != endpoint:
                outcome = self._userinfo_at(present, token)
        if isinstance(outcome, AuthGateError):
            raise outcome
        return outcome

    def _userinfo_at(self, endpoint: str | None, token: str) -> Answer | AuthGateError:
        if endpoint is None:
            return Answer(reason="the server does not offer it")
        try:
            return claims.parse_userinfo(self._edges.send(get_as(endpoint, token)))
        except AuthGateError as error:
            return error

    def _tokeninfo(self, endpoint: str, token: str) -> Answer:
        try:
            return claims.parse_tokeninfo(self._edges.send(get_as(endpoint, token)))
        except AuthGateError as error:
            return Answer(reason=error.message)


def _is_silent(outcome: Answer | AuthGateError, endpoint: str | None, issuer: str) -> bool:
    """Tell whether the server itself has let the time run out; asking it where to ask would take as long again."""
    timed_out = isinstance(outcome, Unreachable) and outcome.timed_out
    return timed_out and endpoint is not None and split(endpoint).origin == split(issuer).origin


class _Mismatch(Refused):
    """Two answers are about two people; a token just obtained is not kept."""
