"""Signing in and giving consent at the AuthGate stand-in (RFC 6749 §4.1).

The user has to sign in first. Like AuthGate, and unlike RFC 6749 §4.1.2.1, it then redirects every
refusal to the address that was asked for, even one that is not registered.
"""

from __future__ import annotations

import secrets
from urllib.parse import urlencode

from .messages import OAuthError, Request, Response, redirect
from .pages import consent_page, message, sign_in_page
from .provider import Code, Provider

PASSWORD = "secret"
CODE_TTL = 600  # seconds
MAX_LENGTH = 1024  # characters, of state and of nonce


def login_form(provider: Provider, request: Request) -> Response:
    """Show the sign-in page."""
    return sign_in_page(provider.local("/login"), request.query.get("return_to", ""))


def login(provider: Provider, request: Request) -> Response:
    """Start a browser session and go back to the page that needed it."""
    return_to = request.form.get("return_to", "")
    given = request.form.get("username"), request.form.get("password")
    if given != (provider.user["preferred_username"], PASSWORD):
        return sign_in_page(provider.local("/login"), return_to, "Wrong user name or password.")
    if not return_to.startswith(("/oauth/authorize?", "/device?")):  # never to another site
        return_to = "/device"
    session = secrets.token_urlsafe(24)
    provider.sessions[session] = int(provider.clock())
    cookie = f"authgate_session={session}; Path=/; HttpOnly; SameSite=Lax"
    return redirect(provider.local(return_to), {"Set-Cookie": cookie})


def login_first(provider: Provider, return_to: str, ask: dict[str, str]) -> Response:
    """Send somebody to the sign-in page, and from there to a page with these parameters."""
    query = urlencode({"return_to": f"{return_to}?{urlencode(ask)}"})
    return redirect(provider.local(f"/login?{query}"))


def authorize(provider: Provider, request: Request) -> Response:
    """Ask a person for consent (GET), or take the decision back to the client (POST)."""
    ask = dict(request.query if request.method == "GET" else request.form)
    decision = ask.pop("decision", None) if request.method == "POST" else None
    auth_time = provider.auth_time(request)
    if auth_time is None:
        return login_first(provider, "/oauth/authorize", ask)
    try:
        scope = _granted_scope(provider, ask)
    except OAuthError as error:
        return _back(provider, ask, **error.body)
    if decision is None:
        return consent_page(provider.local("/oauth/authorize"), ask, scope, provider.user["name"])
    if decision != "allow":
        return _back(provider, ask, error="access_denied", error_description="User denied the authorization request")
    code = secrets.token_hex(32)
    provider.issued.add(code)
    provider.codes[code] = Code(ask, scope, auth_time, provider.clock() + CODE_TTL)
    return _back(provider, ask, code=code)


def _granted_scope(provider: Provider, ask: dict[str, str]) -> str:
    """Check a request and return the scope that it is granted; raise OAuthError, in AuthGate's order."""
    for name in ("state", "nonce"):
        if len(ask.get(name, "")) > MAX_LENGTH:
            raise OAuthError("invalid_request", f"{name} parameter exceeds maximum length")
    if ask.get("response_type") != "code":
        raise OAuthError("unsupported_response_type", "unsupported_response_type")
    client = provider.active_client(ask.get("client_id"))
    if client is None or "authorization_code" not in client.grants:
        raise OAuthError("unauthorized_client", "unauthorized_client")
    if ask.get("redirect_uri") not in client.redirect_uris:
        raise OAuthError("invalid_request", "invalid redirect_uri")
    scope = client.granted(ask.get("scope"))
    method = ask.get("code_challenge_method")
    if not method and client.secret is None:
        raise OAuthError("invalid_request", "pkce required for public clients")
    if method and (method != "S256" or not ask.get("code_challenge")):
        raise OAuthError("invalid_request", "invalid_request")
    return scope


def _back(provider: Provider, ask: dict[str, str], **result: str) -> Response:
    """Send the browser to the client with state and, when asked to, iss (RFC 9207 §2)."""
    address = ask.get("redirect_uri")
    if not address:
        return message("Error", f"{result['error']}: {result.get('error_description', '')}", 400)
    if 0 < len(ask.get("state", "")) <= MAX_LENGTH:
        result["state"] = ask["state"]
    if provider.send_iss:
        result["iss"] = provider.issuer
    return redirect(address + ("&" if "?" in address else "?") + urlencode(result))
