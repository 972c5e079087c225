"""Get a token without asking anybody to sign in, stored or refreshed, and check it.

A stored token is sent only to its own issuer. `fresh_token`, for `token` and `exec`, does not ask the server
about it. The road of `login`, which also signs in, is in commands/login.py.
"""

from __future__ import annotations

from .context import Context
from .errors import OPERATOR, AuthGateError, Mismatch, Refused, SignInNeeded, UsageError
from .oauth.parsing import claimed_text, claims_of, is_time
from .store import StoredToken
from .text import ISSUER, clean
from .tokens import EARLY, STILL_USABLE, IssuedToken, TokenSet, is_digits
from .urls import same_issuer
from .values import TYPE_CHECKING

if TYPE_CHECKING:
    from .server import Checked


def usable_token(context: Context, min_ttl: float = EARLY, signs_in: bool = False) -> IssuedToken | None:
    """Return a token without asking anybody to sign in, or None if a sign-in is needed.

    It is refreshed unless it has `min_ttl` seconds left (or half of its lifetime, if that is less); a
    machine requests a new one instead. If that fails, except by a Mismatch, and the token is still valid for
    STILL_USABLE seconds, it is returned with a warning. If it lacks a scope that the settings ask for, it is
    returned with a warning, but a machine requests a new one, and a caller that `signs_in` gets
    SignInNeeded. Raise SignInNeeded, Unreachable, Refused or StoreFailed otherwise.
    """
    settings, now = context.settings, context.system.now()
    if settings.access_token:
        return given_token(context)
    stored = stored_token(context)
    if stored is None and not settings.is_machine:
        return None
    usable = stored
    if stored and (lacking := settings.missing_scope(stored.token)):
        reason = f"the stored token was obtained without the scope {lacking}"
        if settings.is_machine:
            usable = None
        elif signs_in:
            raise SignInNeeded(reason, f"run {settings.login_command} to sign in again")
        else:
            context.terminal.warn(f"{reason}; run {settings.login_command} to request it")
    if usable and usable.token.is_fresh(now, min_ttl):
        return usable.issued
    from .refresh import renew  # most stored tokens are fresh

    try:
        return renew(context, stored, min_ttl)
    except Mismatch:
        raise
    except AuthGateError as error:
        if usable is None or (left := usable.token.seconds_left(now)) < STILL_USABLE:
            raise
        context.terminal.warn(f"{error.message}; using the current token, which expires in {left:.0f} s")
        return usable.issued


def fresh_token(context: Context) -> IssuedToken:
    """Return a token with --min-ttl left, without asking anybody to sign in.

    Raise SignInNeeded if there is none, and Refused if the server issued one that has already expired.
    """
    text = str(context.arguments.flags.get("min-ttl", EARLY))
    if not is_digits(text) or len(text) >= 10:
        raise UsageError("--min-ttl must be a whole number of seconds", "for example --min-ttl 300")
    if not context.settings.access_token:
        context.require("AUTHGATE_URL", "CLIENT_ID")
    issued = usable_token(context, float(text))
    if issued is None:
        hint = f"run {context.settings.login_command}"
        raise SignInNeeded(f"not signed in to {context.settings.server_and_account}", hint)
    if issued.token.seconds_left(context.system.now()) <= 0:
        if issued.source == "environment":
            raise SignInNeeded("the token in AUTHGATE_TOKEN has expired", "set it to a new one, or unset it")
        raise Refused("the server issued a token that has already expired", OPERATOR)
    return issued


def given_token(context: Context) -> IssuedToken:
    """Return the access token of AUTHGATE_TOKEN; its expiry and scope are read from it if it is a JWT."""
    token = str(context.settings.access_token)
    expiry, scope = claims_of(token).get("exp"), claimed_text(token, "scope")
    return IssuedToken(TokenSet(token, expires_at=expiry if is_time(expiry) else None, scope=scope), "environment")


def stored_token(context: Context) -> StoredToken | None:
    """Return the stored token that these settings may use, whether or not it has expired."""
    stored = context.store.load()
    if stored and context.settings.is_machine and stored.token.is_personal:
        return None  # a machine must not act in a person's name
    return stored


def check(context: Context, issued: IssuedToken) -> Checked:
    """Ask the server about a token; if that fails, say also that the token could not be saved.

    Raise TokenRefused, Unreachable or Refused.
    """
    require_own_issuer(context, issued)
    try:
        return context.server.check(issued)
    except AuthGateError:
        if issued.save_error:
            context.terminal.warn(issued.save_error.message)
        raise


def require_own_issuer(context: Context, issued: IssuedToken) -> None:
    """Refuse to send AUTHGATE_TOKEN to a server that did not issue it; a stored token is looked up by issuer."""
    if issued.source != "environment":
        return
    owner = claimed_text(issued.token.access_token, "iss")
    if owner is None:
        context.settings.require_trusted_issuer("AUTHGATE_TOKEN")
    elif not same_issuer(owner, context.settings.issuer):
        raise UsageError(
            f"AUTHGATE_TOKEN was issued by {clean(owner, ISSUER)}, so it is not sent to {context.settings.issuer}",
            "check AUTHGATE_URL, also in the .env of this directory",
        )
