"""Check an ID token's claims (OpenID Connect Core section 3.1.3.7)."""

from __future__ import annotations

import hashlib
import hmac

from ..errors import Refused
from ..tokens import rfc3339
from ..values import Value
from . import signatures
from .jwks import OPERATOR, header_problem
from .messages import quotable_issuer
from .parsing import Json, Jwt, base64url_encode, decode, is_number

LEEWAY = 120  # seconds that clocks may differ
UNVERIFIED = "HS256"  # AuthGate signs with its own secret, so no client can check the signature


class Expected(Value):
    """The expected values of the claims; None means that any value is accepted."""

    issuer: str
    client_id: str
    now: float
    nonce: str | None = None
    access_token: str | None = None
    subject: str | None = None


class Mismatch(Refused):
    """The issuer, the client or the user of the ID token is not the expected one."""


def check(id_token: str, expected: Expected) -> Jwt:
    """Return the decoded ID token; its signature is not checked. Raise Refused for the first rule that it breaks."""
    try:
        token = decode(id_token)
    except ValueError as error:
        raise Refused(f"the server's ID token cannot be read: {error}", OPERATOR) from None
    distrust = "the server's ID token cannot be trusted: "
    if problem := _mismatch(token.claims, expected):
        raise Mismatch(distrust + problem, OPERATOR)
    if problem := header_problem(token.header, (*signatures.ALGORITHMS, UNVERIFIED)) or _problem(token, expected):
        raise Refused(distrust + problem, OPERATOR)
    if problem := _time_problem(token.claims, expected.now):
        hint = f"this machine's clock says {rfc3339(expected.now)}; if that is right, the server's clock is wrong"
        raise Refused(distrust + problem, hint)
    return token


def _mismatch(claims: Json, expected: Expected) -> str | None:
    """Return what is wrong with issuer, audience or subject, or None."""
    audience, subject = claims.get("aud"), claims.get("sub")
    audiences = audience if isinstance(audience, list) else [audience]
    if claims.get("iss") != expected.issuer:
        secrets = (expected.access_token,) if expected.access_token else ()
        return f"it is from {quotable_issuer(claims.get('iss'), secrets)}"
    if expected.client_id not in audiences:
        return "it is meant for another client (aud)"
    if len(audiences) > 1 and "azp" not in claims:
        return "it is meant for several clients and does not say to which one it was issued (azp)"
    if claims.get("azp", expected.client_id) != expected.client_id:
        return "it was issued to another client (azp)"
    if not isinstance(subject, str) or not subject:
        return "it does not say who signed in (sub)"
    if expected.subject is not None and subject != expected.subject:
        return "it is about another user (sub)"
    return None


def _problem(token: Jwt, expected: Expected) -> str | None:
    """Return what else is wrong, apart from the times, or None."""
    claims, access_token, at_hash = token.claims, expected.access_token, token.claims.get("at_hash")
    if not token.signature:
        return "it is not signed"
    for name in ("exp", "iat", *(["nbf"] if "nbf" in claims else [])):
        if not is_number(claims.get(name)):
            return f"its {name} claim is missing or is not a number"
    if expected.nonce is not None and not _equal(claims.get("nonce"), expected.nonce):
        return "it does not belong to this sign-in (nonce)"
    if at_hash is not None and access_token is not None:  # section 3.1.3.6
        digest = hashlib.new("sha" + token.header["alg"][2:], access_token.encode()).digest()
        if not _equal(at_hash, base64url_encode(digest[: len(digest) // 2])):
            return "it does not belong to the access token (at_hash)"
    return None


def _equal(stated: object, expected: str) -> bool:
    return isinstance(stated, str) and hmac.compare_digest(stated.encode(errors="replace"), expected.encode())


def _time_problem(claims: Json, now: float) -> str | None:
    """Return which time is wrong, or None."""
    if claims["exp"] + LEEWAY <= now:
        return "it has expired (exp)"
    if claims["iat"] - LEEWAY > now:
        return "it was issued in the future (iat)"
    if claims.get("nbf", 0) - LEEWAY > now:
        return "it is not valid yet (nbf)"
    return None
