"""The keys of the AuthGate stand-in, and how it signs a JWT with them.

They are TEST KEYS: public, and they protect nothing. Signing is plain Python, so that nothing has
to be installed; it makes no attempt to take constant time.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import math
import secrets
from typing import Any, Protocol

Claims = dict[str, Any]
Point = tuple[int, int]


def b64url(data: bytes) -> str:
    """Encode as base64url without padding (RFC 7515 §2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def b64url_number(number: int) -> str:
    """Encode a JWK integer, big-endian in as few bytes as it needs (RFC 7518 §2)."""
    return b64url(number.to_bytes((number.bit_length() + 7) // 8, "big"))


def at_hash(access_token: str, algorithm: str = "HS256") -> str:
    """Hash an access token for the ID token beside it (OpenID Connect Core §3.1.3.6)."""
    digest = hashlib.new(f"sha{algorithm[2:]}", access_token.encode()).digest()
    return b64url(digest[: len(digest) // 2])


class Signer(Protocol):
    """One JWS algorithm with its key (RFC 7518 §3)."""

    @property
    def kid(self) -> str | None:
        """Return the name of the key."""

    def sign(self, message: bytes) -> bytes:
        """Return the signature of a message."""

    def jwks(self) -> list[dict[str, str]]:
        """Return the public keys that check it."""


class HS256:
    """HMAC with SHA-256: nobody but the server can check it (RFC 7518 §3.2)."""

    kid = None
    key = b"a test key that protects nothing"

    def sign(self, message: bytes) -> bytes:
        """Return the signature of a message."""
        return hmac.new(self.key, message, hashlib.sha256).digest()

    def jwks(self) -> list[dict[str, str]]:
        """Return no key: the only one is secret."""
        return []


# Eight primes instead of two: the key has 2,048 bits for whoever checks, and signing is six times as fast.
RSA_PRIMES = (
    0xFFC12B0BABFC01809440D7AD0B8869C13250DECC323A601504494209B12FC20D,
    0xFF954D8A9F9B23562C69D50D0A33DC06EFA4C7E56BE2ABE22BB842473FC15DE3,
    0xFF39988FF54BF0486121B1735FD4B093A5EC7D030503AFE4B606D9C5ADCD3707,
    0xFF9D8274E9A080599984323704D1EDAB88C3066386DE5D5C1AC0F5977E0A88BF,
    0xFF0D2ABBD0E4B141D9D430333C186C16EAF6FCB422D977645679BD76AB8106E3,
    0xFFD2001E4BB7A48D487540772427FC04FA2218B8C5949E9D2CD8C7D831D63207,
    0xFFFFAC5507DB3F3A8DCD2646D806FDF364ABDE9AE4E0DA271CC490F706262547,
    0xFFCE3EDA8F8F3EE02810EE2A7308B99F13F989FCA5A81262162974B887123DFF,
)


class RS256:
    """RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518 §3.3)."""

    kid = "test-rsa"
    hash = "sha256"
    exponent = 65537
    modulus = math.prod(RSA_PRIMES)
    size = (modulus.bit_length() + 7) // 8
    digest_info = bytes.fromhex("3031300d060960864801650304020105000420")  # SHA-256

    def sign(self, message: bytes) -> bytes:
        """Return the signature of a message."""
        return self._private(self._padded(message)).to_bytes(self.size, "big")

    def _padded(self, message: bytes) -> int:
        """Encode as EMSA-PKCS1-v1_5 (RFC 8017 §9.2)."""
        info = self.digest_info + self._digest(message)
        filler = b"\xff" * (self.size - len(info) - 3)
        return int.from_bytes(b"\x00\x01" + filler + b"\x00" + info, "big")

    def _digest(self, message: bytes) -> bytes:
        return hashlib.new(self.hash, message).digest()

    def _private(self, message: int) -> int:
        """Raise to the private exponent, modulo each prime, and combine the results (RFC 8017 §5.2.1)."""
        result = 0
        for prime in RSA_PRIMES:
            others = self.modulus // prime
            power = pow(message, pow(self.exponent, -1, prime - 1), prime)
            result += power * others * pow(others, -1, prime)
        return result % self.modulus

    def jwks(self) -> list[dict[str, str]]:
        """Return the public key."""
        numbers = {"n": b64url_number(self.modulus), "e": b64url_number(self.exponent)}
        return [{"kty": "RSA", "use": "sig", "alg": type(self).__name__, "kid": self.kid, **numbers}]


class RS384(RS256):
    """The same with SHA-384."""

    hash = "sha384"
    digest_info = bytes.fromhex("3041300d060960864801650304020205000430")


class RS512(RS256):
    """The same with SHA-512."""

    hash = "sha512"
    digest_info = bytes.fromhex("3051300d060960864801650304020305000440")


class PS256(RS256):
    """RSASSA-PSS with SHA-256 and MGF1 (RFC 7518 §3.5)."""

    def _padded(self, message: bytes) -> int:
        """Encode as EMSA-PSS (RFC 8017 §9.1.1) for a modulus of 2048 bits."""
        digest = self._digest(message)
        salt = secrets.token_bytes(len(digest))
        found = self._digest(bytes(8) + digest + salt)
        length = self.size - len(found) - 1
        block = (b"\x01" + salt).rjust(length, b"\0")
        mask = b"".join(self._digest(found + count.to_bytes(4, "big")) for count in range(length // len(found) + 1))
        masked = int.from_bytes(block, "big") ^ int.from_bytes(mask[:length], "big")
        masked %= 1 << (8 * length - 1)
        return int.from_bytes(masked.to_bytes(length, "big") + found + b"\xbc", "big")


class PS384(PS256):
    """The same with SHA-384."""

    hash = "sha384"


class PS512(PS256):
    """The same with SHA-512."""

    hash = "sha512"


class ES256:
    """ECDSA on P-256 with SHA-256 (RFC 7518 §3.4; curve: FIPS 186-4 D.1.2.3)."""

    kid = "test-ec"
    curve = "P-256"
    hash = "sha256"
    prime = 2**256 - 2**224 + 2**192 + 2**96 - 1
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    base = (
        0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
        0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
    )
    private = 0xF6302F9A9817E09FDBF094587F67F7C365ABBEA4E909725AAAEB22418EEAA0F3

    def sign(self, message: bytes) -> bytes:
        """Return the signature, r and s side by side."""
        digest = int.from_bytes(hashlib.new(self.hash, message).digest(), "big")
        once = 1 + secrets.randbelow(self.order - 1)
        r = self._times(once, self.base)[0] % self.order
        s = pow(once, -1, self.order) * (digest + r * self.private) % self.order
        return self._bytes(r) + self._bytes(s)

    def _bytes(self, number: int) -> bytes:
        return number.to_bytes((self.prime.bit_length() + 7) // 8, "big")

    def _times(self, factor: int, point: Point) -> Point:
        """Multiply a point by double and add, from the highest bit down."""
        result = point
        for bit in bin(factor)[3:]:
            result = self._plus(result, result)
            if bit == "1":
                result = self._plus(result, point)
        return result

    def _plus(self, a: Point, b: Point) -> Point:
        """Add two points; the sum is never the point at infinity here."""
        rise, run = (3 * a[0] ** 2 - 3, 2 * a[1]) if a == b else (b[1] - a[1], b[0] - a[0])
        slope = rise * pow(run, -1, self.prime) % self.prime
        x = (slope**2 - a[0] - b[0]) % self.prime
        return x, (slope * (a[0] - x) - a[1]) % self.prime

    def jwks(self) -> list[dict[str, str]]:
        """Return the public key."""
        x, y = (b64url(self._bytes(c)) for c in self._times(self.private, self.base))
        point = {"crv": self.curve, "x": x, "y": y}
        return [{"kty": "EC", "use": "sig", "alg": type(self).__name__, "kid": self.kid, **point}]


class ES384(ES256):
    """ECDSA on P-384 with SHA-384."""

    curve = "P-384"
    hash = "sha384"
    prime = 2**384 - 2**128 - 2**96 + 2**32 - 1
    order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973
    base = (
        0xAA87CA22BE8B05378EB1C71EF320AD746E1D3B628BA79B9859F741E082542A385502F25DBF55296C3A545E3872760AB7,
        0x3617DE4A96262C6F5D9E98BF9292DC29F8F41DBD289A147CE9DA3113B5F0B8C00A60B1CE1D7E819D7A431D7C90EA0E5F,
    )


class ES512(ES256):
    """ECDSA on P-521 with SHA-512."""

    curve = "P-521"
    hash = "sha512"
    prime = 2**521 - 1
    order = 2**521 - 0x5AE79787C40D069948033FEB708F65A2FC44A36477663B851449048E16EC79BF7
    base = (
        int(
            "00C6858E06B70404E9CD9E3ECB662395B4429C648139053FB521F828AF606B4D3D"
            "BAA14B5E77EFE75928FE1DC127A2FFA8DE3348B3C1856A429BF97E7E31C2E5BD66",
            16,
        ),
        int(
            "011839296A789A3BC0045C8A5FB42C7D1BD998F54449579B446817AFBD17273E66"
            "2C97EE72995EF42640C550B9013FAD0761353C7086A272C24088BE94769FD16650",
            16,
        ),
    )


ALL = (HS256, RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512)
SIGNERS: dict[str, Signer] = {signer.__name__: signer() for signer in ALL}


def encode_jwt(claims: Claims, algorithm: str) -> str:
    """Sign claims as a compact JWT (RFC 7515 §3.1)."""
    signer = SIGNERS[algorithm]
    header = {"alg": algorithm, "typ": "JWT"} | ({"kid": signer.kid} if signer.kid else {})
    message = ".".join(b64url(json.dumps(part).encode()) for part in (header, claims))
    return f"{message}.{b64url(signer.sign(message.encode()))}"
