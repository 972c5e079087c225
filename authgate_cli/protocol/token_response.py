"""Ask the token endpoint and judge its answers (RFC 6749 sections 4 to 6)."""

from __future__ import annotations

from ..errors import Refused
from ..text import clean
from ..tokens import TokenSet, expiry, is_token
from ..values import TYPE_CHECKING
from . import percent
from .forms import post_form
from .oauth_error import check_data, refused
from .strict_json import parse_object

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .discovery import Metadata
    from .messages import Request, Response

DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
_HINTS = {
    "invalid_client": "check CLIENT_ID, and CLIENT_SECRET if the client has one",
    "unauthorized_client": "the server does not allow this client to sign in this way",
    "invalid_scope": "ask for other scopes with --scope",
    "invalid_grant": "sign in again with authgate.pyz login",
}


def authenticated(
    endpoint: str, fields: Mapping[str, str | None], client_id: str, secret: str | None, methods: tuple[str, ...]
) -> Request:
    """Return a form POST that says which client asks (RFC 6749 section 2.3).

    A confidential client puts its secret into the form where the server offers that, as AuthGate
    reads no other in most grants; else it uses Basic, which is what silence means in discovery.
    """
    named = {**fields, "client_id": client_id}
    if secret is None:
        return post_form(endpoint, named)
    if "client_secret_post" in methods:
        return post_form(endpoint, {**named, "client_secret": secret})
    request = post_form(endpoint, named, {"Authorization": percent.client_basic(client_id, secret)})
    return request._replace(secrets=(*request.secrets, secret))


def token_request(metadata: Metadata, fields: Mapping[str, str | None], client_id: str, secret: str | None) -> Request:
    """Return a request to the token endpoint."""
    return authenticated(metadata.token_endpoint, fields, client_id, secret, metadata.auth_methods)


def parse(response: Response, what: str, now: float, asked_scope: str | None) -> TokenSet:
    """Return the tokens of a good answer; `asked_scope` stands where the answer names none.

    Raise Unreachable for "not now", Refused for a refusal and for what cannot be trusted.
    """
    check_data(response, what)
    if response.status != 200:
        failure = refused(what, response)
        failure.hint = _HINTS.get(failure.code or "")
        raise failure
    try:
        document = parse_object(response.body)
    except ValueError as error:
        raise Refused(f"{what}: the server's answer cannot be used: {error}") from None
    kind = document.get("token_type")
    if not is_token(document.get("access_token")):
        raise Refused(f"{what}: the server's answer holds no access token that can be used")
    if not isinstance(kind, str) or kind.lower() != "bearer":
        shown = f"of type {clean(kind, 40)}" if isinstance(kind, str) else "without a type"
        raise Refused(f"{what}: the server gave a token {shown}, and not a Bearer token")
    scope = document.get("scope")
    return TokenSet(
        access_token=document["access_token"],
        token_type="Bearer",
        expires_at=expiry(document.get("expires_in"), now),
        refresh_token=_token(document.get("refresh_token"), "refresh token", what),
        id_token=_token(document.get("id_token"), "ID token", what),
        scope=clean(scope, len(scope)) if isinstance(scope, str) else asked_scope,
    )


def _token(value: object, name: str, what: str) -> str | None:
    if value is None or value == "":
        return None
    if not is_token(value):
        raise Refused(f"{what}: the server's answer holds a {name} that cannot be used")
    return str(value)
