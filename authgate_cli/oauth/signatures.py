"""Verify RSA and elliptic curve signatures (RS, PS and ES, RFC 7518 section 3) in pure Python.

- The type of the key decides which algorithms it may verify: RS and PS for an RSA key, only its own ES for
  an elliptic curve.
- An RS signature is not parsed. The only valid encoding is built and compared, so that no wrong padding
  or ASN.1 is accepted (RFC 8017 section 8.2.2).
- A key with a flaw verifies nothing.
- All inputs are public, so nothing runs in constant time. Never sign with this code.
"""

from __future__ import annotations

import hashlib

from ..values import TYPE_CHECKING, Value

if TYPE_CHECKING:
    Point = tuple[int, int] | None  # None is the point at infinity


class Curve(Value):
    """The curve y² = x³ - 3x + b over the integers modulo a prime (NIST SP 800-186 section 3.2.1)."""

    prime: int
    b: int
    order: int
    base: tuple[int, int]

    @property
    def size(self) -> int:
        """Return the size of a coordinate in bytes."""
        return (self.prime.bit_length() + 7) // 8


CURVES = {
    "P-256": Curve(
        2**256 - 2**224 + 2**192 + 2**96 - 1,
        0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B,
        0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
        (
            0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
            0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
        ),
    ),
    "P-384": Curve(
        2**384 - 2**128 - 2**96 + 2**32 - 1,
        0xB3312FA7E23EE7E4988E056BE3F82D19181D9C6EFE8141120314088F5013875AC656398D8A2ED19D2A85C8EDD3EC2AEF,
        0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973,
        (
            0xAA87CA22BE8B05378EB1C71EF320AD746E1D3B628BA79B9859F741E082542A385502F25DBF55296C3A545E3872760AB7,
            0x3617DE4A96262C6F5D9E98BF9292DC29F8F41DBD289A147CE9DA3113B5F0B8C00A60B1CE1D7E819D7A431D7C90EA0E5F,
        ),
    ),
    "P-521": Curve(
        2**521 - 1,
        int(
            "0051953EB9618E1C9A1F929A21A0B68540EEA2DA725B99B315F3B8B489918EF109E156193951EC7E93"
            "7B1652C0BD3BB1BF073573DF883D2C34F1EF451FD46B503F00",
            16,
        ),
        2**521 - 0x5AE79787C40D069948033FEB708F65A2FC44A36477663B851449048E16EC79BF7,
        (
            int(
                "00C6858E06B70404E9CD9E3ECB662395B4429C648139053FB521F828AF606B4D3DBAA14B5E77EFE7"
                "5928FE1DC127A2FFA8DE3348B3C1856A429BF97E7E31C2E5BD66",
                16,
            ),
            int(
                "011839296A789A3BC0045C8A5FB42C7D1BD998F54449579B446817AFBD17273E662C97EE72995EF4"
                "2640C550B9013FAD0761353C7086A272C24088BE94769FD16650",
                16,
            ),
        ),
    ),
}
# DigestInfo up to the digest, RFC 8017 section 9.2
_DIGEST_INFO = {
    "256": bytes.fromhex("3031300d060960864801650304020105000420"),
    "384": bytes.fromhex("3041300d060960864801650304020205000430"),
    "512": bytes.fromhex("3051300d060960864801650304020305000440"),
}
_RSA_ALGORITHMS = tuple(kind + bits for kind in ("RS", "PS") for bits in _DIGEST_INFO)
_CURVE_OF = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}
ALGORITHMS = (*_RSA_ALGORITHMS, *_CURVE_OF)


class RsaKey(Value):
    """An RSA public key."""

    modulus: int
    exponent: int


class EcKey(Value):
    """An elliptic curve public key; only `flaw` checks that the point is on the curve."""

    x: int
    y: int
    curve: str = "P-256"


if TYPE_CHECKING:
    PublicKey = RsaKey | EcKey


def algorithms_of(key: PublicKey) -> tuple[str, ...]:
    """Return the algorithms that a key may verify (RFC 8725 section 3.1)."""
    if isinstance(key, RsaKey):
        return _RSA_ALGORITHMS
    return tuple(name for name, curve in _CURVE_OF.items() if curve == key.curve)


