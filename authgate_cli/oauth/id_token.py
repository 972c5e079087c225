"""Check an ID token's claims (OpenID Connect Core section 3.1.3.7)."""

from __future__ import annotations

import hashlib
import hmac

from ..errors import Refused
from ..text import clean
from ..values import TYPE_CHECKING, Value
from .jwt import Jwt, base64url_encode, decode

if TYPE_CHECKING:
    from .strict_json import Json

LEEWAY = 120  # seconds that clocks may differ


class Expected(Value):
    """What the claims have to say; None where nothing is expected."""

    issuer: str
    client_id: str
    now: float
    nonce: str | None = None
    access_token: str | None = None
    subject: str | None = None

    def __repr__(self) -> str:
        return f"Expected(issuer={self.issuer!r}, client_id={self.client_id!r})"


class Mismatch(Refused):
    """The ID token is about another issuer, client or person than expected."""


def check(id_token: str, expected: Expected) -> Jwt:
    """Return the decoded ID token. Raise Refused for the first rule that it breaks."""
    try:
        token = decode(id_token)
    except ValueError as error:
        raise Refused(f"the server's ID token cannot be read: {error}") from None
    mismatch = _mismatch(token.claims, expected)
    problem = mismatch or _claims_problem(token.claims, expected) or _hash_problem(token, expected)
    if problem:
        kind = Mismatch if mismatch else Refused
        raise kind(f"the server's ID token cannot be trusted: {problem}", "tell whoever runs the server")
    return token


def _mismatch(claims: Json, expected: Expected) -> str | None:
    """Say which of issuer, audience and subject is another one; None when all are right."""
    audience, subject = claims.get("aud"), claims.get("sub")
    audiences = audience if isinstance(audience, list) else [audience]
    if claims.get("iss") != expected.issuer:
        return f"it is from {clean(claims.get('iss'), 100)}"
    if expected.client_id not in audiences:
        return "it is meant for another client (aud)"
    if len(audiences) > 1 and "azp" not in claims:
        return "it is meant for several clients and does not say which asked (azp)"
    if claims.get("azp", expected.client_id) != expected.client_id:
        return "another client asked for it (azp)"
    if not isinstance(subject, str) or not subject:
        return "it does not say who signed in (sub)"
    if expected.subject is not None and subject != expected.subject:
        return "it is about somebody else (sub)"
    return None


def _claims_problem(claims: Json, expected: Expected) -> str | None:
    """Say which other claim is wrong; None when all are right."""
    expires = claims.get("exp")
    if isinstance(expires, bool) or not isinstance(expires, (int, float)) or expires + LEEWAY <= expected.now:
        return "it has expired (exp); is the clock here right?"
    if expected.nonce is not None and not _equal(claims.get("nonce"), expected.nonce):
        return "it does not belong to this sign-in (nonce)"
    return None


def _hash_problem(token: Jwt, expected: Expected) -> str | None:
    """Check `at_hash`, which ties the ID token to the access token (section 3.1.3.6)."""
    said = token.claims.get("at_hash")
    if said is None or expected.access_token is None:
        return None
    bits = str(token.header.get("alg"))[-3:]
    if bits not in ("256", "384", "512"):
        return None
    digest = hashlib.new("sha" + bits, expected.access_token.encode()).digest()
    if not _equal(said, base64url_encode(digest[: len(digest) // 2])):
        return "it does not belong to the access token (at_hash)"
    return None


def _equal(said: object, expected: str) -> bool:
    return isinstance(said, str) and hmac.compare_digest(said.encode(errors="replace"), expected.encode())
