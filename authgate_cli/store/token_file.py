"""Parse and write the token file that AuthGate's clients share, and find an owner's entry, without any I/O.

Four dialects exist. bash-cli, the Python SDK and the Go SDK keep `{"data": {client_id: TEXT}}`
where TEXT is JSON; the older Go clients keep `{"tokens": {client_id: {...}}}`. They differ in
`expires_at`: a string of digits, a float, RFC 3339. The rules for all of them:

- every dialect is read, and also an entry that is an object instead of text;
- other keys, fields and clients survive a write;
- a rewritten entry stays readable by its writer: same map, same kind of entry, same kind of
  `expires_at`; if it has only the Python SDK's five fields, none is added, because that SDK rejects others.
"""

from __future__ import annotations

import json
import re

from ..oauth.parsing import claimed_lifetime, claimed_text, is_time, load
from ..settings import EXPORT
from ..text import ISSUER, clean
from ..tokens import TokenSet, is_digits, is_secret, parse_rfc3339, rfc3339
from ..urls import same_issuer
from ..values import TYPE_CHECKING, Value

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Document = dict[str, Any]
    Fields = dict[str, Any]

_PYTHON_SDK = {"access_token", "refresh_token", "token_type", "expires_at", "client_id"}
_MAPS = ("data", "tokens")
_NO_TIME = "0001-01-01T00:00:00Z"  # Go's zero time


def parse(data: bytes) -> Document:
    """Read a token file's bytes; empty means no entries. Raise ValueError if it is corrupt."""
    if not data.strip():
        return {}
    try:
        document = _load(data.decode(json.detect_encoding(data), "surrogatepass"))
    except ValueError:
        raise ValueError("not JSON, or nested too deeply") from None
    if not isinstance(document, dict):
        raise ValueError("not a JSON object")
    if not all(isinstance(_entries(document, name), dict) for name in _MAPS):
        raise ValueError("its maps are not JSON objects")
    return document


def serialise(document: Document) -> bytes:
    """Return the bytes of a document, like the other clients: indented JSON with a line end."""
    return (_dump(document, 2) + "\n").encode()


def get(document: Document, key: str) -> TokenSet | None:
    """Return the entry of this key in either map, or None if there is no usable one."""
    for name in _MAPS:
        if token := read_entry(_entries(document, name).get(key)):
            return token
    return None


def entries(document: Document) -> list[Entry]:
    """Return all entries that hold a token; a key may be in both maps."""
    found = []
    for key, entry in (item for name in _MAPS for item in _entries(document, name).items()):
        if token := read_entry(entry):
            client_id = token.client_id or key
            found.append(Entry(key, client_id, issuer_of(token), account_of(key, client_id), token))
    return found


def put(document: Document, key: str, token: TokenSet, now: float) -> Document:
    """Return the document with this entry written, in the dialect of the entry it replaces."""
    name = "tokens" if key in _entries(document, "tokens") and key not in _entries(document, "data") else "data"
    entries = _entries(document, name)
    return {**document, name: {**entries, key: write_entry(token, now, entries.get(key))}}


def remove(document: Document, key: str, token: TokenSet) -> Document:
    """Return the document without what either map has under this key, unless it is a token of another issuer."""
    kept = dict(document)
    for name in _MAPS:
        found = read_entry(_entries(document, name).get(key)) or token
        if key in _entries(document, name) and issuer_of(found) == issuer_of(token):
            kept[name] = {other: entry for other, entry in document[name].items() if other != key}
    return kept


def read_entry(entry: object) -> TokenSet | None:
    """Read one entry, text or object; None if it holds no access token."""
    fields = _fields(entry)
    access_token, lifetime = fields.get("access_token"), fields.get("expires_in")
    if not is_secret(access_token):
        return None
    text = {name: value for name, value in fields.items() if isinstance(value, str)}
    secret = {name: value for name, value in text.items() if is_secret(value)}
    return TokenSet(
        access_token=access_token,
        token_type=text.get("token_type") or "Bearer",
        expires_at=_expires_at(fields.get("expires_at")),
        refresh_token=secret.get("refresh_token"),
        id_token=secret.get("id_token"),
        scope=text.get("scope") or None,
        issuer=text.get("issuer") or None,
        client_id=text.get("client_id") or None,
        lifetime=lifetime if lifetime and is_time(lifetime) else claimed_lifetime(access_token),
        requested_scope=text.get("requested_scope"),
        grant_type=text.get("grant_type") or None,
    )


def write_entry(token: TokenSet, now: float, old: object = None) -> str | Fields:
    """Return one entry in the form of the one it replaces; a new one is text with every field."""
    before = _fields(old)
    written = {
        "access_token": token.access_token,
        "refresh_token": token.refresh_token or "",
        "token_type": token.token_type,
        "expires_in": 0 if token.expires_at is None else max(0, round(token.expires_at - now)),
        "expires_at": _written_time(token.expires_at, before.get("expires_at")),
        "scope": token.scope or "",
        "id_token": token.id_token or "",
        "client_id": token.client_id,
        "issuer": token.issuer,
    }
    for name in ("requested_scope", "grant_type"):
        value = getattr(token, name)
        if value is not None or name in before:
            written[name] = value or ""
    if before and set(before) <= _PYTHON_SDK:
        written = {name: value for name, value in written.items() if name in _PYTHON_SDK}
    elif before:
        written = {name: value for name, value in written.items() if value or name in before}
    fields = {**before, **written}
    if isinstance(old, dict):
        return fields
    return _dump(fields, 2 if isinstance(old, str) and "\n" in old else None)


