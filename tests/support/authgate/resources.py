"""What the AuthGate stand-in tells about a token, and how it revokes one."""

from __future__ import annotations

from .messages import OAuthError, Request, Response, invalid_token, json_response
from .provider import Provider
from .tokens import Access


def user_info(provider: Provider, request: Request) -> Response:
    """Tell who signed in (OpenID Connect Core §5.3)."""
    grant = _presented(provider, request).grant
    if grant.is_machine():
        raise invalid_token("User not found")
    return json_response({"sub": grant.subject, "iss": provider.issuer, **provider.profile(grant.scope)})


def token_info(provider: Provider, request: Request) -> Response:
    """Tell what a token is; only AuthGate has this."""
    if "Authorization" not in request.headers:
        raise OAuthError("missing_token", status=401)
    grant, expires = _presented(provider, request)
    info = {
        "active": True,
        "user_id": grant.subject,
        "client_id": grant.client_id,
        "scope": grant.scope,
        "exp": int(expires),
        "iss": provider.base_url or provider.issuer,
        "subject_type": "client" if grant.is_machine() else "user",
    }
    return json_response(info)


def _presented(provider: Provider, request: Request) -> Access:
    """Look up the access token of a request (RFC 6750 §2.1)."""
    access = provider.access.get(request.credentials("Bearer"))
    if access is None or access.expires <= provider.clock():
        raise invalid_token("Token is invalid or expired")
    return access


def revoke(provider: Provider, request: Request) -> Response:
    """Revoke one token, known or not; the other one of the pair lives on (RFC 7009 §2.1)."""
    token = request.form.get("token", "")
    if not token:
        raise OAuthError("invalid_request", "token parameter is required")
    grant = provider.families.get(token)
    if grant and token == grant.refresh_token:
        grant.alive = False
    provider.access.pop(token, None)
    return Response(200, b"", {})
