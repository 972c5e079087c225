"""Which function of the AuthGate stand-in answers which path, and how often it may be asked."""

from __future__ import annotations

from collections.abc import Callable

from . import authorization, device, metadata, resources, token_endpoint
from .messages import OAuthError, Request, Response, json_response
from .pages import message
from .provider import Provider

RATE_WINDOW = 60  # seconds
RATE_LIMITS = {"/oauth/token": 20, "/oauth/device/code": 10, "/device/verify": 10, "/login": 5}
AUTHENTICATED = ("/oauth/token", "/oauth/device/code", "/oauth/revoke")
ROUTES: dict[str, dict[str, Callable[[Provider, Request], Response]]] = {
    "/.well-known/openid-configuration": {"GET": metadata.discovery},
    "/.well-known/jwks.json": {"GET": metadata.jwks},
    "/login": {"GET": authorization.login_form, "POST": authorization.login},
    "/oauth/authorize": {"GET": authorization.authorize, "POST": authorization.authorize},
    "/oauth/device/code": {"POST": device.device_code},
    "/device": {"GET": device.device_form},
    "/device/verify": {"POST": device.device_verify},
    "/oauth/token": {"POST": token_endpoint.token},
    "/oauth/userinfo": {"GET": resources.user_info, "POST": resources.user_info},
    "/oauth/tokeninfo": {"GET": resources.token_info},
    "/oauth/revoke": {"POST": resources.revoke},
}


def answer(provider: Provider, request: Request) -> Response:
    """Answer a request; one at a time, so that nothing is spent twice."""
    methods = {} if request.path in _switched_off(provider) else ROUTES.get(request.path, {})
    if not methods:
        return Response(404, b"404 page not found", {"Content-Type": "text/plain"})
    if request.method not in methods:
        return Response(405, b"", {"Allow": ", ".join(methods)})
    with provider.lock:
        try:
            if request.path in AUTHENTICATED:
                provider.require_method(request)
            return _too_many(provider, request) or methods[request.method](provider, request)
        except OAuthError as error:
            return error.response()


def _switched_off(provider: Provider) -> set[str]:
    offers = {
        "/oauth/tokeninfo": provider.tokeninfo,
        "/oauth/userinfo": provider.userinfo,
        "/oauth/revoke": provider.revocation,
    }
    return {path for path, offered in offers.items() if not offered}


def _too_many(provider: Provider, request: Request) -> Response | None:
    """Refuse what comes too often; all clients on loopback count as one address."""
    limit, recent, now = RATE_LIMITS.get(request.path), provider.recent[request.path], provider.clock()
    if not provider.rate_limits or limit is None or request.method != "POST":
        return None
    while recent and recent[0] <= now - RATE_WINDOW:
        recent.popleft()
    if len(recent) < limit:
        recent.append(now)
        return None
    text = "Too many requests. Please try again later."
    if "text/html" in request.headers.get("Accept", ""):
        return message("Rate Limit Exceeded", text, 429)
    error = {"error": "rate_limit_exceeded", "error_description": text}
    counts = {"Limit": limit, "Remaining": 0, "Reset": int(recent[0]) + RATE_WINDOW}
    return json_response(error, 429, {f"X-RateLimit-{name}": str(count) for name, count in counts.items()})