def _entries(document: Document, name: str) -> Fields:
    """Return one of the maps; Go writes an empty one as null."""
    found = document.get(name)
    return {} if found is None else found


def _fields(entry: object) -> Fields:
    if isinstance(entry, str):
        try:
            entry = _load(entry)
        except ValueError:
            return {}
    return entry if isinstance(entry, dict) else {}


def _dump(value: Any, indent: int | None) -> str:
    """Write JSON with the numbers as they were spelled: 1.10 stays, and 1e999 does not become Infinity."""
    text, mark = json.dumps(value), "number "
    while mark in text:
        mark += "!"
    return re.sub(f'"{mark}([^"]+)"', r"\1", json.dumps(_marked(value, mark), indent=indent))


def _marked(value: Any, mark: str) -> Any:
    """Return the value with each number replaced by a string that `_dump` recognises."""
    if isinstance(value, dict):
        return {name: _marked(member, mark) for name, member in value.items()}
    if isinstance(value, list):
        return [_marked(member, mark) for member in value]
    return mark + value.spelling if isinstance(value, _Number) else value


def _load(text: str) -> Any:
    """Parse JSON and remember how each number is spelled, if an int would not be written in the same way."""
    return load(
        text,
        parse_float=_Number,
        parse_int=lambda digits: _Number(digits) if digits == "-0" or len(digits) > 20 else int(digits),
    )


class _Number(float):
    """A number with a fraction or an exponent, or a very long one, and how it is spelled."""

    def __init__(self, spelling: str) -> None:
        self.spelling = spelling


def _expires_at(value: object) -> float | None:
    if isinstance(value, str):
        value = int(value) if is_digits(value) and len(value) <= 12 else parse_rfc3339(value)
    return value if value and is_time(value) else None


def _written_time(expires_at: float | None, before: object) -> str | float:
    if isinstance(before, (int, float)) and not isinstance(before, bool):
        return (int if isinstance(before, int) else float)(expires_at or 0)
    if isinstance(before, str) and (before == "" or before.isdecimal()):
        return str(int(expires_at)) if expires_at is not None else ""
    return rfc3339(expires_at) if expires_at is not None else _NO_TIME


class Owner(Value):
    """Whose token it is: the client's at an issuer, and its account if the client has several."""

    issuer: str
    client_id: str
    account: str = ""

    @property
    def keys(self) -> tuple[str, str, str]:
        """Return the keys that its token may have, in the order of preference; the last two name the issuer."""
        key = f"{self.client_id}#{self.account}" if self.account else self.client_id
        typed = self.issuer[:-1] if self.issuer.endswith("/") else self.issuer + "/"  # one slash more or less
        return key, f"{key}@{self.issuer}", f"{key}@{typed}"


class Entry(Value):
    """A token of any owner; `issuer` is None if neither the entry nor the token names it."""

    key: str
    client_id: str
    issuer: str | None
    account: str
    token: TokenSet


class Found(Value):
    """What a store holds for an owner, under which key, and a warning about it."""

    key: str
    token: TokenSet | None = None
    warning: str | None = None

    def require_not_newer(self, before: TokenSet | None) -> None:
        """Raise Superseded if this is not the token that was refreshed, but one of a new sign-in."""
        if self.token and before and self.token.refresh_token != before.refresh_token:
            raise Superseded(self.token)


class Superseded(Exception):
    """While a token was refreshed, somebody has signed in again: `token` is the new one, and it stays."""

    def __init__(self, token: TokenSet):
        super().__init__()
        self.token = token


def find_for_issuer(get: Callable[[str], TokenSet | None], owner: Owner, trusted: bool = True) -> Found:
    """Return an owner's token and the key to save it under; `get` returns the token of a key.

    The first of `Owner.keys` is used if its token is from this issuer. If that names no issuer, it is
    used only if the issuer is `trusted`: named by the user, and not only by a `.env` that was found or
    by a stored identity.
    """
    key, *own_keys = owner.keys
    shared = get(key)
    issuer = issuer_of(shared) if shared else None
    if issuer is not None and same_issuer(issuer, owner.issuer):
        return Found(key, shared)
    for own_key in own_keys:
        own = get(own_key)
        if own and same_issuer(issuer_of(own) or "", owner.issuer):
            return Found(own_key, own)
    if shared is None:
        return Found(key)
    if issuer is not None:
        return Found(own_keys[0], None, f"ignoring a stored token issued by {clean(issuer, ISSUER)}")
    if trusted:
        return Found(key, shared, "the stored token does not name its server; using it anyway")
    warning = f"ignoring a stored token that does not name its server; {EXPORT} AUTHGATE_URL to use it"
    return Found(own_keys[0], None, warning)


def account_of(key: str, client_id: str) -> str:
    """Return the account of a key that `find_for_issuer` made; "" for any other."""
    name = key[len(client_id) + 1 :] if key.startswith(client_id + "#") else ""
    before, scheme, _ = name.partition("://")  # of an issuer; an account has none
    return before.rpartition("@")[0] if scheme else name


def issuer_of(token: TokenSet) -> str | None:
    """Return the issuer that is recorded, or that the access token names."""
    return token.issuer or claimed_text(token.access_token, "iss")
