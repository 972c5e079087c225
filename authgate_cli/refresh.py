"""Refresh a stored token once, however many processes want to.

Under the lock that all who share the store share, the store is read again: somebody else may
have refreshed already, and with rotation a refresh token spent twice signs the person out
everywhere. That the store can be written is checked before the spending. From the spending until
the answer is on disk, signals wait. A refresh that may have reached the server is not repeated.
"""

from __future__ import annotations

from .edges.locks import refresh_lock
from .errors import Refused, SignInNeeded, StoreFailed, Unreachable
from .held import Held
from .protocol import id_token, token_response
from .protocol.jwt import claimed_subject
from .tokens import STILL_USABLE
from .values import TYPE_CHECKING, Value

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from .edges.locks import Waiting
    from .edges.record import Edges
    from .flows.keys import KeySet
    from .server import Server
    from .settings import Settings
    from .store import Place, Store, Stored
    from .tokens import TokenSet

_SIGN_IN = "sign in again with authgate.pyz login"


class Refresher(Value):
    """What a refresh works with."""

    settings: Settings
    edges: Edges
    store: Store
    waiting: Waiting
    server: Server

    def lock(self, path: str) -> AbstractContextManager[None]:
        """Return the lock, waiting as long as discovery, keys and the exchange may take somebody else."""
        return refresh_lock(path, self.waiting, 3 * self.settings.timeout + 5, self.edges.terminal.explain)

    def refresh(self, stored: Stored, min_ttl: float) -> Held:
        """Return a fresh token, refreshed here or meanwhile by somebody else.

        Raise SignInNeeded when there is nothing to refresh with, Unreachable, Refused or
        StoreFailed when it cannot be done now; the stored token is then left as it was.
        """
        place = stored.place
        with self.lock(place.lock_path):
            current = place.find().token
            if current is None:
                raise SignInNeeded("the token has been removed meanwhile", _SIGN_IN)
            if current.access_token != stored.token.access_token and self._left(current) >= min_ttl:
                return Held(current, "stored", place.label)
            if current.refresh_token is None:
                raise SignInNeeded("the token cannot be renewed: it came without a refresh token", _SIGN_IN)
            keys = self.server.keys()
            if current.id_token:
                keys.load()  # a new ID token is likely to come
            place.check_writable()
            try:
                return self._spend(current, place, keys)
            except Refused as error:
                if error.code != "invalid_grant":
                    error.hint = error.hint or "authgate.pyz login --force signs in anew"
                    raise
                again = place.find().token
                if again and again.access_token != current.access_token and self._left(again) >= STILL_USABLE:
                    return Held(again, "stored", place.label)
                message = "the server does not renew the token any more (invalid_grant)"
                raise SignInNeeded(message, _SIGN_IN) from error

    def _spend(self, current: TokenSet, place: Place, keys: KeySet) -> Held:
        """Exchange the refresh token (RFC 6749 section 6) and save what comes back."""
        settings, edges = self.settings, self.edges
        fields = {"grant_type": "refresh_token", "refresh_token": current.refresh_token}
        with edges.uninterrupted():
            response = edges.send(
                token_response.token_request(self.server.metadata, fields, settings.client_id, settings.client_secret)
            )
            answer = token_response.parse(response, "the token could not be refreshed", edges.now(), current.scope)
            if answer.id_token:
                checked = id_token.check(answer.id_token, self._expected(current, answer))
                try:
                    keys.verify_direct(checked)
                except Unreachable as failure:
                    # The old refresh token is spent: the new one is not dropped over a side dish.
                    edges.terminal.warn(f"{failure.message}; the new ID token is not kept")
                    answer = answer._replace(id_token=None)
            # What the answer leaves out stays as it was.
            token = answer._replace(
                refresh_token=answer.refresh_token or current.refresh_token,
                id_token=answer.id_token or current.id_token,
                issuer=settings.issuer,
                client_id=settings.client_id,
            )
            try:
                return Held(token, "refreshed", self.store.save_refreshed(token, place))
            except StoreFailed as failure:
                told = StoreFailed(f"the refreshed token could not be saved: {failure.message}", _SIGN_IN)
                return Held(token, "refreshed", None, told)

    def _expected(self, current: TokenSet, answer: TokenSet) -> id_token.Expected:
        """Say what a new ID token must agree with (OpenID Connect Core section 12.2)."""
        return id_token.Expected(
            self.settings.issuer,
            self.settings.client_id,
            self.edges.now(),
            access_token=answer.access_token,
            subject=claimed_subject(current.id_token),
        )

    def _left(self, token: TokenSet) -> float:
        return token.seconds_left(self.edges.now())
