"""The stand-in's keys, and the tokens it makes with them.

The keys are TEST KEYS: public, made once with `openssl genrsa` and `openssl ecparam`, protecting
nothing. Signing is plain Python, so that nothing has to be installed; it does not try to take
constant time. `Mint` issues tokens and knows which of them are still good.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

Claims = dict[str, Any]
Point = tuple[int, int]


def b64url(data: bytes) -> str:
    """Encode as base64url without padding (RFC 7515 §2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def b64url_number(number: int) -> str:
    """Encode a JWK integer, big-endian in as few bytes as it needs (RFC 7518 §2)."""
    return b64url(number.to_bytes((number.bit_length() + 7) // 8, "big"))


def at_hash(access_token: str) -> str:
    """Hash an access token for the ID token beside it (OpenID Connect Core §3.1.3.6)."""
    return b64url(hashlib.sha256(access_token.encode()).digest()[:16])


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


RSA_PRIME_1 = int(
    "fcb4453afd4b02cd3f2bb8d872d4d894f0f386ace25c8dd09914ca57abfc3040"
    "902b1b8d5f06c48e200c3b546f35ad4e0f7b042ae47a3cc9535c7e5ff0414c1e"
    "78ff72c0b9ebc11a2e67d33958f392b0ef108548291144a9feaa411be1b3b8bc"
    "e4228c26e0009d1327c7eecfd2fa73022401c392d1747bf89d3f9418dbfe4025",
    16,
)
RSA_PRIME_2 = int(
    "ee29db07953e8cc7d9b1bc5faceca25e88ae2b8a3c1186eaf81608c691b4726c"
    "bae09e3835232f9a9a992d8a9f6c585bdc1350c6d17b03881679bfad5204381d"
    "dc98157e552fba61713311f3636a8699e43a16f508d5db2b78943778f3f420cc"
    "3933472c7585d6b5253e30414052c2b79e55b5cb50e1bd9ce814a75095d845df",
    16,
)


class RS256:
    """RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518 §3.3)."""

    kid = "test-rsa"
    exponent = 65537
    modulus = RSA_PRIME_1 * RSA_PRIME_2
    size = (modulus.bit_length() + 7) // 8
    digest_info = bytes.fromhex("3031300d060960864801650304020105000420")  # SHA-256

    def sign(self, message: bytes) -> bytes:
        """Return the signature of a message."""
        return self._private(self._padded(message)).to_bytes(self.size, "big")

    def _padded(self, message: bytes) -> int:
        """Encode as EMSA-PKCS1-v1_5 (RFC 8017 §9.2)."""
        info = self.digest_info + hashlib.sha256(message).digest()
        filler = b"\xff" * (self.size - len(info) - 3)
        return int.from_bytes(b"\x00\x01" + filler + b"\x00" + info, "big")

    def _private(self, message: int) -> int:
        """Raise to the private exponent, by primes: four times as fast (RFC 8017 §5.1.2)."""
        p, q = RSA_PRIME_1, RSA_PRIME_2
        by_p = pow(message, pow(self.exponent, -1, p - 1), p)
        by_q = pow(message, pow(self.exponent, -1, q - 1), q)
        return by_q + q * ((by_p - by_q) * pow(q, -1, p) % p)

    def jwks(self) -> list[dict[str, str]]:
        """Return the public key."""
        numbers = {"n": b64url_number(self.modulus), "e": b64url_number(self.exponent)}
        return [{"kty": "RSA", "use": "sig", "alg": "RS256", "kid": self.kid, **numbers}]


class ES256:
    """ECDSA on P-256 with SHA-256 (RFC 7518 §3.4; curve: FIPS 186-4 D.1.2.3)."""

    kid = "test-ec"
    prime = 2**256 - 2**224 + 2**192 + 2**96 - 1
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    base = (
        0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
        0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
    )
    private = 0xF6302F9A9817E09FDBF094587F67F7C365ABBEA4E909725AAAEB22418EEAA0F3

    def sign(self, message: bytes) -> bytes:
        """Return the signature, r and s side by side."""
        digest = int.from_bytes(hashlib.sha256(message).digest(), "big")
        once = 1 + secrets.randbelow(self.order - 1)
        r = self._times(once, self.base)[0] % self.order
        s = pow(once, -1, self.order) * (digest + r * self.private) % self.order
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

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
        x, y = (b64url(c.to_bytes(32, "big")) for c in self._times(self.private, self.base))
        point = {"crv": "P-256", "x": x, "y": y}
        return [{"kty": "EC", "use": "sig", "alg": "ES256", "kid": self.kid, **point}]


SIGNERS: dict[str, Signer] = {"HS256": HS256(), "RS256": RS256(), "ES256": ES256()}


def encode_jwt(claims: Claims, algorithm: str) -> str:
    """Sign claims as a compact JWT (RFC 7515 §3.1)."""
    signer = SIGNERS[algorithm]
    header = {"alg": algorithm, "typ": "JWT"} | ({"kid": signer.kid} if signer.kid else {})
    message = ".".join(b64url(json.dumps(part).encode()) for part in (header, claims))
    return f"{message}.{b64url(signer.sign(message.encode()))}"


@dataclass(eq=False)
class Family:
    """One grant, and the refresh token that stands for it now (RFC 9700 §4.14.2)."""

    client_id: str
    subject: str
    scope: str
    auth_time: int
    refresh_token: str | None = None
    refresh_expires: float = 0
    alive: bool = True

    def is_machine(self) -> bool:
        """Tell whether a client got it for itself, without a user."""
        return self.subject.startswith("client:")


class Access(NamedTuple):
    """An access token that has not been revoked."""

    family: Family
    expires: float


@dataclass(eq=False, repr=False)
class Mint:
    """Issue tokens and keep the books on them; times are in seconds."""

    rotation: bool = True
    refresh_tokens: bool = True
    access_ttl: int = 3600
    refresh_ttl: int = 86400
    signing: str = "HS256"
    base_url: str | None = None  # `iss` of access tokens and TokenInfo, if it is not the issuer
    client_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    clock: Callable[[], float] = time.time

    def __post_init__(self) -> None:
        self.lock = threading.RLock()
        self.user: Claims = {
            "sub": str(uuid.uuid4()),
            "name": "Jane Doe",
            "preferred_username": "jane",
            "updated_at": 1735689600,
            "email": "jane@example.com",
            "email_verified": True,
        }
        self.families: dict[str, Family] = {}  # by every refresh token they ever had
        self.access: dict[str, Access] = {}
        self.issued: set[str] = set()

    @property
    def issuer(self) -> str:
        """Return the issuer identifier."""
        raise NotImplementedError

    # -- what tests arrange

    def issue(self, scope: str = "profile email", client_id: str | None = None, ttl: int | None = None) -> Claims:
        """Return a token response as after a sign-in; `ttl` is that of the access token."""
        with self.lock:
            family = self.new_family(client_id or self.client_id, scope)
            return self.with_id_token(self.tokens(family, ttl), family)

    def sign(self, claims: Claims, algorithm: str | None = None) -> str:
        """Sign claims with this server's key, true or not."""
        token = encode_jwt(claims, algorithm or self.signing)
        self.issued.add(token)
        return token

    def revoke_access(self, token: str) -> None:
        """Make an access token worthless."""
        with self.lock:
            self.access.pop(token, None)

    def revoke_family(self, refresh_token: str) -> None:
        """End a grant: its refresh token and every access token."""
        with self.lock:
            self.end(self.families[refresh_token])

    def family_alive(self, refresh_token: str) -> bool:
        """Tell whether the grant that a refresh token came from can still be refreshed."""
        with self.lock:
            return self.refreshable(self.families[refresh_token])

    # -- the books; the caller holds the lock

    def new_family(self, client_id: str, scope: str, auth_time: int | None = None) -> Family:
        """Open a grant of the user to a client."""
        return Family(client_id, self.user["sub"], scope, auth_time or int(self.clock()))

    def refreshable(self, family: Family) -> bool:
        """Tell whether a family's newest refresh token is good."""
        return family.alive and self.clock() < family.refresh_expires

    def end(self, family: Family) -> None:
        """Revoke a family's refresh token and every access token."""
        family.alive = False
        self.access = {t: a for t, a in self.access.items() if a.family is not family}

    def tokens(self, family: Family, ttl: int | None = None) -> Claims:
        """Return a token response (RFC 6749 §5.1)."""
        ttl = self.access_ttl if ttl is None else ttl
        token = self._token(family, "access", ttl, self.signing)
        self.access[token] = Access(family, self.clock() + ttl)
        answer = {"access_token": token, "token_type": "Bearer", "expires_in": max(ttl, 0)}
        if self.refresh_tokens and not family.is_machine():
            answer["refresh_token"] = self._refresh_token(family)
        return answer | {"scope": family.scope}

    def _refresh_token(self, family: Family) -> str:
        """Return a family's refresh token: a new one each time when they rotate."""
        if family.refresh_token is None or self.rotation:
            family.refresh_expires = self.clock() + self.refresh_ttl
            family.refresh_token = self._token(family, "refresh", self.refresh_ttl, "HS256")
            self.families[family.refresh_token] = family
        return family.refresh_token

    def _token(self, family: Family, kind: str, ttl: int, algorithm: str) -> str:
        now = self.clock()
        claims = {
            "iss": self.base_url or self.issuer,
            "sub": family.subject,
            "user_id": family.subject,
            "client_id": family.client_id,
            "scope": family.scope,
            "type": kind,
            "iat": int(now),
            "exp": int(now + ttl),
            "jti": str(uuid.uuid4()),  # no two tokens are ever equal
        }
        return self.sign(claims, algorithm)

    def with_id_token(self, answer: Claims, family: Family, nonce: str | None = None) -> Claims:
        """Add an ID token when openid was asked for (OpenID Connect Core §2)."""
        if "openid" not in family.scope.split():
            return answer
        now = int(self.clock())
        claims = {
            "iss": self.issuer,
            "sub": family.subject,
            "aud": family.client_id,
            "iat": now,
            "exp": now + self.access_ttl,
            "auth_time": family.auth_time,
            "at_hash": at_hash(answer["access_token"]),
        }
        claims |= self.profile(family.scope) | ({"nonce": nonce} if nonce else {})
        return answer | {"id_token": self.sign(claims)}

    def profile(self, scope: str) -> Claims:
        """Return what a scope tells about the user (OpenID Connect Core §5.4)."""
        granted = scope.split()
        of_claim = {name: "email" if name.startswith("email") else "profile" for name in self.user}
        del of_claim["sub"]
        return {name: self.user[name] for name, needed in of_claim.items() if needed in granted}