def flaw(key: PublicKey) -> str | None:
    """Return why a key must not be used, or None."""
    if isinstance(key, EcKey):  # NIST SP 800-186 appendix D.1.1; infinity cannot be given as coordinates
        curve, x, y = CURVES[key.curve], key.x, key.y
        in_range = 0 <= x < curve.prime and 0 <= y < curve.prime
        if in_range and (y * y - x**3 + 3 * x - curve.b) % curve.prime == 0:
            return None
        return f"it is not a point on {key.curve}"
    size = key.modulus.bit_length()
    if size < 2048:  # RFC 7518 section 3.3
        return f"it is an RSA key of only {size} bits"
    if size > 8192:  # verifying would take too long
        return f"it is an RSA key of {size} bits, which is too long"
    # The exponent 1 would make every encoded digest its own signature.
    if key.modulus % 2 == 0 or key.exponent % 2 == 0 or not 3 <= key.exponent < 2**64:
        return "it is not a valid RSA key"
    return None


def verify(algorithm: str, key: PublicKey, signed: bytes, signature: bytes) -> bool:
    """Tell whether `signature` is the signature of `signed` by the key with this algorithm."""
    if algorithm not in algorithms_of(key) or flaw(key):
        return False
    bits = algorithm[2:]
    digest = _hash(bits, signed)
    if not isinstance(key, RsaKey):
        return _ec_verify(key, digest, signature)
    size = (key.modulus.bit_length() + 7) // 8
    number = int.from_bytes(signature, "big")
    if len(signature) != size or number >= key.modulus:
        return False
    encoded = pow(number, key.exponent, key.modulus)
    if algorithm.startswith("PS"):
        return _is_pss(encoded, key.modulus.bit_length() - 1, bits, digest)
    info = _DIGEST_INFO[bits] + digest
    expected = b"\x00\x01" + b"\xff" * (size - len(info) - 3) + b"\x00" + info
    return encoded == int.from_bytes(expected, "big")


def _hash(bits: str, data: bytes) -> bytes:
    return hashlib.new("sha" + bits, data).digest()


def _is_pss(encoded: int, length: int, bits: str, digest: bytes) -> bool:
    """Verify EMSA-PSS of `length` bits (RFC 8017 section 9.1.2) with a salt as long as the digest (RFC 7518 3.5)."""
    if encoded.bit_length() > length:
        return False
    size = len(digest)
    message = encoded.to_bytes((length + 7) // 8, "big")
    masked, hashed, trailer = message[: -size - 1], message[-size - 1 : -1], message[-1:]
    mask = b"".join(_hash(bits, hashed + count.to_bytes(4, "big")) for count in range(len(masked) // size + 1))
    block = int.from_bytes(masked, "big") ^ int.from_bytes(mask[: len(masked)], "big")
    block %= 1 << (length - 8 * (size + 1))  # clear the bits that are above the modulus
    padding, salt = divmod(block, 1 << 8 * size)
    expected = _hash(bits, bytes(8) + digest + salt.to_bytes(size, "big"))
    return padding == 1 and hashed == expected and trailer == b"\xbc"


def _ec_verify(key: EcKey, digest: bytes, signature: bytes) -> bool:
    """Verify ECDSA (FIPS 186-5 section 6.4.2); the signature is r and s side by side (RFC 7518 section 3.4).

    No digest here is longer than the order of its curve, so none is truncated.
    """
    curve = CURVES[key.curve]
    order, size = curve.order, curve.size
    r, s = int.from_bytes(signature[:size], "big"), int.from_bytes(signature[size:], "big")
    if len(signature) != 2 * size or not 0 < r < order or not 0 < s < order:
        return False
    inverse = pow(s, -1, order)
    m, n = int.from_bytes(digest, "big") * inverse % order, r * inverse % order
    point = _sum_of_multiples(m, curve.base, n, (key.x, key.y), curve.prime)
    return point is not None and point[0] % order == r


def _sum_of_multiples(m: int, p: Point, n: int, q: Point, prime: int) -> Point:
    """Return mp + nq, with both factors read bit by bit side by side (Shamir's trick)."""
    choices = (None, p, q, _add(p, q, prime))
    total: Point = None
    for bit in range(max(m.bit_length(), n.bit_length()) - 1, -1, -1):
        total = _add(total, total, prime)
        total = _add(total, choices[(m >> bit & 1) + 2 * (n >> bit & 1)], prime)
    return total


def _add(p: Point, q: Point, prime: int) -> Point:
    """Return p + q, on a curve whose linear factor is -3, for any two points: equal, opposite and infinite ones too."""
    if p is None or q is None:
        return p or q
    (px, py), (qx, qy) = p, q
    if px != qx:
        slope = (qy - py) * pow(qx - px, -1, prime)
    elif (py + qy) % prime:
        slope = 3 * (px * px - 1) * pow(2 * py, -1, prime)
    else:
        return None
    x = (slope * slope - px - qx) % prime
    return x, (slope * (px - x) - py) % prime
