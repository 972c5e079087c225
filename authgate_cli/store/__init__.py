"""Choose where tokens are stored: the keyring, the token file, or both.

Loading looks in the keyring, then in the file. A refreshed token goes back where it came from:
otherwise two tools that share it would each have a copy, and rotation would invalidate one. Only a
new sign-in chooses the preferred place, and then removes this client's entry from the other.
"""

from __future__ import annotations

import importlib.util
import sys
from functools import partial

from ..errors import KeyringUnavailable, StoreFailed
from ..options import DEFAULT_TOKEN_FILE
from ..settings import expand_home, is_issuer
from ..tokens import IssuedToken
from ..values import TYPE_CHECKING, Value
from .file_store import FileStore, Waiting
from .token_file import Owner

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import TypeVar

    from ..settings import Settings
    from ..system import System
    from ..system.terminal import Terminal
    from ..tokens import TokenSet
    from .keyring_store import KeyringStore
    from .token_file import Entry

    Place = FileStore | KeyringStore
    T = TypeVar("T")


class StoredToken(Value):
    """A token and the place that it came from."""

    token: TokenSet
    place: Place

    @property
    def issued(self) -> IssuedToken:
        """Return the token as one that was stored."""
        return IssuedToken(self.token, "stored", self.place.label)


class Store:
    """The places that --store allows, preferred place first.

    The places in `elsewhere` are not used by `load` or for saving. They are listed, and a new sign-in
    and a sign-out delete the token of this client from them.
    """

    def __init__(self, places: tuple[Place, ...], terminal: Terminal, elsewhere: tuple[Place, ...] = ()):
        self.places, self._elsewhere, self._terminal = places, elsewhere, terminal

    def load(self) -> StoredToken | None:
        """Return the first token found. Raise StoreFailed if the last place cannot be read."""
        for place in self.places:
            found = self._tolerant(place, place.find)
            if found is None:
                continue
            if found.warning:
                self._terminal.warn(found.warning)
            if found.token is not None:
                return StoredToken(found.token, place)
        return None

    def load_from(self, place: Place) -> StoredToken | None:
        """Return the token that one place holds now. Raise StoreFailed if it cannot be read."""
        token = place.find().token
        return StoredToken(token, place) if token else None

    def load_all(self) -> list[StoredToken]:
        """Return the tokens of all places, including those elsewhere."""
        founds = [(self._tolerant(place, place.find), place) for place in self.all_places]
        for found, _ in founds:
            if found and found.warning:
                self._terminal.warn(found.warning)
        return [StoredToken(found.token, place) for found, place in founds if found and found.token]

    @property
    def all_places(self) -> tuple[Place, ...]:
        """Return every place that may hold a token of this client."""
        return (*self._elsewhere, *self.places)

    def entries(self) -> list[tuple[Entry, Place]]:
        """Return the tokens of all clients in all places."""
        return [(entry, place) for place in self.all_places for entry in self._tolerant(place, place.entries) or []]

    def identities(self) -> list[tuple[str, str]]:
        """Return issuer and client of the entries that record both."""
        try:
            tokens = [entry.token for entry, _ in self.entries()]
        except StoreFailed as failure:
            self._terminal.warn(failure.message)
            return []
        stored = [(token.issuer, token.client_id) for token in tokens if token.issuer and token.client_id]
        return [pair for pair in stored if is_issuer(pair[0]) and pair[1].isprintable() and "#" not in pair[1]]

    def leftovers(self) -> list[str]:
        """Return old files that may contain tokens."""
        return [path for place in self._files() for path in place.leftovers()]

    def remove_leftovers(self) -> None:
        """Remove old files that may contain tokens. Raise StoreFailed if that cannot be done."""
        for place in self._files():
            self._tolerant(place, place.remove_leftovers)

    def prepare(self) -> None:
        """Make sure that a new token can be saved, before anybody is asked to sign in."""
        for place in self.places:
            if self._tolerant(place, place.prepare):
                return

    def keep_new(self, token: TokenSet, source: str) -> IssuedToken:
        """Save the token of a new sign-in; if that fails, return it with the error in `save_error`."""
        try:
            return IssuedToken(token, source, self.save_new(token))
        except StoreFailed as failure:
            error = StoreFailed(f"the new token could not be saved: {failure.message}", failure.hint)
            return IssuedToken(token, source, None, error)

    def save_new(self, token: TokenSet) -> str:
        """Save the token of a new sign-in in the preferred place; return that place's label."""
        label = self._save(token, self.places)
        for place in self.all_places:
            if place.label != label:
                self._forget_quietly(place)
        return label

    def save_refreshed(self, token: TokenSet, place: Place) -> str:
        """Save a refreshed token where it came from, or in the next place if that fails."""
        return self._save(token, self.places[self.places.index(place) :])

    def forget(self) -> bool:
        """Remove the token from every place; tell whether there was one."""
        forgotten = [self._tolerant(place, place.forget) for place in self.all_places]
        return any(forgotten)

    def _files(self) -> list[FileStore]:
        return [place for place in self.all_places if isinstance(place, FileStore)]

    def _save(self, token: TokenSet, places: tuple[Place, ...]) -> str:
        for place in places:
            if label := self._tolerant(place, partial(place.save, token)):
                return label
        raise AssertionError("the last place raises")

    def _tolerant(self, place: Place, action: Callable[[], T]) -> T | None:
        """Run an action; if it fails and another place is left, warn and return None."""
        try:
            return action()
        except StoreFailed as failure:
            if place is self.places[-1]:
                raise
            tell = self._terminal.explain if isinstance(failure, KeyringUnavailable) else self._terminal.warn
            tell(f"{failure.message}; using the {self.places[-1].title}")
        return None

    def _forget_quietly(self, place: Place) -> None:
        try:
            place.forget()
        except StoreFailed as failure:
            self._terminal.explain(failure.message)


def open_store(settings: Settings, system: System, terminal: Terminal, environ: Mapping[str, str]) -> Store:
    """Return the places that the settings allow; the keyring only if it is installed or asked for."""
    owner, trusted = Owner(settings.issuer, settings.client_id, settings.account), settings.issuer_is_trusted
    waiting = Waiting(system.now, system.monotonic, system.sleep, terminal.tell)
    file = FileStore(settings.token_file, owner, waiting, terminal.warn, trusted)
    if settings.store != "keyring" and not is_importable("keyring"):
        return Store((file,), terminal)
    from .keyring_store import KeyringStore  # loaded only when needed

    here = system.environment()
    # With a person present, wait longer: they may have to type the keyring's password.
    attended = not settings.no_input and (here.terminal or (here.display and not here.ci))
    lock_path = expand_home(DEFAULT_TOKEN_FILE, environ)
    keyring = KeyringStore(owner, system.now, attended, terminal.tell, lock_path, trusted)
    if settings.store == "auto":
        return Store((keyring, file), terminal)
    chosen, other = (keyring, file) if settings.store == "keyring" else (file, keyring)
    return Store((chosen,), terminal, (other,))


def is_importable(name: str) -> bool:
    """Tell whether a package could be imported; a directory without a module does not count."""
    if name in sys.modules:
        return True
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return False
    return spec is not None and spec.loader is not None
