"""Keep tokens in the system's keyring, if there is one.

The `keyring` package is used only when it can be imported, and never prevents a sign-in:
system/keyring_process.py runs it in a child process with a time limit. A write is read back. Service
and user names, and the value, are those of AuthGate's SDKs.
"""

from __future__ import annotations

from contextlib import suppress

from ..errors import StoreFailed
from ..system.keyring_process import SERVICE, ask
from ..text import ISSUER, clean
from ..tokens import TokenSet
from ..values import TYPE_CHECKING
from . import token_file
from .token_file import Entry, Found, Owner, account_of, find_for_issuer

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

# Seconds. While a person may be typing the keyring's password the wait is long.
_PATIENCE_ATTENDED, _PATIENCE_ALONE = 120.0, 3.0


class KeyringStore:
    """One owner's entry in the keyring. Every method can raise StoreFailed."""

    label = title = "keyring"

    def __init__(
        self,
        owner: Owner,
        now: Callable[[], float],
        attended: bool,
        tell: Callable[[str], None],
        lock_path: str,
        trusted: bool = True,
    ):
        """Use the refresh lock of `lock_path`, which is the same for all processes that use this keyring."""
        self._owner, self._trusted = owner, trusted
        self._now, self._tell, self.lock_path = now, tell, lock_path
        self._patience = _PATIENCE_ATTENDED if attended else _PATIENCE_ALONE
        self._unusable: StoreFailed | None = None

    def find(self) -> Found:
        """Return the token of this owner, if there is one."""
        return self._find(self._read())

    def entries(self) -> list[Entry]:
        """Return all tokens of the index, whichever clients and issuers they belong to."""
        found = []
        for listed, text in self._ask("list"):
            if token := token_file.read_entry(text):
                key, client_id = listed["key"], listed["client_id"]
                found.append(Entry(key, client_id, token.issuer or listed["issuer"], account_of(key, client_id), token))
        return found

    def check_writable(self) -> None:
        """Do nothing: the token was just read from the keyring; whether it saves one is only known afterwards."""

    def prepare(self) -> str:
        """Make sure that the keyring saves what is written to it; return the label."""
        if not self._ask("try"):
            raise StoreFailed("the keyring does not save what it is given", "use --store file")
        return self.label

    def save(self, token: TokenSet, before: TokenSet | None = None) -> str:
        """Write the token and read it back; one that comes back different is removed. Return the label.

        Raise Superseded if a token other than `before`, which was refreshed, is stored by now.
        """
        stored = self._read()
        found = self._find(stored)
        found.require_not_newer(before)
        key = found.key
        text = token_file.write_entry(token, self._now(), stored.get(key))
        listed = {**self._owner._asdict(), "issuer": token.issuer or self._owner.issuer}
        with suppress(StoreFailed):
            if self._ask("write", key, text, listed):
                return self.label
        # An older entry, even one that was written only in part, would be found first, and its tokens are spent.
        try:
            removed = ask(_PATIENCE_ALONE, self._tell, "write", key, None, None)
        except StoreFailed:
            removed = False
        message, hint = "the keyring did not save the token", "use --store file"
        if not removed:
            message += ", and an older one may be left in it"
            hint = f"remove the entry {clean(key, ISSUER)} of the service {SERVICE} from the keyring"
        raise StoreFailed(message, hint)

    def forget(self) -> None:
        """Remove the token, from every key that holds one."""
        stored = self._read()
        while (found := self._find(stored)).token:
            self._forget_key(found.key)
            del stored[found.key]

    def forget_entry(self, entry: Entry) -> None:
        """Remove one of `entries`."""
        self._forget_key(entry.key)

    def _forget_key(self, key: str) -> None:
        if not self._ask("write", key, None, None):
            failure = StoreFailed("the keyring did not remove the token", "delete it with the keyring's own program")
            failure.still_there = True
            raise failure

    def describe(self) -> str:
        """Return the backend's name, for `doctor`. Raise KeyringUnavailable if none is usable."""
        return str(self._ask("name"))

    def _read(self) -> dict[str, str]:
        """Return what is stored under each key that may hold the token of this owner."""
        return dict(self._ask("read", *self._owner.keys))

    def _find(self, stored: dict[str, str]) -> Found:
        return find_for_issuer(lambda key: token_file.read_entry(stored.get(key)), self._owner, self._trusted)

    def _ask(self, action: str, *arguments: object) -> Any:
        if self._unusable is not None:
            raise self._unusable  # do not wait again
        try:
            return ask(self._patience, self._tell, action, *arguments)
        except StoreFailed as error:
            self._unusable = error
            raise
