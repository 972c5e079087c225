"""Judge what arrives at the callback URL, from a browser or pasted by a person.

Only the right path with the right state ends the waiting; everything else is answered, and the
waiting goes on. A wrong state never ends a sign-in, or anybody on the machine could.
"""

from __future__ import annotations

import hmac

from ..text import clean
from ..urls import split
from ..values import TYPE_CHECKING, Value
from . import percent

if TYPE_CHECKING:
    from ..urls import Url


class Callback(Value):
    """What the server sent back through the browser: a code, or an error (RFC 6749 section 4.1.2)."""

    code: str = ""
    error: str = ""
    description: str = ""
    issuer: str | None = None

    def __repr__(self) -> str:
        return f"Callback(error={self.error!r})"


def read_query(query: str, state: str) -> Callback | None:
    """Return what a callback's query says; None unless it belongs to this attempt."""
    try:
        fields = percent.read_query(query)
    except ValueError:
        return None
    if not hmac.compare_digest(fields.get("state", "").encode(errors="replace"), state.encode()):
        return None
    error = clean(fields.get("error", ""), 60)
    if not error and not fields.get("code"):
        return None
    return Callback(
        code="" if error else fields["code"],
        error=error,
        description=clean(fields.get("error_description", ""), 200),
        issuer=fields.get("iss"),
    )


def read_pasted(text: str, redirect: Url, state: str) -> Callback | None:
    """Return what a pasted address says; None unless it is this attempt's callback."""
    try:
        url = split(text.strip().strip("'\"<>"))
    except ValueError:
        return None
    if (url.origin, url.path or "/") != (redirect.origin, redirect.path or "/"):
        return None
    return read_query(url.query, state)


def iss_problem(callback: Callback, issuer: str, sends_iss: bool) -> str | None:
    """Say why a callback is not from this issuer (RFC 9207 section 2.4); None when it may be."""
    if callback.issuer is None:
        return "the answer does not name its server, although the server says that it does" if sends_iss else None
    if callback.issuer != issuer:
        return f"the answer is from another server ({clean(callback.issuer, 100)})"
    return None
