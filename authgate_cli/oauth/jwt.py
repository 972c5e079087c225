"""Verify JSON Web Tokens with a server's key set (RFC 7517), and check ID tokens (OpenID Connect Core 3.1.3.7).

- Only the keys of the set are used: `jwk`, `jku`, `x5c` and `x5u` in a token's header are ignored.
- The type of the key decides which algorithms it may verify; the token's must be one of them (RFC 8725
  section 3.1).
- Only one key is tried. If more than one fits, the token is refused.
- Errors about a token's key or signature have no hint here: the next step depends on where the token is from.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Sequence
from contextlib import suppress

from ..errors import OPERATOR, Mismatch, Refused
from ..text import NAME, WORD
from ..tokens import rfc3339
from ..values import TYPE_CHECKING, Value
from . import signatures
from .messages import Request, Response, check_not_redirected, get, quotable, quotable_issuer, read_data
from .parsing import Json, Jwt, base64url_decode, base64url_encode, decode, is_number

if TYPE_CHECKING:
    from typing import Any

LEEWAY = 120  # seconds that clocks may differ
UNVERIFIED = "HS256"  # AuthGate signs with its own secret, so no client can check the signature


class UnknownKey(Refused):
    """The token names a key that is not in the set; the server may have added it since the set was fetched."""


class WrongSignature(Refused):
    """The signature does not match the token and its key."""


class Key(Value):
    """A public key of a set; `unfit` is the reason why it must not be used, or None."""

    kid: str | None
    public: signatures.PublicKey
    algorithms: tuple[str, ...]
    unfit: str | None = None


def parse_keys(document: Json) -> tuple[Key, ...]:
    """Return the keys of a set, without those of unknown types (section 5). Raise Refused if it is not a set."""
    entries = document.get("keys")
    if not isinstance(entries, list):
        raise Refused("the server's key set cannot be used: it has no list of keys", OPERATOR)
    keys = []
    for entry in entries:
        with suppress(ValueError):
            keys.append(_key(entry))
    return tuple(keys)


def choose(keys: Sequence[Key], header: Json, secrets: tuple[str, ...] = ()) -> Key:
    """Return the one key for a JWT with this header. No message shows `secrets`, here and below.

    Raise UnknownKey when its `kid` is not in the set, and Refused when the algorithm is not
    supported, no key fits or several do.
    """
    algorithm, kid = header.get("alg"), header.get("kid")
    if problem := header_problem(header, signatures.ALGORITHMS, secrets):
        raise Refused(f"the token cannot be verified: {problem}")
    if "kid" in header and not isinstance(kid, str):
        raise Refused("the token's key ID is not a string (kid)")
    named = [key for key in keys if kid is None or key.kid == kid]
    fitting = [key for key in named if key.unfit is None and algorithm in key.algorithms]
    if len(fitting) == 1:
        return fitting[0]
    if kid is None:
        problem = "has several keys" if fitting else "has no key"
        raise Refused(f"the server {problem} for {algorithm}, and the token names none (kid)")
    shown = f"the token's key {quotable(kid, NAME, secrets)}"
    if fitting:
        raise Refused(f"{shown} is in the server's key set more than once")
    if named:
        raise Refused(f"{shown} cannot be used: {named[0].unfit or f'it is not for {algorithm}'}")
    raise UnknownKey(f"{shown} is not among the server's {algorithm} keys")


def verify(token: Jwt, keys: Sequence[Key], secrets: tuple[str, ...] = ()) -> Key:
    """Return the key that signed a JWT. Raise UnknownKey, WrongSignature or Refused if it cannot be verified."""
    key = choose(keys, token.header, secrets)
    if not signatures.verify(token.header["alg"], key.public, token.signed, token.signature):
        raise WrongSignature("the token's signature is wrong")
    return key


def header_problem(header: Json, algorithms: Sequence[str], secrets: tuple[str, ...] = ()) -> str | None:
    """Return why a token with this header cannot be verified with these algorithms, or None."""
    algorithm = header.get("alg")
    if algorithm not in algorithms:
        shown = quotable(algorithm, WORD, secrets) if isinstance(algorithm, str) else "it names none"
        return f"its signature algorithm is not supported: {shown or 'an empty name'} (alg)"
    if "crit" in header:  # RFC 7515 section 4.1.11: an unknown extension must not be ignored
        return "it asks for an extension that is not supported (crit)"
    return None


def _key(jwk: Json) -> Key:
    """Read the public members of one key. Raise ValueError for an unknown type or a malformed key."""
    if not isinstance(jwk, dict) or not isinstance(jwk.get("kid"), (str, type(None))):
        raise ValueError("not a key")
    public = _public(jwk)
    algorithms, meant_for = signatures.algorithms_of(public), jwk.get("alg")
    if meant_for in algorithms:
        algorithms = (meant_for,)
    return Key(jwk.get("kid"), public, algorithms, _other_purpose(jwk, algorithms) or signatures.flaw(public))


def _public(jwk: Json) -> signatures.PublicKey:
    if jwk.get("kty") == "RSA":  # RFC 7518 section 6.3.1
        return signatures.RsaKey(_number(jwk.get("n")), _number(jwk.get("e")))
    curve = jwk.get("crv")
    if jwk.get("kty") == "EC" and isinstance(curve, str) and curve in signatures.CURVES:  # section 6.2.1
        size = signatures.CURVES[curve].size
        return signatures.EcKey(_number(jwk.get("x"), size), _number(jwk.get("y"), size), curve)
    raise ValueError("not a type of key that is understood")


def _number(text: object, size: int | None = None) -> int:
    """Decode a big-endian number, of exactly `size` bytes if that is given."""
    data = base64url_decode(text if isinstance(text, str) else "")
    if not data or len(data) != (size or len(data)):
        raise ValueError("not a number of that size")
    return int.from_bytes(data, "big")


def _other_purpose(jwk: Json, algorithms: tuple[str, ...]) -> str | None:
    """Return why the key is not for verifying signatures (RFC 7517 sections 4.2 to 4.4), or None."""
    use, operations, meant_for = jwk.get("use"), jwk.get("key_ops"), jwk.get("alg")
    if use not in (None, "sig"):
        return "it is not for signatures (use)"
    if operations is not None and not (isinstance(operations, list) and "verify" in operations):
        return "it is not for checking signatures (key_ops)"
    if meant_for not in (None, *algorithms):
        return f"it is for {quotable(meant_for, WORD)} only (alg)"
    return None


class KeySet:
    """A server's published keys, fetched on first use, and again for an unknown key."""

    def __init__(self, send: Callable[[Request], Response], jwks_uri: str | None):
        self._send, self._jwks_uri = send, jwks_uri
        self._keys: tuple[Key, ...] | None = None

    def load(self) -> tuple[Key, ...]:
        """Fetch the keys now, if the server publishes any, so that a failure comes before the sign-in or refresh."""
        if self._keys is None and self._jwks_uri is not None:
            response, what = self._send(get(self._jwks_uri)), "the server's keys cannot be fetched"
            check_not_redirected(response, what)
            self._keys = parse_keys(read_data(response, what))
        return self._keys or ()

    def verify(self, token: Jwt, secrets: tuple[str, ...] = ()) -> Key:
        """Return the key that signed a JWT. Raise Refused if none did, Unreachable if the keys cannot be fetched."""
        if self._jwks_uri is None:
            raise Refused(
                "the server does not publish its signing keys",
                "run authgate.pyz status to have the server check the token",
            )
        try:
            return verify(token, self.load(), secrets)
        except UnknownKey:
            self._keys = None  # the server may have added the key since they were fetched
            return verify(token, self.load(), secrets)

    def check_id_token(self, text: str, **expected: Any) -> None:
        """Check claims and signature of an ID token that came from the token endpoint, over TLS or loopback.

        `expected` are the fields of Expected. A symmetric signature cannot be verified; the connection to the
        server takes its place (OpenID Connect Core section 3.1.3.7, rules 6 to 8). Raise Unreachable or Refused.
        """
        wanted = Expected(**expected)
        token = check_id_token(text, wanted)
        if token.header["alg"] == UNVERIFIED:
            return
        try:
            self.verify(token, wanted.secrets)
        except Refused as error:
            error.hint = error.hint or OPERATOR
            raise


