"""What every way of signing in has to hand, and what it does with an answer that holds tokens."""

from __future__ import annotations

from ..protocol import id_token, token_response
from ..values import TYPE_CHECKING, Value

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..edges.record import Edges
    from ..protocol.discovery import Metadata
    from ..protocol.messages import Request, Response
    from ..settings import Settings
    from ..tokens import TokenSet
    from .keys import KeySet


class Attempt(Value):
    """One sign-in. `keep` saves the tokens; it is called before anybody hears of success."""

    settings: Settings
    metadata: Metadata
    edges: Edges
    keys: KeySet
    keep: Callable[[TokenSet], None]
    show_qr: bool = True

    def token_request(self, fields: Mapping[str, str | None]) -> Request:
        """Return a request to the token endpoint in this client's name."""
        return token_response.token_request(self.metadata, fields, self.settings.client_id, self.settings.client_secret)

    def accept(self, response: Response, nonce: str | None = None) -> TokenSet:
        """Judge a token answer, keep its tokens and return them.

        Raise Unreachable, Refused, or what `keep` raises.
        """
        now = self.edges.now()
        token = token_response.parse(response, "signing in failed", now, self.settings.scope or None)
        if token.id_token:
            expected = id_token.Expected(self.metadata.issuer, self.settings.client_id, now, nonce, token.access_token)
            self.keys.verify_direct(id_token.check(token.id_token, expected))
        token = token._replace(issuer=self.metadata.issuer, client_id=self.settings.client_id)
        self.keep(token)
        return token
