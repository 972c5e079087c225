"""Decide whether a stored token belongs to the configured issuer, and under which key it is kept.

A token is only ever sent to the issuer that gave it. The file's key is the client id, as every
client of it expects. When that place is taken by another issuer's token for a client of the same
name, ours stands beside it under `client_id@issuer`, and theirs is left alone.
"""

from __future__ import annotations

from ..text import clean
from ..values import TYPE_CHECKING, Value

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..tokens import TokenSet


class Found(Value):
    """What a store holds for a client at an issuer, under which key, and what to warn of."""

    key: str
    token: TokenSet | None = None
    warning: str | None = None


def find(get: Callable[[str], TokenSet | None], client_id: str, issuer: str) -> Found:
    """Look a client's token up; `get` returns what stands under a key."""
    shared = get(client_id)
    owner = _owner(shared) if shared else None
    if owner is not None and same_issuer(owner, issuer):
        return Found(client_id, shared)
    own_key = f"{client_id}@{issuer}"
    own = get(own_key)
    if own and same_issuer(_owner(own) or "", issuer):
        return Found(own_key, own)
    if shared is None:
        return Found(client_id)
    if owner is None:
        warning = "the stored token does not say which server it is from; it is used all the same"
        return Found(client_id, shared, warning)
    return Found(own_key, None, f"the stored token of this client is from {clean(owner, 100)}, and is left alone")


def _owner(token: TokenSet) -> str | None:
    if token.issuer:
        return token.issuer
    from .jwt import claimed_issuer  # tokens that we have written say whose they are

    return claimed_issuer(token.access_token)


def same_issuer(one: str, other: str) -> bool:
    """Compare issuers, a trailing slash aside: AuthGate's own tokens may keep one that discovery drops."""
    return one.removesuffix("/") == other.removesuffix("/")
