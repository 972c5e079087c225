"""The tokens of the AuthGate stand-in: what it issues, and which of them are still good.

`Grant` is what one person gave to one client; all its tokens end together.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from .keys import Claims, at_hash, encode_jwt


@dataclass(eq=False)
class Grant:
    """A person's consent, or a machine's own right, and the refresh token that is good now."""

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

    grant: Grant
    expires: float


@dataclass(eq=False, repr=False)
class TokenIssuer:
    """Issue tokens and remember them; times are in seconds."""

    rotation: bool = True  # a refresh gives a new refresh token, and a second use of the old one ends the grant
    refresh_tokens: bool = True
    access_ttl: int = 3600
    refresh_ttl: int = 86400
    signing: str = "HS256"
    base_url: str | None = None  # as the server is configured, perhaps with a slash that its issuer has not
    client_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    clock: Callable[[], float] = time.time

    def __post_init__(self) -> None:
        self.lock = threading.RLock()
        self.user: Claims = {
            "sub": str(uuid.uuid4()),
            "name": "Jane Doe",
            "preferred_username": "jane",
            "picture": "https://pictures.example.com/jane.png",
            "updated_at": 1735689600,
            "email": "jane@example.com",
            "email_verified": True,
        }
        self.families: dict[str, Grant] = {}  # by every refresh token that they ever had
        self.access: dict[str, Access] = {}
        self.issued: set[str] = set()

    @property
    def issuer(self) -> str:
        """Return the issuer identifier."""
        raise NotImplementedError

    # -- what tests arrange

    def issue(self, scope: str = "profile email", client_id: str | None = None, ttl: int | None = None) -> Claims:
        """Return a token response as after a sign-in; `ttl` is the lifetime of the access token."""
        with self.lock:
            grant = self.new_grant(client_id or self.client_id, scope)
            return self.with_id_token(self.tokens(grant, ttl), grant)

    def sign(self, claims: Claims, algorithm: str | None = None) -> str:
        """Sign claims, true or not, with this server's key."""
        token = encode_jwt(claims, algorithm or self.signing)
        self.issued.add(token)
        return token

    def revoke_access(self, token: str) -> None:
        """Make an access token invalid."""
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

    # -- the caller holds the lock

    def new_grant(self, client_id: str, scope: str, auth_time: int | None = None) -> Grant:
        """Return a new grant of the user to a client."""
        return Grant(client_id, self.user["sub"], scope, auth_time or int(self.clock()))

    def refreshable(self, grant: Grant) -> bool:
        """Tell whether a grant's newest refresh token is good."""
        return grant.alive and self.clock() < grant.refresh_expires

    def end(self, grant: Grant) -> None:
        """Revoke a grant's refresh token and every access token."""
        grant.alive = False
        self.access = {token: access for token, access in self.access.items() if access.grant is not grant}

    def tokens(self, grant: Grant, ttl: int | None = None) -> Claims:
        """Return a token response (RFC 6749 §5.1)."""
        ttl = self.access_ttl if ttl is None else ttl
        token = self._token(grant, "access", ttl)
        self.access[token] = Access(grant, self.clock() + ttl)
        answer = {"access_token": token, "token_type": "Bearer", "expires_in": max(ttl, 0)}
        if self.refresh_tokens and not grant.is_machine():
            answer["refresh_token"] = self._refresh_token(grant)
        return {**answer, "scope": grant.scope}

    def _refresh_token(self, grant: Grant) -> str:
        """Return a grant's refresh token: with rotation a new one each time."""
        if grant.refresh_token is None or self.rotation:
            grant.refresh_expires = self.clock() + self.refresh_ttl
            grant.refresh_token = self._token(grant, "refresh", self.refresh_ttl)
            self.families[grant.refresh_token] = grant
        return grant.refresh_token

    def _token(self, grant: Grant, kind: str, ttl: int) -> str:
        now = self.clock()
        claims = {
            "iss": self.base_url or self.issuer,
            "sub": grant.subject,
            "user_id": grant.subject,
            "client_id": grant.client_id,
            "scope": grant.scope,
            "type": kind,
            "iat": int(now),
            "exp": int(now + ttl),
            "jti": str(uuid.uuid4()),  # no two tokens are ever equal
        }
        return self.sign(claims)

    def with_id_token(self, answer: Claims, grant: Grant, nonce: str | None = None) -> Claims:
        """Add an ID token when openid was asked for (OpenID Connect Core §2)."""
        if "openid" not in grant.scope.split():
            return answer
        now = int(self.clock())
        claims = {
            "iss": self.issuer,
            "sub": grant.subject,
            "aud": grant.client_id,
            "iat": now,
            "exp": now + self.access_ttl,
            "auth_time": grant.auth_time,
            "at_hash": at_hash(answer["access_token"], self.signing),
            **self.profile(grant.scope),
            **({"nonce": nonce} if nonce else {}),
        }
        return {**answer, "id_token": self.sign(claims)}

    def profile(self, scope: str) -> Claims:
        """Return what a scope tells about the user (OpenID Connect Core §5.4)."""
        granted = scope.split()
        scope_of = {name: "email" if name.startswith("email") else "profile" for name in self.user if name != "sub"}
        return {name: self.user[name] for name, needed in scope_of.items() if needed in granted}
