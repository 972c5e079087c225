"""Build requests that authenticate the client, and read the answers of Token, UserInfo and TokenInfo.

RFC 6749 sections 4 to 6 and OpenID Connect Core section 5.3. Revocation (RFC 7009) is in server.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote_plus

from ..errors import NoSubject, Refused, TokenRefused
from ..text import WORD, clean
from ..tokens import TokenSet, is_secret, with_openid
from ..values import Value
from .messages import (
    Request,
    Response,
    basic_authorization,
    check_data,
    check_not_redirected,
    post_form,
    quotable,
    read_data,
    read_error,
    refusal,
)
from .parsing import LATEST, Json, claimed_text, is_number, parse_object

DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
_HINTS = {
    "invalid_client": "check CLIENT_ID, and CLIENT_SECRET if the client has one",
    # Sent for a wrong secret too, also by AuthGate when it exchanges a code.
    "unauthorized_client": "check CLIENT_SECRET; if it is right, the server does not allow this client this sign-in",
    "invalid_grant": "run authgate.pyz login to sign in again",
}
POST, BASIC = "client_secret_post", "client_secret_basic"


def authenticated(
    endpoint: str, fields: Mapping[str, str | None], client_id: str, secret: str | None, method: str
) -> Request:
    """Return a form POST that authenticates the client (RFC 6749 section 2.3).

    The secret goes into the form if `method` is POST, else into a Basic header, whose parts are
    form-encoded first (section 2.3.1). Without a secret the form only names the client.
    """
    in_form = secret if method == POST else None
    request = post_form(endpoint, {**fields, "client_id": client_id, "client_secret": in_form})
    if secret is None or in_form:
        return request
    basic = basic_authorization(quote_plus(client_id), quote_plus(secret))
    secrets = (*request.secrets, basic.partition(" ")[2], secret)
    return request._replace(headers={**request.headers, "Authorization": basic}, secrets=secrets)


def refuses_client(response: Response) -> bool:
    """Tell whether an answer rejects the authentication of the client (RFC 6749 section 5.2).

    Some servers say so by a 401 with unauthorized_client or without a code. One with another code is about the
    grant, which may be used up.
    """
    code = read_error(response).code
    if response.status == 401 and not response.is_html:
        return code in ("", "invalid_client", "unauthorized_client")
    return code == "invalid_client"


def scope_hint(scope: str) -> str:
    """Return the hint for scopes that the server refuses; some servers require openid."""
    example = "" if "openid" in scope.split() else f", for example {with_openid(scope)}"
    return f"ask for other scopes{example or ' with --scope'}"


def parse_token_response(response: Response, what: str, now: float, asked_scope: str | None) -> TokenSet:
    """Return the tokens of a successful answer; `asked_scope` is used if it names no scope.

    Raise Unreachable for a temporary error, Refused for a refusal and for an answer that cannot be used.
    """
    try:
        document = read_data(response, what)
    except Refused as error:
        error.hint = {**_HINTS, "invalid_scope": scope_hint(asked_scope or "")}.get(error.code or "")
        raise
    kind = document.get("token_type")
    if not is_secret(document.get("access_token")):
        raise Refused(f"{what}: the server's answer holds no access token that can be used")
    if not isinstance(kind, str) or kind.lower() != "bearer":
        shown = f"of type {quotable(kind, WORD, response.secrets)}" if isinstance(kind, str) else "without a type"
        raise Refused(f"{what}: the server issued a token {shown} instead of a Bearer token")
    refresh_token = document.get("refresh_token")
    if refresh_token not in (None, "") and not is_secret(refresh_token):
        raise Refused(f"{what}: the server's answer holds a refresh token that cannot be used")
    scope, lifetime = document.get("scope"), document.get("expires_in")
    if not is_number(lifetime) or not 0 <= lifetime <= LATEST - now:
        lifetime = None  # the token never expires
    return TokenSet(
        access_token=document["access_token"],
        token_type="Bearer",
        expires_at=None if lifetime is None else now + lifetime,
        lifetime=lifetime or None,
        refresh_token=refresh_token or None,
        # An ID token that cannot be read is found by its check, which does not make a refresh fail.
        id_token=None if document.get("id_token") in (None, "") else str(document["id_token"]),
        scope=clean(scope, len(scope)) if isinstance(scope, str) else asked_scope,
    )


class Claims(Value):
    """A JSON object from the server, or the reason why there is none.

    `accepted` means that the server accepts the token, `refused` that it does not; if neither is
    set, the server has not shown it. `subject` is the user that UserInfo is about.
    """

    claims: Json | None = None
    reason: str = ""
    accepted: bool = False
    refused: bool = False
    subject: str | None = None


def parse_userinfo(response: Response) -> Claims:
    """Return the claims, or the reason why there are none.

    Raise TokenRefused for 401, 403 and 400 with invalid_token, NoSubject, Unreachable for a temporary
    error, Refused for an answer that cannot be used.
    """
    what = "the token cannot be checked"
    if response.status == 200 and response.headers.get("content-type", "").lower().startswith("application/jwt"):
        subject = claimed_text(response.body.decode("ascii", "replace").strip(), "sub")
        return Claims(reason="the server signs it (application/jwt)", accepted=subject is not None, subject=subject)
    if response.status == 200:
        claims = read_data(response, what)
        if not isinstance(claims.get("sub"), str) or not claims["sub"]:
            raise NoSubject(f"{what}: the server's answer does not name the user (sub)", None, "no sub")
        return Claims(claims, accepted=True, subject=claims["sub"])
    error, forbidden = read_error(response), response.status == 403
    if forbidden and error.code == "insufficient_scope":  # only a valid token gets this error
        return Claims(reason=error.code, accepted=True)
    is_answer = not response.is_html or "www-authenticate" in response.headers  # not a proxy's page
    is_refusal = response.status in (401, 403) or (response.status == 400 and error.code == "invalid_token")
    if is_answer and is_refusal:
        raise TokenRefused(str(error) if error.code else "", error.code or f"status {response.status}", forbidden)
    if response.status in (404, 405, 501):
        return Claims(reason=error.code or f"status {response.status}")
    check_not_redirected(response, what)
    check_data(response, what)
    raise refusal(response, what)


def parse_tokeninfo(response: Response) -> Claims:
    """Return the claims, or the reason why there are none; never raise an error."""
    if response.status != 200:
        reason = read_error(response).code or f"status {response.status}"
        return Claims(reason=reason, refused=response.status == 401)
    try:
        claims = parse_object(response.body)
        return Claims(claims, accepted=claims.get("active") is True, refused=claims.get("active") is False)
    except ValueError as error:
        return Claims(reason=f"the answer cannot be used: {error}")
