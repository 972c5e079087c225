"""Keep tokens in the system's keyring, if there is one.

The `keyring` package is used only when it can be imported, and never prevents a sign-in: every
use of it runs in a child process with a time limit; only backends that keep secrets in the system's
own store are used; a write is read back. Service and user names, and the value, are those
of AuthGate's SDKs. A keyring cannot be listed, so the user name `#index` holds a JSON list of
what is stored, updated at every save and removal.
"""

from __future__ import annotations

import json
from contextlib import suppress

from ..errors import StoreFailed
from ..oauth.parsing import load
from ..system.keyring_process import SERVICE, KeyringProcess
from ..system.threads import TookTooLong, call_within
from ..text import ISSUER, clean
from ..tokens import TokenSet
from ..values import TYPE_CHECKING
from . import token_file
from .token_file import Entry, Found, Owner, account_of, find_for_issuer

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    Listed = dict[str, Any]
    T = TypeVar("T")

INDEX = "#index"
# Seconds. While a person may be typing the keyring's password the wait is long.
_PATIENCE_ATTENDED, _PATIENCE_ALONE = 120.0, 3.0


class KeyringStore:
    """One owner's entry in the keyring. Every method can raise StoreFailed."""

    name = label = title = "keyring"

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
        self._works = False
        self._unusable: StoreFailed | None = None

    def find(self) -> Found:
        """Return the token of this owner, if there is one."""
        return self._ask(self._find)

    def entries(self) -> list[Entry]:
        """Return all tokens of the index, whichever clients and issuers they belong to."""

        def read(keyring: KeyringProcess) -> list[Entry]:
            found = []
            for key, listed in _read_index(keyring).items():
                if token := token_file.read_entry(keyring.get(key)):
                    client_id, issuer = listed["client_id"], token.issuer or listed["issuer"]
                    found.append(Entry(key, client_id, issuer, account_of(key, client_id), token))
            return found

        return self._ask(read)

    def check_writable(self) -> None:
        """Make sure that there is a usable keyring; whether it saves a token is only known afterwards."""
        if not self._works:
            self.find()

    def prepare(self) -> str:
        """Prepare for a new sign-in; return the label."""
        self.check_writable()
        return self.label

    def save(self, token: TokenSet) -> str:
        """Write the token and read it back; one that comes back different is removed. Return the label."""
        key: str | None = None

        def write(keyring: KeyringProcess) -> bool:
            nonlocal key
            place = self._find(keyring).key
            text = str(token_file.write_entry(token, self._now(), keyring.get(place)))
            key = place  # from here on an older entry is out of date, even if the write fails
            keyring.set(key, text)
            if keyring.get(key) != text:
                return False
            _update_index(keyring, key, {**self._owner._asdict(), "issuer": token.issuer or self._owner.issuer})
            return True

        try:
            if self._ask(write):
                return self.label
        except StoreFailed:
            if key is None:
                raise
        self._remove_stale(str(key))
        raise StoreFailed("the keyring did not save the token", "use --store file")

    def forget(self) -> bool:
        """Remove the token; tell whether there was one."""

        def forget(keyring: KeyringProcess) -> bool:
            found = self._find(keyring)
            if found.token is not None:
                _delete(keyring, found.key)
            return found.token is not None

        return self._ask(forget)

    def forget_entry(self, key: str) -> None:
        """Remove what is stored under a key of `entries`."""
        self._ask(lambda keyring: _delete(keyring, key))

    def describe(self) -> str:
        """Return the backend's name, for `doctor`. Raise KeyringUnavailable if none is usable."""
        return self._ask(KeyringProcess.describe)

    def _find(self, keyring: KeyringProcess) -> Found:
        return find_for_issuer(lambda key: token_file.read_entry(keyring.get(key)), self._owner, self._trusted)

    def _ask(self, action: Callable[[KeyringProcess], T]) -> T:
        if self._unusable is not None:
            raise self._unusable  # do not wait again
        try:
            result = self._ask_within(self._patience, action)
        except StoreFailed as error:
            self._unusable = error
            raise
        self._works = True
        return result

    def _ask_within(self, seconds: float, action: Callable[[KeyringProcess], T]) -> T:
        with KeyringProcess(seconds + 5) as keyring:
            try:
                return call_within(lambda: action(keyring), seconds, lambda: self._tell("waiting for the keyring …"))
            except TookTooLong:
                raise StoreFailed(
                    f"the keyring did not answer within {seconds:.0f} s", "unlock it, or use --store file"
                ) from None

    def _remove_stale(self, key: str) -> None:
        """Remove an entry that was replaced elsewhere: it would be found first, and its tokens are spent."""
        try:
            self._ask_within(_PATIENCE_ALONE, lambda keyring: _delete(keyring, key))
        except StoreFailed as error:
            raise StoreFailed(
                "the keyring did not save the token, and an older one may be left in it",
                f"remove the entry {clean(key, ISSUER)} of the service {SERVICE} from the keyring",
            ) from error


def _delete(keyring: KeyringProcess, key: str) -> None:
    with suppress(StoreFailed):  # PasswordDeleteError if there was nothing; only the check below counts
        keyring.delete(key)
    if keyring.get(key) is not None:
        raise StoreFailed("the keyring did not remove the token", "delete it with the keyring's own program")
    _update_index(keyring, key, None)


def _update_index(keyring: KeyringProcess, key: str, listed: Listed | None) -> None:
    """Record whose token a key holds, or (None) that it holds none."""
    before = _read_index(keyring)
    after = {other: value for other, value in before.items() if other != key or listed}
    if listed:
        after[key] = {**before.get(key, {}), "key": key, **listed}
    if after != before:
        with suppress(StoreFailed):  # for example a list too long for Windows; the token itself is stored or removed
            keyring.set(INDEX, json.dumps(list(after.values()), separators=(",", ":")))


def _read_index(keyring: KeyringProcess) -> dict[str, Listed]:
    """Return what the index says about each key; entries that are not understood are left out."""
    try:
        index = load(keyring.get(INDEX) or "[]")
    except ValueError:
        return {}
    names = ("key", "client_id", "issuer")
    return {
        listed["key"]: listed
        for listed in (index if isinstance(index, list) else [])
        if isinstance(listed, dict) and all(isinstance(listed.get(name), str) for name in names)
    }
