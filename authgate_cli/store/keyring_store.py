"""Keep tokens in the system's keyring, where there is one that deserves the name.

The `keyring` package is used only when it can be imported, and must never cost anybody a
sign-in: every call is bounded in time; only backends that keep secrets in the system's own store
count; a write is read back. Service and user names, and the value, are those of AuthGate's SDKs.
"""

from __future__ import annotations

import json
import sys
import threading  # noqa: F401  keyring needs it, and the thread that imports it first is the main one to it
from functools import partial

from ..errors import KeyringUnavailable, StoreFailed
from ..system.threads import TookTooLong, call_within
from ..values import TYPE_CHECKING
from . import token_file
from .token_file import Owner, find_for_issuer

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    from ..tokens import TokenSet
    from .token_file import Found

    T = TypeVar("T")

SERVICE = "authgate"
# The user name of a list of whose tokens are there: a keyring cannot be listed.
INDEX = "#index"
# Seconds. While a person may be typing the keyring's password the wait is long.
_PATIENCE_ATTENDED, _PATIENCE_ALONE = 120.0, 3.0
_TRUSTED = {
    "keyring.backends.SecretService": "Secret Service",
    "keyring.backends.kwallet": "KWallet",
    "keyring.backends.libsecret": "libsecret",
    "keyring.backends.macOS": "macOS Keychain",
    "keyring.backends.Windows": "Windows Credential Manager",
}


class KeyringStore:
    """One owner's place in the keyring. Every method raises StoreFailed when that cannot be."""

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
        """Guard refreshes by the lock of `lock_path`, the same for everybody who uses this keyring."""
        self._owner, self._trusted = owner, trusted
        self._now, self._tell, self.lock_path = now, tell, lock_path
        self._patience = _PATIENCE_ATTENDED if attended else _PATIENCE_ALONE
        self._unusable: StoreFailed | None = None

    def find(self) -> Found:
        """Return the token of this owner, if there is one."""
        return self._bounded(self._find)

    def check_writable(self) -> None:
        """Make sure that there is a usable keyring; whether it takes a token shows when it is saved."""
        self._bounded(self._find)

    def prepare(self) -> str:
        """Make ready for a new sign-in; return the label."""
        self.check_writable()
        return self.label

    def save(self, token: TokenSet) -> str:
        """Write the token and read it back; one that does not come back equal is removed. Return the label."""

        def write() -> None:
            backend = _backend()
            key = self._find().key
            text = token_file.write_entry(token, self._now(), backend.get_password(SERVICE, key))
            try:
                backend.set_password(SERVICE, key, text)
                kept = backend.get_password(SERVICE, key) == text
            except Exception:  # backends raise what they like; Windows refuses long values that way
                kept = False
            if not kept:
                _delete(backend, key)
                raise StoreFailed("the keyring did not keep the token", "use --store file")
            _write_index(backend, [*_read_index(backend), self._owner])

        self._bounded(write)
        return self.label

    def forget(self) -> bool:
        """Remove the token; tell whether there was one."""

        def forget() -> bool:
            found = self._find()
            if found.token is not None:
                self._remove(found.key)
            return found.token is not None

        return self._bounded(forget)

    def entries(self) -> list[token_file.Entry]:
        """Return the tokens of this owner and of those in the index; a keyring cannot be listed."""

        def read() -> list[token_file.Entry]:
            backend = _backend()
            owners = dict.fromkeys([*_read_index(backend), *([self._owner] if self._owner.client_id else [])])
            founds = [find_for_issuer(partial(_read, backend), owner, self._trusted) for owner in owners]
            tokens = {found.key: found.token for found in founds if found.token}
            return [token_file.entry_of(key, token) for key, token in tokens.items()]

        return self._bounded(read)

    def forget_entry(self, key: str) -> None:
        """Remove what stands under a key."""
        self._bounded(lambda: self._remove(key))

    def _remove(self, key: str) -> None:
        backend = _backend()
        _delete(backend, key)
        owners = _read_index(backend)
        _write_index(backend, [one for one in owners if find_for_issuer(partial(_read, backend), one).token])

    def describe(self) -> str:
        """Return the backend's name, for `doctor`. Raise KeyringUnavailable with the reason when none counts."""
        return self._bounded(lambda: _TRUSTED[_module(_backend())])

    def _find(self) -> Found:
        return find_for_issuer(partial(_read, _backend()), self._owner, self._trusted)

    def _bounded(self, action: Callable[[], T]) -> T:
        if self._unusable is not None:
            raise self._unusable  # having waited once is enough
        try:
            return call_within(action, self._patience, lambda: self._tell("waiting for the keyring …"))
        except StoreFailed:
            raise
        except TookTooLong:
            self._unusable = StoreFailed(
                f"the keyring did not answer within {self._patience:.0f} s", "unlock it, or use --store file"
            )
        except Exception as error:
            # Not just KeyringError: a bad keyringrc is a ModuleNotFoundError, for example. The
            # message may hold anything, so that the name alone is shown.
            kind = KeyringUnavailable if type(error).__name__ == "NoKeyringError" else StoreFailed
            self._unusable = kind(f"the keyring cannot be used ({type(error).__name__})", "use --store file")
            self._unusable.__cause__ = error
        raise self._unusable


def _backend() -> Any:
    """Return what to call: the `keyring` module, or the best backend that counts of a chain."""
    try:
        import keyring
    except ModuleNotFoundError as error:
        if error.name != "keyring":
            raise
        keyring = None
    if not hasattr(keyring, "get_keyring"):  # a mere folder of that name can be imported, too
        raise KeyringUnavailable("the Python package keyring is not installed", "use --store file")
    chosen = keyring.get_keyring()
    if _module(chosen) in _TRUSTED:
        return keyring if hasattr(keyring, "get_password") else chosen
    for link in getattr(chosen, "backends", []) if _module(chosen) == "keyring.backends.chainer" else []:
        if _module(link) in _TRUSTED:
            return link
    raise KeyringUnavailable(
        f"the keyring backend {type(chosen).__module__} does not keep secrets in the system's own store",
        "use --store file",
    )


def _module(backend: Any) -> str:
    return type(backend.get_keyring() if backend is sys.modules["keyring"] else backend).__module__


def _read(backend: Any, key: str) -> TokenSet | None:
    return token_file.read_entry(backend.get_password(SERVICE, key))


def _read_index(backend: Any) -> list[Owner]:
    """Return whose tokens the keyring holds, as far as we have written them."""
    try:
        listed = json.loads(backend.get_password(SERVICE, INDEX) or "[]")
        return [Owner(*(str(one.get(name, "")) for name in Owner._fields)) for one in listed]
    except (ValueError, AttributeError, TypeError, RecursionError):
        return []  # not ours: the next save writes it anew


def _write_index(backend: Any, owners: list[Owner]) -> None:
    text = json.dumps([one._asdict() for one in dict.fromkeys(owners)])
    try:
        if text != backend.get_password(SERVICE, INDEX):
            backend.set_password(SERVICE, INDEX, text)
    except Exception:  # backends raise what they like; the token is kept all the same, and only not listed
        pass


def _delete(backend: Any, key: str) -> None:
    try:
        backend.delete_password(SERVICE, key)
    except Exception:  # PasswordDeleteError where there was nothing to delete
        pass
