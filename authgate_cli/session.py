"""Get a token and check it: stored, refreshed or from a new sign-in.

A stored token is sent only to its own issuer. `log_in` asks the server about the token; `fresh_token`, for
`token` and `exec`, does not. At an AuthGate a new sign-in revokes the tokens that it replaces.
"""

from __future__ import annotations

from contextlib import suppress

from .context import Context
from .errors import (
    OPERATOR,
    AuthGateError,
    Mismatch,
    NoSubject,
    Refused,
    SignInNeeded,
    StoreCorrupt,
    StoreFailed,
    TokenRefused,
    UsageError,
)
from .oauth.parsing import claimed_text, claims_of, is_time
from .store import StoredToken
from .text import ISSUER, clean
from .tokens import EARLY, STILL_USABLE, IssuedToken, TokenSet, is_digits, with_openid
from .urls import same_issuer
from .values import TYPE_CHECKING, Value

if TYPE_CHECKING:
    from .oauth.endpoints import Claims


class Checked(Value):
    """A token, and what the server says about it.

    It may be neither accepted nor refused: many servers have no UserInfo for a machine's token.
    """

    issued: IssuedToken
    userinfo: Claims
    tokeninfo: Claims
    is_machine: bool = False

    @property
    def is_proven(self) -> bool:
        """Tell whether the server has shown that it accepts the token."""
        return self.userinfo.accepted or self.tokeninfo.accepted


def log_in(context: Context, force: bool = False) -> Checked:
    """Return a checked token: the stored one, refreshed if need be, or one from a new sign-in."""
    checked = None if force else _checked_without_sign_in(context)
    if checked:
        return checked
    issued = _sign_in(context)
    try:
        return _check_new(context, issued)
    except TokenRefused as error:
        raise _refused_at_once(context, issued, error) from error
    except Mismatch:  # the token has just been obtained
        context.store.forget()
        raise


def _checked_without_sign_in(context: Context) -> Checked | None:
    """Return a checked token, or say why a sign-in is needed and return None."""
    try:
        issued = usable_token(context, signs_in=True)
        return _check_or_refresh(context, issued) if issued else None
    except TokenRefused:
        if context.settings.access_token:
            raise
        context.terminal.tell("The server no longer accepts the stored token.")
    except SignInNeeded as error:
        context.terminal.tell(f"{error.sentence}.")
    except StoreFailed as error:
        # A new sign-in moves a corrupt file aside, and a machine needs no store.
        if context.settings.no_input or not (isinstance(error, StoreCorrupt) or context.settings.is_machine):
            raise
    return None


