"""Check signatures by the keys that the server publishes."""

from __future__ import annotations

from .errors import Refused
from .oauth import jwks
from .oauth.id_token import UNVERIFIED
from .oauth.messages import check_data, get, refused
from .oauth.strict_json import parse_object
from .values import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from .oauth.jwks import Key
    from .oauth.jwt import Jwt
    from .oauth.messages import Request, Response

_WHAT = "the server's keys cannot be fetched"


class KeySet:
    """A server's published keys, fetched when they are needed, and once more for a new one."""

    def __init__(self, send: Callable[[Request], Response], jwks_uri: str | None):
        self._send, self._jwks_uri = send, jwks_uri
        self._keys: tuple[Key, ...] | None = None

    def load(self) -> None:
        """Fetch the keys now, if the server publishes any: before a person or a refresh token is spent."""
        if self._jwks_uri is not None and self._keys is None:
            self._keys = self._fetch(self._jwks_uri)

    def verify(self, token: Jwt) -> Key:
        """Return the key that signed a JWT. Raise Refused when none did, Unreachable without keys."""
        self.load()
        if self._jwks_uri is None or self._keys is None:
            raise Refused(
                "the server does not publish the keys that it signs with",
                "only the server can check the token: authgate.pyz status",
            )
        try:
            return jwks.verify_jwt(token, self._keys)
        except jwks.UnknownKey:
            self._keys = self._fetch(self._jwks_uri)
            return jwks.verify_jwt(token, self._keys)

    def verify_id_token(self, token: Jwt) -> None:
        """Check an ID token that came straight from the token endpoint, over TLS or loopback.

        There the connection proves what a symmetric signature cannot show us (OpenID Connect Core
        section 3.1.3.7, rules 6 to 8). `id_token.check` has refused every other algorithm.
        """
        if token.header["alg"] == UNVERIFIED:
            return
        try:
            self.verify(token)
        except Refused as error:
            error.hint = error.hint or jwks.OPERATOR
            raise

    def _fetch(self, uri: str) -> tuple[Key, ...]:
        response = self._send(get(uri))
        check_data(response, _WHAT)
        if response.status != 200:
            raise refused(_WHAT, response)
        try:
            return jwks.parse(parse_object(response.body))
        except ValueError as error:
            raise Refused(f"the server's keys cannot be used: {error}") from None
