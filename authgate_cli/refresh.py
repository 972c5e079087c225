"""Refresh a token under a lock, so that each refresh token is used only once; request a machine's token.

All processes that share a store share its lock. After taking it, the store is read again: another
process may have refreshed already, and a server that rotates refresh tokens may revoke all of them
when one is used twice. Before a refresh, `check_writable` makes sure that the token can be saved; signals are
delayed until the answer is on disk. A request that may have reached the server is not sent again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress

from .errors import AuthGateError, Refused, SignInNeeded, StoreFailed
from .store.locks import refresh_lock
from .tokens import STILL_USABLE, IssuedToken, TokenSet
from .values import TYPE_CHECKING

if TYPE_CHECKING:
    from .context import Context
    from .store import Place, StoredToken

# What servers say of a refresh token that has expired or was revoked, or when the user is needed again.
_DEAD_TOKEN = (
    *("invalid_grant", "invalid_request", "invalid_token", "expired_token"),
    *("interaction_required", "login_required", "consent_required"),
)


@contextmanager
def locked(context: Context, places: Iterable[Place], required: bool = False) -> Iterator[None]:
    """Hold the refresh lock of these places.

    Without `required`, go on when the lock cannot be made. Raise Unreachable or StoreFailed.
    """
    seconds = 3 * context.settings.timeout + 5  # for another process to fetch metadata and keys and to refresh
    with ExitStack() as locks:
        for path in sorted({place.lock_path for place in places}):
            locks.enter_context(refresh_lock(path, context.system, context.terminal.explain, seconds, required))
        yield


def renew(context: Context, stored: StoredToken | None, min_ttl: float, bad: TokenSet | None = None) -> IssuedToken:
    """Return a fresh token: refreshed here, or by another process in the meantime.

    For client credentials a new token is requested, even if none is stored. `bad` is a token that the
    server does not accept; it is replaced even if it looks fresh. Raise SignInNeeded if there is nothing
    to refresh with; Unreachable, Refused or StoreFailed if it cannot be done now, which leaves the
    stored token unchanged.
    """
    begun = context.system.now()
    with locked(context, [stored.place] if stored else context.store.places, required=not context.settings.is_machine):
        current = context.store.load_from(stored.place) if stored else None
        current = current or context.store.load()  # another process may have saved it in the next place
        known = {token.access_token for token in (stored and stored.token, bad) if token}
        if current and current.token.access_token not in known and _may_use(context, current.token, min_ttl, begun):
            return current.issued
        if context.settings.is_machine:
            return machine_token(context)
        if current is None:
            raise SignInNeeded("the stored token was removed in the meantime", _hint(context))
        return _refresh(context, current)


def machine_token(context: Context) -> IssuedToken:
    """Return a token for the client itself (RFC 6749 section 4.4); it is stored if possible.

    A machine needs no writable store, and it never overwrites a person's token. Raise Unreachable,
    Refused, or UsageError without a client secret.
    """
    settings = context.settings
    settings.require_secret()
    fields = {"grant_type": "client_credentials", "scope": settings.scope or None}
    with context.system.uninterrupted():
        token = context.server.grant(fields)._replace(grant_type="client_credentials")
        try:
            if any(stored.token.is_personal for stored in context.store.load_all()):
                raise StoreFailed("a person's token is stored for this client; use --account to store both")
            return IssuedToken(token, "client-credentials", context.store.save_new(token))
        except StoreFailed as error:
            context.terminal.explain(f"the token is not stored: {error.message}")
            return IssuedToken(token, "client-credentials")


def _refresh(context: Context, current: StoredToken) -> IssuedToken:
    """Exchange the refresh token (RFC 6749 section 6) and save what comes back; the caller holds the lock."""
    (token, place), now = current, context.system.now
    if token.refresh_token is None:
        raise SignInNeeded("the token cannot be refreshed: it came without a refresh token", _hint(context))
    context.server.metadata  # noqa: B018  find out before the refresh token is used if the server is down
    if token.id_token:
        with suppress(AuthGateError):  # then the ID token of the answer is discarded, with a warning
            context.server.keys.load()  # before the answer is received, which is to be saved at once
    place.check_writable()
    fields = {"grant_type": "refresh_token", "refresh_token": token.refresh_token}
    try:
        with context.system.uninterrupted():
            issued = context.store.save(context.server.grant(fields, token), "refreshed", current)
    except Refused as error:
        if error.code not in _DEAD_TOKEN:
            error.hint = error.hint or f"run {context.settings.login_command} --force to sign in again"
            raise
        again = context.store.load_from(place)  # another program may have refreshed it without our lock
        if again and again.token.access_token != token.access_token and again.token.is_fresh(now(), STILL_USABLE):
            return again.issued
        raise SignInNeeded(f"the server refused to refresh the token ({error.code})", _hint(context)) from error
    if issued.save_error:
        issued.save_error.hint = _hint(context)  # the stored refresh token has been used up
    return issued


def _hint(context: Context) -> str:
    return f"run {context.settings.login_command} to sign in again"


def _may_use(context: Context, token: TokenSet, min_ttl: float, begun: float) -> bool:
    """Tell whether a token that another process has stored since `begun` can be used."""
    settings = context.settings
    if settings.is_machine and (token.is_personal or settings.missing_scope(token)):
        return False
    if token.lifetime is None:  # an opaque token in an entry of the Python SDK; it was issued after `begun`
        token = token._replace(lifetime=max(token.seconds_left(begun), 0))
    return token.is_fresh(context.system.now(), min_ttl)
