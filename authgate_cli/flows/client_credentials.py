"""Sign a machine in: the client credentials grant (RFC 6749 section 4.4)."""

from __future__ import annotations

from ..errors import UsageError
from ..values import TYPE_CHECKING

if TYPE_CHECKING:
    from ..tokens import TokenSet
    from .attempt import Attempt


def sign_in(attempt: Attempt) -> TokenSet:
    """Return a token for the client itself; nobody is asked."""
    if not attempt.settings.client_secret:
        raise UsageError("client credentials need a secret", "set CLIENT_SECRET in the environment or in .env")
    fields = {"grant_type": "client_credentials", "scope": attempt.settings.scope or None}
    with attempt.edges.uninterrupted():
        return attempt.accept(attempt.edges.send(attempt.token_request(fields)))
