"""Parse a server's key set (RFC 7517), choose the key for a JWT, and verify its signature.

- Only the keys of the set are used: `jwk`, `jku`, `x5c` and `x5u` in a token's header are ignored.
- The type of the key decides which algorithms it may verify; the token's must be one of them (RFC 8725
  section 3.1).
- Only one key is tried. If more than one fits, the token is refused.
- Errors about a token have no hint here: the next step depends on where the token is from.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from ..errors import Refused
from ..text import NAME, WORD
from ..values import Value
from . import signatures
from .messages import quotable
from .parsing import Json, Jwt, base64url_decode

OPERATOR = "report this to the operator of the server"


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


def parse(document: Json) -> tuple[Key, ...]:
    """Return the keys of a set, without those of unknown types (section 5). Raise Refused if it is not a set."""
    entries = document.get("keys")
    if not isinstance(entries, list):
        raise Refused("the server's key set cannot be used: it has no list of keys", OPERATOR)
    keys = []
    for entry in entries:
        with suppress(ValueError):
            keys.append(_key(entry))
    return tuple(keys)


def choose(keys: Sequence[Key], header: Json) -> Key:
    """Return the one key for a JWT with this header.

    Raise UnknownKey when its `kid` is not in the set, and Refused when the algorithm is not
    supported, no key fits or several do.
    """
    algorithm, kid = header.get("alg"), header.get("kid")
    if problem := header_problem(header, signatures.ALGORITHMS):
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
    shown = f"the token's key {quotable(kid, NAME)}"
    if fitting:
        raise Refused(f"{shown} is in the server's key set more than once")
    if named:
        raise Refused(f"{shown} cannot be used: {named[0].unfit or f'it is not for {algorithm}'}")
    raise UnknownKey(f"{shown} is not among the server's {algorithm} keys")


def verify_jwt(token: Jwt, keys: Sequence[Key]) -> Key:
    """Return the key that signed a JWT. Raise UnknownKey, WrongSignature or Refused if it cannot be verified."""
    key = choose(keys, token.header)
    if not signatures.verify(token.header["alg"], key.public, token.signed, token.signature):
        raise WrongSignature("the token's signature is wrong")
    return key


def header_problem(header: Json, algorithms: Sequence[str]) -> str | None:
    """Return why a token with this header cannot be verified with these algorithms, or None."""
    algorithm = header.get("alg")
    if algorithm not in algorithms:
        shown = (quotable(algorithm, WORD) or "an empty name") if isinstance(algorithm, str) else "it names none"
        return f"its signature algorithm is not supported: {shown} (alg)"
    if "crit" in header:  # RFC 7515 section 4.1.11: an unknown extension must not be ignored
        return "it asks for an extension that is not supported (crit)"
    return None


def _key(jwk: Json) -> Key:
    """Read the public members of one key. Raise ValueError for an unknown type or a malformed key."""
    kid = jwk.get("kid") if isinstance(jwk, dict) else 0
    if kid is not None and not isinstance(kid, str):
        raise ValueError("not a key")
    public = _public(jwk)
    algorithms, meant_for = signatures.algorithms_of(public), jwk.get("alg")
    if meant_for in algorithms:
        algorithms = (meant_for,)
    return Key(kid, public, algorithms, _other_purpose(jwk, algorithms) or signatures.flaw(public))


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
