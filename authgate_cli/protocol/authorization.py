"""Send a person to the server with a browser (RFC 6749 section 4.1, RFC 7636, OpenID Connect)."""

from __future__ import annotations

from ..values import TYPE_CHECKING, Value
from . import percent
from .pkce import challenge, new_secret

if TYPE_CHECKING:
    from collections.abc import Callable


class AuthorizationRequest(Value):
    """One attempt to sign in; every attempt has its own state, nonce and verifier."""

    client_id: str
    redirect_uri: str
    scope: str
    state: str
    verifier: str
    nonce: str | None

    def __repr__(self) -> str:
        return f"AuthorizationRequest(client_id={self.client_id!r}, redirect_uri={self.redirect_uri!r})"

    def url(self, endpoint: str) -> str:
        """Return the address to open. A nonce goes with `openid`, consent with `offline_access`:

        some servers refuse the one without the other.
        """
        fields = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": self.redirect_uri,
            "scope": self.scope or None,
            "state": self.state,
            "nonce": self.nonce,
            "code_challenge": challenge(self.verifier),
            "code_challenge_method": "S256",
            "prompt": "consent" if "offline_access" in self.scope.split() else None,
        }
        return percent.with_query(endpoint, fields)

    def exchange(self, code: str) -> dict[str, str | None]:
        """Return the fields that redeem a code (RFC 6749 section 4.1.3, RFC 7636 section 4.5)."""
        return {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.redirect_uri,
            "code_verifier": self.verifier,
        }


def new_request(
    client_id: str, redirect_uri: str, scope: str, random_bytes: Callable[[int], bytes]
) -> AuthorizationRequest:
    """Begin an attempt."""
    return AuthorizationRequest(
        client_id,
        redirect_uri,
        scope,
        state=new_secret(random_bytes),
        verifier=new_secret(random_bytes),
        nonce=new_secret(random_bytes) if "openid" in scope.split() else None,
    )
