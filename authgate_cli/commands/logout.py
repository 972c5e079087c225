"""Revoke the tokens at the server (RFC 7009), and forget them here."""

from __future__ import annotations

from .. import report
from ..errors import AuthGateError, Refused, Unreachable
from ..protocol import token_response
from ..protocol.oauth_error import check_data, refused
from ..values import TYPE_CHECKING

if TYPE_CHECKING:
    from ..app import App
    from ..tokens import TokenSet


def run(app: App) -> int:
    """Sign out. What cannot be revoked is forgotten all the same, and the exit status says so."""
    app.settings.require("AUTHGATE_URL", "CLIENT_ID")
    if app.settings.access_token:
        app.terminal.warn("AUTHGATE_TOKEN is set and stays in force; unset it as well")
    failure: AuthGateError | None = None
    tokens: list[TokenSet] = []
    offered = False
    if app.store.load_all():
        with app.session.locked():
            tokens = [stored.token for stored in app.store.load_all()]  # somebody may have refreshed
            try:
                offered = app.session.server.ask_anew_or_recall().revocation_endpoint is not None
                failure = _revoke(app, tokens) if offered else None
            except AuthGateError as error:
                failure = error
            app.store.forget()
    if failure:
        hint = "the tokens are forgotten here, but may live at the server until they expire"
        raise type(failure)(failure.message, hint)
    if "json" in app.arguments.flags:
        app.terminal.result(report.document({"signed_out": bool(tokens), "revoked": bool(tokens) and offered}))
    else:
        app.terminal.result(_sentence(app, bool(tokens), offered))
    return 0


def _sentence(app: App, signed_in: bool, offered: bool) -> str:
    if not signed_in:
        return f"Nobody was signed in to {app.settings.issuer}.\n"
    if not offered:
        return f"Signed out here; {app.settings.issuer} does not offer revocation.\n"
    return f"Signed out of {app.settings.issuer}.\n"


def _revoke(app: App, tokens: list[TokenSet]) -> AuthGateError | None:
    """Revoke the refresh tokens, then the access tokens; return the first failure.

    A refusal of one says nothing about the next; that the server is away does.
    """
    failure: AuthGateError | None = None
    for kind in ("refresh_token", "access_token"):
        for secret in dict.fromkeys(getattr(token, kind) for token in tokens):
            try:
                if secret:
                    _revoke_one(app, secret, kind)
            except Refused as error:
                failure = failure or error
            except Unreachable as error:
                return failure or error
    return failure


def _revoke_one(app: App, secret: str, kind: str) -> None:
    settings, server = app.settings, app.session.server.metadata
    response = app.edges.send(
        token_response.authenticated(
            str(server.revocation_endpoint),
            {"token": secret, "token_type_hint": kind},
            settings.client_id,
            settings.client_secret,
            server.auth_methods,
        )
    )
    if response.status != 200:
        check_data(response, "the tokens could not be revoked")
        raise refused("the server did not revoke the tokens", response)
