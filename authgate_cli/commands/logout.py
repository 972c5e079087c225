"""Revoke the tokens at the server (RFC 7009), and forget them here."""

from __future__ import annotations

from .. import report
from ..errors import AuthGateError
from ..protocol import token_response
from ..protocol.oauth_error import check_data, refused
from ..values import TYPE_CHECKING

if TYPE_CHECKING:
    from ..tokens import TokenSet
    from ..wiring import App


def run(app: App) -> int:
    """Sign out. What cannot be revoked is forgotten all the same, and the exit status says so."""
    app.settings.require("AUTHGATE_URL", "CLIENT_ID")
    if app.settings.access_token:
        app.edges.terminal.warn("AUTHGATE_TOKEN is set and stays in force; unset it as well")
    failure: AuthGateError | None = None
    tokens: list[TokenSet] = []
    revoked = False
    if app.store.load_all():
        with app.session.locked():
            tokens = [stored.token for stored in app.store.load_all()]  # somebody may have refreshed
            try:
                revoked = [_revoke(app, token) for token in tokens] == [True] * len(tokens)
            except AuthGateError as error:
                failure = error
            app.store.forget()
    if failure:
        hint = "the tokens are forgotten here, but may live at the server until they expire"
        raise type(failure)(failure.message, hint)
    if "json" in app.arguments.flags:
        app.edges.terminal.result(report.document({"signed_out": bool(tokens), "revoked": revoked}))
    else:
        app.edges.terminal.result(_sentence(app, bool(tokens), revoked))
    return 0


def _sentence(app: App, signed_in: bool, revoked: bool) -> str:
    if not signed_in:
        return f"Nobody was signed in to {app.settings.issuer}.\n"
    if not revoked:
        return f"Signed out here; {app.settings.issuer} does not offer revocation.\n"
    return f"Signed out of {app.settings.issuer}.\n"


def _revoke(app: App, token: TokenSet) -> bool:
    """Revoke the refresh token, then the access token; False where the server does not offer it."""
    server, settings = app.session.metadata, app.settings
    if server.revocation_endpoint is None:
        return False
    for kind, secret in (("refresh_token", token.refresh_token), ("access_token", token.access_token)):
        if secret:
            fields = {"token": secret, "token_type_hint": kind}
            response = app.edges.send(
                token_response.authenticated(
                    server.revocation_endpoint, fields, settings.client_id, settings.client_secret, server.auth_methods
                )
            )
            if response.status != 200:
                check_data(response, "the tokens could not be revoked")
                raise refused("the server did not revoke the tokens", response)
    return True