class Expected(Value):
    """The expected values of the claims; None means that any value is accepted."""

    issuer: str
    client_id: str
    now: float
    nonce: str | None = None
    access_token: str | None = None
    previous: Json = {}  # the claims of the ID token before the refresh
    secrets: tuple[str, ...] = ()  # what no message may show


def check_id_token(id_token: str, expected: Expected) -> Jwt:
    """Return the decoded ID token; its signature is not checked. Raise Refused for the first rule that it breaks."""
    try:
        token = decode(id_token)
    except ValueError as error:
        raise Refused(f"the server's ID token cannot be read: {error}", OPERATOR) from None
    distrust = "the server's ID token cannot be trusted: "
    if problem := _mismatch(token.claims, expected):
        raise Mismatch(distrust + problem, OPERATOR)
    problem = header_problem(token.header, (*signatures.ALGORITHMS, UNVERIFIED), expected.secrets)
    if problem := problem or _problem(token, expected):
        raise Refused(distrust + problem, OPERATOR)
    if problem := _time_problem(token.claims, expected.now):
        hint = f"this machine's clock says {rfc3339(expected.now)}; if that is right, the server's clock is wrong"
        raise Refused(distrust + problem, hint)
    return token


def _mismatch(claims: Json, expected: Expected) -> str | None:
    """Return what is wrong with issuer, audience or subject, or None."""
    audiences, subject, previous = _audiences(claims), claims.get("sub"), expected.previous
    if claims.get("iss") != expected.issuer:
        return f"it is from {quotable_issuer(claims.get('iss'), expected.secrets)}"
    if expected.client_id not in audiences:
        return "it is meant for another client (aud)"
    if len(audiences) > 1 and "azp" not in claims:
        return "it is meant for several clients and does not say to which one it was issued (azp)"
    if claims.get("azp", expected.client_id) != expected.client_id:
        return "it was issued to another client (azp)"
    if not isinstance(subject, str) or not subject:
        return "it does not say who signed in (sub)"
    if subject != previous.get("sub", subject):
        return "it is about another user (sub)"
    if "aud" in previous and sorted(map(str, audiences)) != sorted(map(str, _audiences(previous))):  # section 12.2
        return "it is meant for other clients than before the refresh (aud)"
    return None


def _audiences(claims: Json) -> list[Any]:
    audience = claims.get("aud")
    return audience if isinstance(audience, list) else [audience]


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
