"""Get a usable token, stored, refreshed or from a new sign-in, check it at the server, and report.

At an AuthGate a new sign-in revokes the tokens that it replaces.
"""

from __future__ import annotations

import os
from contextlib import suppress

from .. import report
from ..context import Context
from ..errors import Mismatch, Refused, SignInNeeded, StoreCorrupt, StoreFailed, TokenRefused, UsageError
from ..server import Checked
from ..session import check, stored_token, usable_token
from ..settings import expand_home
from ..tokens import EARLY, IssuedToken
from ..urls import same_issuer


def run(context: Context) -> int:
    """Print the report; the exit status is 5 if the token could not be saved."""
    context.require_server()
    settings, flags, terminal = context.settings, context.arguments.flags, context.terminal
    if settings.access_token and "force" in flags:
        raise UsageError("AUTHGATE_TOKEN is set, so signing in would have no effect", "unset AUTHGATE_TOKEN first")
    checked = log_in(context, force="force" in flags)
    now, show_tokens = context.system.now(), "show-tokens" in flags
    if "json" in flags:
        text = report.as_json(checked, settings, now, show_tokens)
    else:
        text = report.as_text(checked, now, show_tokens)
    failure = checked.issued.save_error
    if terminal.is_interactive and checked.issued.source in ("browser", "device"):
        terminal.prompt()  # between the prompts and the report
    terminal.result(text, failure.exit_status if failure else 0)
    if terminal.is_interactive and checked.issued.source != "environment":
        terminal.tell(_closing_line(context, checked))
    if failure:
        raise failure
    return 0


def log_in(context: Context, force: bool = False) -> Checked:
    """Return a checked token: the stored one, refreshed if need be, or one from a new sign-in."""
    checked = None if force else _checked_without_sign_in(context)
    if checked:
        return checked
    issued = _sign_in(context)
    try:
        return check(context, issued)
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


def _check_or_refresh(context: Context, issued: IssuedToken) -> Checked:
    """Ask the server about a token; a stored one that it refuses is refreshed once."""
    try:
        return check(context, issued)
    except TokenRefused as error:
        if issued.source == "client-credentials":
            raise _refused_at_once(context, issued, error) from None
        if issued.source != "stored" or not (context.settings.is_machine or issued.token.refresh_token):
            raise
    from ..refresh import renew

    return check(context, renew(context, stored_token(context), EARLY, bad=issued.token))


def _sign_in(context: Context) -> IssuedToken:
    """Sign in again. At an AuthGate, revoke a person's tokens that the new ones have replaced."""
    from ..sign_in import sign_in  # a stored token does not need the flows

    if not context.settings.is_machine:
        with suppress(StoreCorrupt):  # the sign-in moves it aside
            context.store.load_all()  # end here if a store cannot be read, before a request to the server
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
    hint = context.server.openid_hint(issued) if asked else None
    return Refused(f"the server does not accept the token that it has just issued: {error.said or error.code}", hint)


def _closing_line(context: Context, checked: Checked) -> str:
    """Say who is signed in, and where the token is kept."""
    source, place = checked.issued.source, checked.issued.stored_in
    if source in ("stored", "refreshed"):
        return f"Already signed in ({source} token); run it with --force to sign in again."
    said = checked.userinfo.claims or report.id_claims(checked.issued.token)
    client = f" as client {context.settings.client_id}" if source == "client-credentials" else ""
    who = f" as {report.name_of(said)}" if said else client
    home, where = expand_home("~/", context.environ), "the keyring" if place == "keyring" else place or ""
    if home.strip(os.sep) and where.startswith(home):
        where = f"~{os.sep}{where[len(home) :]}"
    return f"Signed in{who}. The token is {f'stored in {where}' if where else 'not stored'}."
