"""Revoke the tokens at the server (RFC 7009), and forget them here."""

from __future__ import annotations

from .. import report
from ..errors import AuthGateError, Refused, Unreachable
from ..refresh import locked
from ..values import TYPE_CHECKING

if TYPE_CHECKING:
    from ..context import Context
    from ..tokens import TokenSet


def run(context: Context) -> int:
    """Sign out. What cannot be revoked is forgotten all the same, and the exit status says so."""
    context.require("AUTHGATE_URL", "CLIENT_ID")
    if context.settings.access_token:
        context.terminal.warn("AUTHGATE_TOKEN is set and stays in force; unset it as well")
    failure: AuthGateError | None = None
    tokens: list[TokenSet] = []
    offered = False
    if context.store.load_all():
        context.server  # noqa: B018  raises before anything is forgotten
        with locked(context, context.store.all_places):  # nobody may refresh what is being revoked
            tokens = [stored.token for stored in context.store.load_all()]  # somebody may have refreshed
            try:
                offered = context.server.metadata.revocation_endpoint is not None
                failure = _revoke(context, tokens) if offered else None
            except AuthGateError as error:
                failure = error
            context.store.forget()
    if failure:
        hint = "the tokens are forgotten here, but may live at the server until they expire"
        raise type(failure)(failure.message, hint)
    if "json" in context.arguments.flags:
        context.terminal.result(report.document({"signed_out": bool(tokens), "revoked": bool(tokens) and offered}))
    else:
        context.terminal.result(_sentence(context, bool(tokens), offered))
    return 0


def _sentence(context: Context, signed_in: bool, offered: bool) -> str:
    if not signed_in:
        return f"Nobody was signed in to {context.settings.issuer}.\n"
    if not offered:
        return f"Signed out here; {context.settings.issuer} does not offer revocation.\n"
    return f"Signed out of {context.settings.issuer}.\n"


def _revoke(context: Context, tokens: list[TokenSet]) -> AuthGateError | None:
    """Revoke the refresh tokens, then the access tokens; return the first failure.

    A refusal of one says nothing about the next; that the server is away does.
    """
    failure: AuthGateError | None = None
    for kind in ("refresh_token", "access_token"):
        for secret in dict.fromkeys(getattr(token, kind) for token in tokens):
            try:
                if secret:
                    context.server.revoke(secret, kind)
            except Refused as error:
                failure = failure or error
            except Unreachable as error:
                return failure or error
    return failure