def usable_token(context: Context, min_ttl: float = EARLY, signs_in: bool = False) -> IssuedToken | None:
    """Return a token without asking anybody to sign in, or None if a sign-in is needed.

    It is refreshed unless it has `min_ttl` seconds left (or half of its lifetime, if that is less); a
    machine requests a new one instead. If that fails and the token is still valid for STILL_USABLE
    seconds, it is returned with a warning. If it lacks a scope that the settings ask for, it is
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
    """Ask the server about a token. Raise TokenRefused, Unreachable or Refused."""
    from .oauth.endpoints import Claims  # printing a stored token needs neither
    from .system.threads import Background

    require_own_issuer(context, issued)
    server, token = context.server, issued.token.access_token
    subject = claimed_text(issued.token.id_token, "sub")
    server.metadata  # noqa: B018  once, before two threads use it
    asking = Background(lambda: server.userinfo(token))  # both at once, because a network may be slow
    tokeninfo = server.tokeninfo(token)
    is_client = (tokeninfo.claims or {}).get("subject_type") == "client"
    is_machine = is_client or context.settings.is_machine or issued.token.grant_type == "client_credentials"
    try:
        userinfo: Claims = asking.result()
    except (TokenRefused, NoSubject) as error:
        no_user = f"a machine's token has no user: {error.code}"  # whatever UserInfo says about it proves nothing
        userinfo = Claims(reason=no_user if is_machine else _without_user(context, issued, error, tokeninfo))
    if tokeninfo.refused and not userinfo.accepted:
        raise TokenRefused(tokeninfo.reason, tokeninfo.reason)
    if userinfo.subject and subject not in (None, userinfo.subject):
        raise Mismatch("UserInfo and the ID token are about different users (sub)", OPERATOR)
    checked = Checked(issued, userinfo, tokeninfo, is_machine)
    if is_machine and not checked.is_proven:
        return checked._replace(userinfo=userinfo._replace(reason=f"{userinfo.reason}; not checked"))
    hint = _openid_hint(context, issued)
    if userinfo.reason == "insufficient_scope" and hint:
        context.terminal.warn(f"UserInfo is not available to this token; {hint}")
    scope = (tokeninfo.claims or {}).get("scope")
    if issued.token.scope is None and isinstance(scope, str):
        return checked._replace(issued=issued._replace(token=issued.token._replace(scope=scope)))
    return checked


def _without_user(context: Context, issued: IssuedToken, refusal: TokenRefused | NoSubject, tokeninfo: Claims) -> str:
    """Return why UserInfo names nobody. Raise its refusal if that shows that the token is not valid.

    A 403 does not, for a token that the server has just issued, or that TokenInfo accepts.
    """
    known = tokeninfo.accepted or issued.source not in ("stored", "environment")
    if isinstance(refusal, TokenRefused) and refusal.forbidden and known:
        return refusal.code
    if isinstance(refusal, NoSubject):
        refusal.hint = _openid_hint(context, issued)
    raise refusal


def _openid_hint(context: Context, issued: IssuedToken) -> str | None:
    """Return how to ask for the scope openid; None if the token has it or was not obtained here."""
    token = issued.token
    had = (token.requested_scope or token.scope or context.settings.scope).split()
    if "openid" in had or issued.source == "environment" or context.settings.is_machine:
        return None
    return f"its UserInfo may require the scope openid; try {with_openid(context.settings.scope)}"


def _check_or_refresh(context: Context, issued: IssuedToken) -> Checked:
    """Ask the server about a token; a stored one that it refuses is refreshed once."""
    try:
        return _check_new(context, issued)
    except TokenRefused as error:
        if issued.source == "client-credentials":
            raise _refused_at_once(context, issued, error) from None
        if issued.source != "stored" or not (context.settings.is_machine or issued.token.refresh_token):
            raise
    from .refresh import renew

    return _check_new(context, renew(context, stored_token(context), EARLY, bad=issued.token))


def _check_new(context: Context, issued: IssuedToken) -> Checked:
    """Ask the server about a token; if that fails, say also that the token could not be saved."""
    try:
        return check(context, issued)
    except AuthGateError:
        if issued.save_error:
            context.terminal.warn(issued.save_error.message)
        raise


def _sign_in(context: Context) -> IssuedToken:
    """Sign in again. At an AuthGate, revoke a person's tokens that the new ones have replaced."""
    from .sign_in import sign_in  # a stored token does not need the flows

    if not context.settings.is_machine:
        with suppress(StoreCorrupt):  # the sign-in moves it aside
            context.store.load_all()  # any other failure comes before a request to the server
    issued = sign_in(context)
    metadata = context.server.metadata
    if issued.save_error or not (metadata.is_authgate and metadata.revocation_endpoint):
        return issued
    ours = [token for token in context.store.replaced if same_issuer(token.issuer or "", context.settings.issuer)]
    replaced = [token for token in ours if token.is_personal]
    kept = (issued.token.refresh_token, issued.token.access_token)
    failure, _ = context.server.revoke_all(replaced, kept)
    if failure:
        context.terminal.explain(f"the replaced tokens could not be revoked: {failure.message}")
    return issued


def _refused_at_once(context: Context, issued: IssuedToken, error: TokenRefused) -> Refused:
    asked = context.server.metadata.userinfo_endpoint is not None
    hint = _openid_hint(context, issued) if asked else None
    return Refused(f"the server does not accept the token that it has just issued: {error.said or error.code}", hint)


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
