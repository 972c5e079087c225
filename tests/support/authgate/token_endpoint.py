"""The token endpoint of the AuthGate stand-in (RFC 6749 §3.2): every grant becomes tokens here.

Other than at AuthGate, a code that is redeemed twice ends the grant that came of it, and a
confidential client's PKCE verifier is checked as well.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Callable
from urllib.parse import unquote_plus

from .keys import Claims, b64url
from .messages import OAuthError, Request, Response, invalid_client, json_response
from .provider import Client, Code, Provider
from .tokens import Grant


def token(provider: Provider, request: Request) -> Response:
    """Turn a grant into tokens."""
    grant = GRANTS.get(request.form.get("grant_type", ""))
    if grant is None:
        raise OAuthError("unsupported_grant_type", f"Supported: {', '.join(GRANTS)}")
    return json_response(grant(provider, request))


def code_grant(provider: Provider, request: Request) -> Claims:
    """Redeem an authorization code (RFC 6749 §4.1.3)."""
    (client_id, secret), form = _credentials(provider, request), request.form
    if not (form.get("code") and form.get("redirect_uri") and client_id):
        raise OAuthError("invalid_request", "code, redirect_uri, and client_id are required")
    code = _redeemable(provider, form["code"], client_id)
    if form["redirect_uri"] != code.ask["redirect_uri"]:
        raise OAuthError("invalid_grant", "Redirect URI does not match")
    client = provider.active_client(client_id)
    if client is None or not _knows_secret(client, secret):
        raise OAuthError("unauthorized_client", "Client authentication failed")
    challenge = code.ask.get("code_challenge")
    if challenge and not _matches(form.get("code_verifier", ""), challenge):
        raise OAuthError("invalid_grant", "PKCE code_verifier validation failed")
    code.grant = provider.new_grant(client_id, code.scope, code.auth_time)
    return provider.with_id_token(provider.tokens(code.grant), code.grant, code.ask.get("nonce"))


def _redeemable(provider: Provider, given: str, client_id: str) -> Code:
    code = provider.codes.get(given)
    if code is None or code.ask["client_id"] != client_id or code.expires <= provider.clock():
        raise OAuthError("invalid_grant", "Authorization code is invalid or expired")
    if code.grant:
        provider.end(code.grant)  # RFC 6749 §4.1.2
        raise OAuthError("invalid_grant", "Authorization code has already been used")
    return code


def device_grant(provider: Provider, request: Request) -> Claims:
    """Answer a poll (RFC 8628 §3.4)."""
    code, (client_id, _) = request.form.get("device_code", ""), _credentials(provider, request)
    if not code or not client_id:
        raise OAuthError("invalid_request", "device_code and client_id are required")
    device = provider.devices.get(code)
    if device is None or device.client_id != client_id:
        raise OAuthError("access_denied")
    if device.challenge and not _matches(request.form.get("code_verifier", ""), device.challenge):
        raise OAuthError("invalid_grant", "PKCE verification failed")
    if device.expires <= provider.clock():
        raise OAuthError("expired_token")
    if device.allowed is None and not provider.auto_approve:
        raise OAuthError("authorization_pending")
    del provider.devices[code]
    if device.allowed is False:
        raise OAuthError("access_denied")
    return provider.tokens(provider.new_grant(client_id, device.scope))


def refresh_grant(provider: Provider, request: Request) -> Claims:
    """Spend a refresh token (RFC 6749 §6); AuthGate checks no secret here, nor whether the client is active."""
    spent, (client_id, _) = request.form.get("refresh_token", ""), _credentials(provider, request)
    if not spent or not client_id:
        raise OAuthError("invalid_request", "refresh_token and client_id are required")
    grant = provider.families.get(spent)
    if grant is None or not provider.refreshable(grant):
        raise OAuthError("invalid_grant", "Refresh token is invalid or expired")
    if spent != grant.refresh_token:  # somebody has used it before (RFC 9700 §4.14.2)
        provider.end(grant)
        raise OAuthError("invalid_grant", "Refresh token is invalid or expired")
    if grant.client_id != client_id:
        raise invalid_client()
    if not set(request.form.get("scope", "").split()) <= set(grant.scope.split()):
        raise OAuthError("invalid_scope", "Requested scope exceeds original grant")
    return provider.tokens(grant)


def client_credentials_grant(provider: Provider, request: Request) -> Claims:
    """Give a machine a token of its own (RFC 6749 §4.4)."""
    client_id, secret = _credentials(provider, request)
    client = provider.active_client(client_id)
    if client is None or client.secret is None:
        raise invalid_client()
    client.require_grant("client_credentials")
    if not _knows_secret(client, secret):
        raise invalid_client()
    if {"openid", "offline_access"} & set(request.form.get("scope", "").split()):
        raise OAuthError("invalid_scope", "openid and offline_access are not permitted")
    scope = client.granted(request.form.get("scope"))
    return provider.tokens(Grant(client_id, f"client:{client_id}", scope, int(provider.clock())))


def _credentials(provider: Provider, request: Request) -> tuple[str, str]:
    """Return client id and secret, from Basic or from the form (RFC 6749 §2.3.1)."""
    form_only = provider.form_secrets_only and request.form["grant_type"] != "client_credentials"
    basic = request.credentials("Basic")
    if not basic or form_only:
        return request.form.get("client_id", ""), request.form.get("client_secret", "")
    try:
        client_id, _, secret = base64.b64decode(basic, validate=True).decode().partition(":")
    except ValueError as error:
        raise invalid_client() from error
    return unquote_plus(client_id), unquote_plus(secret)


def _knows_secret(client: Client, given: str) -> bool:
    return client.secret is None or hmac.compare_digest(given.encode(), client.secret.encode())


def _matches(verifier: str, challenge: str) -> bool:
    """Check a PKCE verifier against its S256 challenge (RFC 7636 §4.6)."""
    well_formed = re.fullmatch(r"[A-Za-z0-9._~-]{43,128}", verifier)
    return bool(well_formed) and b64url(hashlib.sha256(verifier.encode()).digest()) == challenge


GRANTS: dict[str, Callable[[Provider, Request], Claims]] = {
    "authorization_code": code_grant,
    "urn:ietf:params:oauth:grant-type:device_code": device_grant,
    "refresh_token": refresh_grant,
    "client_credentials": client_credentials_grant,
}
