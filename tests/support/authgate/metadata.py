"""The discovery document and the keys of the AuthGate stand-in (OpenID Connect Discovery §3)."""

from __future__ import annotations

from .keys import SIGNERS, Claims
from .messages import Request, Response, json_response
from .provider import Provider

CACHED = {"Cache-Control": "public, max-age=3600"}
GRANT_TYPES = [
    "authorization_code",
    "urn:ietf:params:oauth:grant-type:device_code",
    "refresh_token",
    "client_credentials",
]
CLAIMS = ["sub", "iss", "aud", "exp", "iat", "jti", "auth_time", "nonce", "at_hash"]
CLAIMS += ["name", "preferred_username", "email", "email_verified", "picture", "updated_at"]


def discovery(provider: Provider, _: Request) -> Response:
    """Describe the server."""
    metadata: Claims = {
        "issuer": provider.issuer,
        "authorization_endpoint": provider.url("/oauth/authorize"),
        "token_endpoint": provider.url("/oauth/token"),
        **_optional_endpoints(provider),
        "grant_types_supported": GRANT_TYPES,
        "response_types_supported": ["code"],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [provider.signing],
        "scopes_supported": ["openid", "profile", "email", "read", "write"],
        "claims_supported": CLAIMS,
    }
    if provider.send_iss:
        metadata["authorization_response_iss_parameter_supported"] = True
    return json_response(metadata, headers=CACHED)


def _optional_endpoints(provider: Provider) -> dict[str, str]:
    offers = {
        "userinfo_endpoint": (provider.userinfo, "/oauth/userinfo"),
        "revocation_endpoint": (provider.revocation, "/oauth/revoke"),
        "jwks_uri": (provider.signing != "HS256", "/.well-known/jwks.json"),
        "device_authorization_endpoint": (provider.advertise_device, "/oauth/device/code"),
    }
    return {name: provider.url(path) for name, (offered, path) in offers.items() if offered}


def jwks(provider: Provider, _: Request) -> Response:
    """Publish the keys that check the signatures (RFC 7517 §5)."""
    return json_response({"keys": SIGNERS[provider.signing].jwks()}, headers=CACHED)
