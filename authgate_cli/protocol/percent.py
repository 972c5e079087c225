"""Encode what goes into queries, forms and Basic headers."""

from __future__ import annotations

import binascii
from urllib.parse import parse_qsl, quote, unquote, urlencode

from ..values import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def form(fields: Mapping[str, str | None]) -> str:
    """Return fields as application/x-www-form-urlencoded; those that are None are left out."""
    return urlencode(_present(fields))


def with_query(url: str, fields: Mapping[str, str | None]) -> str:
    """Append fields to a URL, keeping the query it has (RFC 6749 section 3.1)."""
    return f"{url}{'&' if '?' in url else '?'}{urlencode(_present(fields), quote_via=quote)}"


def _present(fields: Mapping[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in fields.items() if value is not None}


def read_query(query: str) -> dict[str, str]:
    """Return a query's fields. Raise ValueError when one comes twice (RFC 6749 section 3.1)."""
    pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=50)
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("a field comes twice")
    return fields


def decode(text: str) -> str:
    """Undo percent encoding."""
    return unquote(text)


def basic(user: str, password: str) -> str:
    """Return the value of a Basic Authorization header (RFC 7617)."""
    return "Basic " + binascii.b2a_base64(f"{user}:{password}".encode(), newline=False).decode()


def client_basic(client_id: str, secret: str) -> str:
    """Return a client's Basic header: both parts are form-encoded first (RFC 6749 section 2.3.1)."""
    return basic(urlencode({"": client_id})[1:], urlencode({"": secret})[1:])
