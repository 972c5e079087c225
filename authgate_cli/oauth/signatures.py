"""Check RS256 and ES256 signatures (RFC 7518 section 3) with nothing but integers.

- The key decides the algorithm: an RSA key checks RS256, a P-256 key ES256, and neither anything else.
- An RSA signature is not parsed. The one encoding that it may hold is built and compared, which
  leaves no room for lax padding or ASN.1 (RFC 8017 section 8.2.2).
- A key with a flaw checks nothing, whoever asks.
- Everything here is public, so nothing takes constant time. Never sign with this code.
"""

from __future__ import annotations

import hashlib

from ..values import TYPE_CHECKING, Value

if TYPE_CHECKING:
    Point = tuple[int, int, int]  # Jacobian: x = X / Z², y = Y / Z³; Z = 0 is the point at infinity

_SHA256_INFO = bytes.fromhex("3031300d060960864801650304020105000420")  # DigestInfo, RFC 8017 section 9.2

# P-256 is y² = x³ - 3x + b over the integers modulo a prime (NIST SP 800-186 section 3.2.1.3).
_PRIME = 2**256 - 2**224 + 2**192 + 2**96 - 1
_B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_BASE = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)
_INFINITY = (1, 1, 0)


class RsaKey(Value):
    """An RSA public key."""

    modulus: int
    exponent: int


class EcKey(Value):
    """A public key on P-256: a point that may not be on the curve before `flaw` has seen it."""

    x: int
    y: int


if TYPE_CHECKING:
    PublicKey = RsaKey | EcKey


def algorithm_of(key: PublicKey) -> str:
    """Return the one algorithm that a key is good for (RFC 8725 section 3.1)."""
    return "RS256" if isinstance(key, RsaKey) else "ES256"


def flaw(key: PublicKey) -> str | None:
    """Say why a key must not be used; None when it may be."""
    return _rsa_flaw(key) if isinstance(key, RsaKey) else _ec_flaw(key)


def verify(algorithm: str, key: PublicKey, signed: bytes, signature: bytes) -> bool:
    """Tell whether `signature` is the key's over `signed`, under just this algorithm."""
    if algorithm != algorithm_of(key) or flaw(key):
        return False
    digest = hashlib.sha256(signed).digest()
    if isinstance(key, RsaKey):
        return _rsa_verify(key, digest, signature)
    return _ec_verify(key, digest, signature)


def _rsa_flaw(key: RsaKey) -> str | None:
    size = key.modulus.bit_length()
    if size < 2048:  # RFC 7518 section 3.3
        return f"it is an RSA key of only {size} bits"
    if size > 8192:  # longer ones are there to keep us busy
        return f"it is an RSA key of {size} bits, which is too long"
    # The exponent 1 would make every encoded digest its own signature.
    if key.modulus % 2 == 0 or key.exponent % 2 == 0 or not 3 <= key.exponent < 2**64:
        return "it is not a sound RSA key"
    return None


def _rsa_verify(key: RsaKey, digest: bytes, signature: bytes) -> bool:
    """Verify RSASSA-PKCS1-v1_5 (RFC 8017 section 8.2.2)."""
    size = (key.modulus.bit_length() + 7) // 8
    number = int.from_bytes(signature, "big")
    if len(signature) != size or number >= key.modulus:
        return False
    info = _SHA256_INFO + digest
    expected = b"\x00\x01" + b"\xff" * (size - len(info) - 3) + b"\x00" + info
    return pow(number, key.exponent, key.modulus).to_bytes(size, "big") == expected


def _ec_flaw(key: EcKey) -> str | None:
    """Validate a public key (NIST SP 800-186 appendix D.1.1); infinity has no coordinates to give."""
    x, y = key
    if 0 <= x < _PRIME and 0 <= y < _PRIME and (y * y - x**3 + 3 * x - _B) % _PRIME == 0:
        return None
    return "it is not a point on P-256"


def _ec_verify(key: EcKey, digest: bytes, signature: bytes) -> bool:
    """Verify ECDSA (FIPS 186-5 section 6.4.2); the signature is r and s, 32 bytes each."""
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    if len(signature) != 64 or not 0 < r < _ORDER or not 0 < s < _ORDER:
        return False
    inverse = pow(s, -1, _ORDER)
    x, _, z = _sum_of_multiples(
        int.from_bytes(digest, "big") * inverse % _ORDER, (*_BASE, 1), r * inverse % _ORDER, (*key, 1)
    )
    return z != 0 and x * pow(z, -2, _PRIME) % _PRIME % _ORDER == r


def _sum_of_multiples(m: int, p: Point, n: int, q: Point) -> Point:
    """Return mp + nq, with both factors read bit by bit side by side (Shamir's trick)."""
    choices = (_INFINITY, p, q, _add(p, q))
    total = _INFINITY
    for bit in range(max(m.bit_length(), n.bit_length()) - 1, -1, -1):
        total = _add(_double(total), choices[(m >> bit & 1) + 2 * (n >> bit & 1)])
    return total


def _double(point: Point) -> Point:
    """Return 2 * point, on a curve whose linear factor is -3; infinity stays itself."""
    x, y, z = point
    zz, yy = z * z % _PRIME, y * y % _PRIME
    slope = 3 * (x - zz) * (x + zz) % _PRIME
    xyy = 4 * x * yy % _PRIME
    x3 = (slope * slope - 2 * xyy) % _PRIME
    return x3, (slope * (xyy - x3) - 8 * yy * yy) % _PRIME, 2 * y * z % _PRIME


def _add(p: Point, q: Point) -> Point:
    """Return p + q for any two points: equal, opposite and infinite ones too."""
    if not p[2] or not q[2]:
        return p if p[2] else q
    pzz, qzz = p[2] * p[2] % _PRIME, q[2] * q[2] % _PRIME
    px, py = p[0] * qzz % _PRIME, p[1] * qzz * q[2] % _PRIME
    run, rise = (q[0] * pzz - px) % _PRIME, (q[1] * pzz * p[2] - py) % _PRIME
    if not run:
        return _INFINITY if rise else _double(p)
    square = run * run % _PRIME
    cube, shift = square * run % _PRIME, px * square % _PRIME
    x = (rise * rise - cube - 2 * shift) % _PRIME
    return x, (rise * (shift - x) - py * cube) % _PRIME, run * p[2] * q[2] % _PRIME
