"""A token in hand."""

from __future__ import annotations

from .values import TYPE_CHECKING, Value

if TYPE_CHECKING:
    from .errors import StoreFailed
    from .tokens import TokenSet


class Held(Value):
    """A token, where it came from, where it is kept (None: nowhere), and what went wrong in keeping it."""

    token: TokenSet
    source: str
    store: str | None = None
    save_failure: StoreFailed | None = None
