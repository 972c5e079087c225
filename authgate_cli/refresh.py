"""Replace a token once, however many processes want to.

Everybody who shares a store shares a lock. Under it the store is read again: somebody else may
have refreshed already, and with rotation a refresh token that is spent twice signs the person out
everywhere. That the store can be written is checked before the spending. From the spending until
the answer is on disk, signals wait. A refresh that may have reached the server is not repeated.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager

from .errors import Refused, SignInNeeded, StoreFailed, UsageError
from .store.file_store import Waiting
from .store.locks import refresh_lock
from .tokens import STILL_USABLE, IssuedToken
from .values import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .context import Context
    from .store import Place, StoredToken
    from .tokens import TokenSet

# What servers call a refresh token that has expired or was revoked; Dex, for one, says invalid_request.
_DEAD_TOKEN = ("invalid_grant", "invalid_request", "invalid_token")


@contextmanager
def locked(context: Context, places: Iterable[Place], required: bool = False) -> Iterator[None]:
    """Keep everybody who shares these places from refreshing.

    Wait as long as metadata, keys and a grant may take another process. The lock is `required` where a
    refresh token is to be spent; anything else goes on without one. Raise Unreachable or StoreFailed.
    """
    system = context.system
    waiting = Waiting(system.now, system.monotonic, system.sleep)
    with ExitStack() as locks:
        for path in sorted({place.lock_path for place in places}):
            seconds = 3 * context.settings.timeout + 5
            locks.enter_context(refresh_lock(path, waiting, seconds, context.terminal.explain, required))
        yield


def renew(context: Context, stored: StoredToken | None, min_ttl: float, refused: TokenSet | None = None) -> IssuedToken:
    """Return a fresh token, obtained here or meanwhile by somebody else.

    A person's token is refreshed; a machine asks for another one, also with nothing stored. The
    token that the server has `refused` is replaced even if it looks fresh. Raise SignInNeeded
    when there is nothing to refresh with, Unreachable, Refused or StoreFailed when it cannot be
    done now; the stored token is then left as it was.
    """
    with locked(context, [stored.place] if stored else context.store.places, required=not context.settings.is_machine):
        current = context.store.load_from(stored.place) if stored else context.store.load()
        known = {token.access_token for token in (stored and stored.token, refused) if token}
        if current and current.token.access_token not in known and _may_use(context, current.token, min_ttl):
            return current.issued
        if context.settings.is_machine:
            return machine_token(context)
        if current is None:
            raise SignInNeeded("the stored token was removed while we waited", _hint(context))
        return _refresh(context, current)


def machine_token(context: Context) -> IssuedToken:
    """Return a token for the client itself (RFC 6749 section 4.4); it is stored where that is possible.

    A machine needs no writable place, and it never overwrites a person's token. Raise Unreachable
    or Refused.
    """
    settings = context.settings
    if not settings.client_secret:
        raise UsageError("client credentials need a secret", "set CLIENT_SECRET in the environment or in .env")
    fields = {"grant_type": "client_credentials", "scope": settings.scope or None}
    with context.system.uninterrupted():
        token = context.server.grant(fields, "signing in failed")._replace(grant_type="client_credentials")
        try:
            stored = context.store.load()
            if stored and stored.token.is_personal:
                raise StoreFailed("a person's token is stored for this client; --account keeps a machine's beside it")
            return IssuedToken(token, "client-credentials", context.store.save_new(token))
        except StoreFailed as error:
            context.terminal.explain(f"the token is not stored: {error.message}")
            return IssuedToken(token, "client-credentials")


def _refresh(context: Context, current: StoredToken) -> IssuedToken:
    """Refresh a person's token, the lock being held."""
    token, place = current
    if token.refresh_token is None:
        raise SignInNeeded("the token cannot be refreshed: it came without a refresh token", _hint(context))
    context.server.metadata  # noqa: B018  a server that is away is found out before anything is spent
    if token.id_token:
        context.server.keys.load()  # a new ID token is likely to come
    place.check_writable()
    try:
        return _spend(context, token, place)
    except Refused as error:
        if error.code not in _DEAD_TOKEN:
            error.hint = error.hint or f"{context.settings.login_command} --force signs in again"
            raise
        again = context.store.load_from(place)
        left = again.token.seconds_left(context.system.now()) if again else 0.0
        if again and again.token.access_token != token.access_token and left >= STILL_USABLE:
            return again.issued
        raise SignInNeeded(f"the server refused to refresh the token ({error.code})", _hint(context)) from error


def _hint(context: Context) -> str:
    return f"sign in again with {context.settings.login_command}"


def _may_use(context: Context, token: TokenSet, min_ttl: float) -> bool:
    """Tell whether a token that somebody else has stored meanwhile will do."""
    settings = context.settings
    if settings.is_machine and (token.is_personal or settings.missing_scope(token)):
        return False
    return token.is_fresh(context.system.now(), min_ttl)


def _spend(context: Context, current: TokenSet, place: Place) -> IssuedToken:
    """Exchange the refresh token (RFC 6749 section 6) and save what comes back."""
    fields = {"grant_type": "refresh_token", "refresh_token": current.refresh_token}
    with context.system.uninterrupted():
        token = context.server.grant(fields, "the token could not be refreshed", previous=current)
        try:
            return IssuedToken(token, "refreshed", context.store.save_refreshed(token, place))
        except StoreFailed as failure:
            error = StoreFailed(f"the refreshed token could not be saved: {failure.message}", _hint(context))
            return IssuedToken(token, "refreshed", None, error)
