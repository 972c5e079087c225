"""Requests to the server's endpoints and what their answers mean: token, UserInfo, TokenInfo and revocation.

RFC 6749 sections 4 to 6, OpenID Connect Core section 5.3, RFC 7009.
"""

from __future__ import annotations

from ..errors import NoSubject, Refused, TokenRefused
from ..text import WORD, clean
from ..tokens import TokenSet, expiry, is_secret, is_token, with_openid
from ..values import TYPE_CHECKING, Value
from .jwt import claimed_subject
from .messages import check_data, client_authorization, in_between, post_form, quotable, read_error, refused
from .strict_json import parse_object

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .messages import Request, Response
    from .strict_json import Json


DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
_HINTS = {
    "invalid_client": "check CLIENT_ID, and CLIENT_SECRET if the client has one",
    # Keycloak, and AuthGate when it redeems a code, say this to a wrong secret too.
    "unauthorized_client": "check CLIENT_SECRET; if it is right, the server does not allow this client this sign-in",
    "invalid_grant": "sign in again with authgate.pyz login",
}
POST, BASIC = "client_secret_post", "client_secret_basic"


def authenticated(
    endpoint: str, fields: Mapping[str, str | None], client_id: str, secret: str | None, method: str
) -> Request:
    """Return a form POST that says which client asks, and proves it by POST or by BASIC (RFC 6749 section 2.3)."""
    named = {**fields, "client_id": client_id}
    if secret is None:
        return post_form(endpoint, named)
    if method == POST:
        return post_form(endpoint, {**named, "client_secret": secret})
    request = post_form(endpoint, named, {"Authorization": client_authorization(client_id, secret)})
    return request._replace(secrets=(*request.secrets, secret))


def refuses_client(response: Response) -> bool:
    """Tell whether an answer refuses how the client has proven itself (RFC 6749 section 5.2)."""
    return response.status == 401 or (response.status == 400 and read_error(response).code == "invalid_client")


def scope_hint(scope: str) -> str:
    """Return what to do when these scopes are refused; Dex, for one, insists on openid."""
    example = "" if "openid" in scope.split() else f", for example {with_openid(scope)}"
    return f"ask for other scopes{example or ' with --scope'}"


def parse_token_response(response: Response, what: str, now: float, asked_scope: str | None) -> TokenSet:
    """Return the tokens of a good answer; `asked_scope` stands where the answer names none.

    Raise Unreachable for "not now", Refused for a refusal and for what cannot be trusted.
    """
    check_data(response, what)
    if response.status != 200:
        failure = refused(what, response)
        failure.hint = {**_HINTS, "invalid_scope": scope_hint(asked_scope or "")}.get(failure.code or "")
        raise failure
    try:
        document = parse_object(response.body)
    except ValueError as error:
        raise Refused(f"{what}: the server's answer cannot be used: {error}") from None
    kind = document.get("token_type")
    if not is_token(document.get("access_token")):
        raise Refused(f"{what}: the server's answer holds no access token that can be used")
    if not isinstance(kind, str) or kind.lower() != "bearer":
        shown = f"of type {quotable(kind, WORD, response.secrets)}" if isinstance(kind, str) else "without a type"
        raise Refused(f"{what}: the server gave a token {shown}, and not a Bearer token")
    scope, expires_at = document.get("scope"), expiry(document.get("expires_in"), now)
    return TokenSet(
        access_token=document["access_token"],
        token_type="Bearer",
        expires_at=expires_at,
        lifetime=expires_at - now if expires_at is not None and expires_at > now else None,
        refresh_token=_token(document.get("refresh_token"), "refresh token", what),
        # An ID token that cannot be read is a fault that its check finds, and that a refresh survives.
        id_token=None if document.get("id_token") in (None, "") else str(document["id_token"]),
        scope=clean(scope, len(scope)) if isinstance(scope, str) else asked_scope,
    )


def _token(value: object, name: str, what: str) -> str | None:
    if value is None or value == "":
        return None
    if not is_secret(value):
        raise Refused(f"{what}: the server's answer holds a {name} that cannot be used")
    return value


class Claims(Value):
    """A JSON object from the server, or the reason why there is none.

    `accepted` and `refused` tell whether the server has shown that it takes the token for good,
    or does not; it may have shown neither. `subject` is whom UserInfo is about.
    """

    claims: Json | None = None
    reason: str = ""
    accepted: bool = False
    refused: bool = False
    subject: str | None = None


def parse_userinfo(response: Response) -> Claims:
    """Return the claims, or why this token gets none.

    Raise TokenRefused on 401 and 403, NoSubject, Unreachable for "not now", Refused for what cannot be used.
    """
    what = "the token cannot be checked"
    if response.status == 200 and response.headers.get("content-type", "").lower().startswith("application/jwt"):
        subject = claimed_subject(response.body.decode("ascii", "replace").strip())
        return Claims(reason="the server signs it (application/jwt)", accepted=subject is not None, subject=subject)
    if response.status == 200:
        claims = _claims(response, what)
        return Claims(claims, accepted=True, subject=claims["sub"])
    error, forbidden = read_error(response), response.status == 403
    if forbidden and error.code == "insufficient_scope":  # the one reason that only a good token gets
        return Claims(reason=error.code, accepted=True)
    is_answer = not response.is_html or "www-authenticate" in response.headers  # a proxy's page is none
    if is_answer and (response.status == 401 or forbidden):
        raise token_refused(str(error) if error.code else "", error.code or f"status {response.status}", forbidden)
    if response.status in (404, 405, 501):
        return Claims(reason=error.code or f"status {response.status}")
    if 300 <= response.status < 400:
        raise in_between(f"{what}: a redirect came instead of an answer (status {response.status})")
    check_data(response, what)
    raise refused(what, response)


def parse_tokeninfo(response: Response) -> Claims:
    """Return what the server says of the token, or why it does not; this is never an error."""
    if response.status != 200:
        reason = read_error(response).code or f"status {response.status}"
        return Claims(reason=reason, refused=response.status == 401)
    try:
        claims = parse_object(response.body)
        active = claims.get("active") is not False
        return Claims(claims, accepted=active, refused=not active)
    except ValueError as error:
        return Claims(reason=f"the answer cannot be used: {error}")


def token_refused(said: str, code: str, forbidden: bool = False) -> TokenRefused:
    """Return the error for a token that the server does not take (any more)."""
    hint = "sign in again with authgate.pyz login; an AUTHGATE_TOKEN has to be renewed"
    reason = f": {said}" if said else ""
    return TokenRefused(f"the server does not accept the token{reason}", hint, code, forbidden)


def _claims(response: Response, what: str) -> Json:
    check_data(response, what)
    try:
        claims = parse_object(response.body)
    except ValueError as error:
        raise Refused(f"{what}: the server's answer cannot be used: {error}") from None
    if not isinstance(claims.get("sub"), str) or not claims["sub"]:
        raise NoSubject(f"{what}: the server's answer does not say whose it is (sub)", None, "no sub")
    return claims
