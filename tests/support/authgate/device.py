"""Device authorization at the AuthGate stand-in (RFC 8628 §3.1 to 3.3).

Other than at AuthGate, a person can also deny.
"""

from __future__ import annotations

import secrets

from .authorization import login_first
from .messages import OAuthError, Request, Response, json_response
from .pages import device_page, message
from .provider import DEFAULT_SCOPE, Device, Provider

USER_CODE_LETTERS = "BCDFGHJKLMNPQRSTVWXZ"  # no vowels, so no words (RFC 8628 §6.1)


def device_code(provider: Provider, request: Request) -> Response:
    """Hand out a device code."""
    client_id = request.form.get("client_id")
    if not client_id:
        raise OAuthError("invalid_request", "client_id is required")
    client = provider.active_client(client_id)
    if client is None:
        raise OAuthError("invalid_client", "Unknown client_id")
    client.require_grant("device_code")
    challenge = request.form.get("code_challenge", "") if provider.device_pkce else ""
    if provider.device_pkce and not (challenge and request.form.get("code_challenge_method") == "S256"):
        raise OAuthError("invalid_request", "Missing parameter: code_challenge")
    code, device = _new_device(provider, client_id, request.form.get("scope") or DEFAULT_SCOPE, challenge)
    # Of the address as it is configured: a slash at its end is doubled, and such a page is not found.
    page = (provider.base_url or provider.url("")) + "/device"
    answer = {
        "device_code": code,
        "user_code": device.user_code,
        "verification_uri": page,
        "verification_uri_complete": f"{page}?user_code={device.user_code}",
        "expires_in": provider.device_ttl,
        "interval": provider.device_interval,
    }
    return json_response({name: value for name, value in answer.items() if value is not None})


def _new_device(provider: Provider, client_id: str, scope: str, challenge: str) -> tuple[str, Device]:
    code = secrets.token_hex(20)
    provider.issued.add(code)
    letters = "".join(secrets.choice(USER_CODE_LETTERS) for _ in range(8))
    expires = provider.clock() + (1800 if provider.device_ttl is None else provider.device_ttl)
    device = Device(client_id, scope, f"{letters[:4]}-{letters[4:]}", expires, challenge)
    provider.devices[code] = device
    return code, device


def device_form(provider: Provider, request: Request) -> Response:
    """Show the page where a person enters the user code."""
    if provider.auth_time(request) is None:
        return login_first(provider, "/device", request.query)
    return device_page(provider.local("/device/verify"), request.query.get("user_code", ""))


def device_verify(provider: Provider, request: Request) -> Response:
    """Take a person's decision about a device."""
    user_code = request.form.get("user_code", "")
    if provider.auth_time(request) is None:
        return login_first(provider, "/device", {"user_code": user_code})
    try:
        device = provider.waiting_device(user_code)
    except LookupError:
        problem = "This code is unknown, used or expired."
        return device_page(provider.local("/device/verify"), user_code, problem)
    device.allowed = request.form.get("decision") == "allow"
    if not device.allowed:
        return message("Device denied", "It was not connected. You can close this page.")
    return message("Device connected", "You can close this page and return to your device.")
