"""A token in hand."""

from __future__ import annotations

from .tokens import TokenSet
from .values import TYPE_CHECKING, Value

if TYPE_CHECKING:
    from .errors import StoreFailed


class Held(Value):
    """A token, where it came from, where it is kept (None: nowhere), and what went wrong in keeping it."""

    token: TokenSet
    source: str
    store: str | None = None
    save_failure: StoreFailed | None = None


def from_environment(access_token: str) -> Held:
    """Return a ready access token; what it says of its end, where it is a JWT, is believed."""
    from .protocol.jwt import claimed_expiry  # a stored token says itself when it expires

    return Held(TokenSet(access_token, expires_at=claimed_expiry(access_token)), "environment")
