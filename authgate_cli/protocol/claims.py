"""Judge the answers of UserInfo (OpenID Connect Core section 5.3) and of AuthGate's TokenInfo."""

from __future__ import annotations

from ..errors import Refused, TokenRefused
from ..values import TYPE_CHECKING, Value
from .http_date import http_date
from .oauth_error import check_data, read_error, refused
from .strict_json import parse_object

if TYPE_CHECKING:
    from .messages import Response
    from .strict_json import Json


class Answer(Value):
    """A JSON object from the server, or the reason why there is none.

    `accepted` and `refused` tell whether the server has shown that it takes the token for good,
    or does not; it may have shown neither.
    """

    claims: Json | None = None
    reason: str = ""
    accepted: bool = False
    refused: bool = False


def parse_userinfo(response: Response) -> Answer:
    """Return the claims, or why this token gets none.

    Raise TokenRefused on 401, Unreachable for "not now", Refused for what cannot be used.
    """
    what = "the token cannot be checked"
    if response.status == 200:
        return Answer(_claims(response, what), accepted=True)
    if response.status == 401:
        raise token_refused(
            read_error(response).code or "status 401", http_date(response.headers.get("date", "")) or 0.0
        )
    if response.status in (403, 404, 405, 501):
        # 403 is said to a good token that lacks a scope (RFC 6750 section 3.1).
        return Answer(reason=read_error(response).code or f"status {response.status}", accepted=response.status == 403)
    check_data(response, what)
    raise refused(what, response)


def parse_tokeninfo(response: Response) -> Answer:
    """Return what the server says of the token, or why it does not; this is never an error."""
    if response.status != 200:
        reason = read_error(response).code or f"status {response.status}"
        return Answer(reason=reason, refused=response.status == 401)
    try:
        claims = parse_object(response.body)
        active = claims.get("active") is not False
        return Answer(claims, accepted=active, refused=not active)
    except ValueError as error:
        return Answer(reason=f"the answer cannot be used: {error}")


def token_refused(code: str = "", server_time: float = 0.0) -> TokenRefused:
    """Return the error for a token that the server does not take (any more)."""
    hint = "sign in again with authgate.pyz login; an AUTHGATE_TOKEN has to be renewed"
    return TokenRefused("the server does not accept the token", hint, code, server_time)


def _claims(response: Response, what: str) -> Json:
    check_data(response, what)
    try:
        claims = parse_object(response.body)
    except ValueError as error:
        raise Refused(f"{what}: the server's answer cannot be used: {error}") from None
    if not isinstance(claims.get("sub"), str) or not claims["sub"]:
        raise Refused(f"{what}: the server's answer does not say whose it is (sub)")
    return claims
