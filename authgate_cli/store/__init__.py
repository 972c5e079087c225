"""Decide between keyring and file.

Loading looks in the keyring, then in the file. A refreshed token goes back where it came from,
or two tools that share it would each have a copy, one of which dies under rotation. Only a new
sign-in chooses the preferred place, and then removes this client's entry from the other.
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
    """The places that `--store` allows, in the order of preference, and those `elsewhere`.

    Of the others, a new sign-in and a sign-out only remove what is there.
    """

    def __init__(self, places: tuple[Place, ...], terminal: Terminal, elsewhere: tuple[Place, ...] = ()):
        self.places, self._elsewhere, self._terminal = places, elsewhere, terminal

    def load(self) -> StoredToken | None:
        """Return the first token found. Raise StoreFailed when the last place cannot be read."""
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
        """Return the token that one place holds now. Raise StoreFailed when it cannot be read."""
        token = place.find().token
        return StoredToken(token, place) if token else None

    def load_all(self) -> list[StoredToken]:
        """Return the tokens of all places, those elsewhere among them."""
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
        return [(issuer, client_id) for issuer, client_id in stored if is_issuer(issuer) and client_id.isprintable()]

    def leftovers(self) -> list[str]:
        """Return the files that may hold tokens of before."""
        return [path for place in self._files() for path in place.leftovers()]

    def remove_leftovers(self) -> None:
        """Remove the files that may hold tokens of before. Raise StoreFailed when that cannot be done."""
        for place in self._files():
            self._tolerant(place, place.remove_leftovers)

    def prepare(self) -> None:
        """Make sure that a new token can be saved, before anybody is asked for one."""
        for place in self.places:
            if self._tolerant(place, place.prepare):
                return

    def keep_new(self, token: TokenSet, source: str) -> IssuedToken:
        """Save the token of a new sign-in. One that cannot be saved is returned all the same, with the reason."""
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
        """Save a refreshed token where it came from, or in the next place when that fails."""
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
        """Run an action; if it fails and another place is left, say so and return None."""
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
    """Return the places that the settings allow; the keyring only where the package is installed or asked for."""
    owner, trusted = Owner(settings.issuer, settings.client_id, settings.account), settings.issuer_is_trusted
    waiting = Waiting(system.now, system.monotonic, system.sleep, terminal.tell)
    file = FileStore(settings.token_file, owner, waiting, terminal.warn, trusted)
    if settings.store != "keyring" and not is_importable("keyring"):
        return Store((file,), terminal)
    from .keyring_store import KeyringStore

    here = system.environment()
    # Somebody may be typing the keyring's password: then waiting for it makes sense.
    attended = not settings.no_input and (here.terminal or (here.display and not here.ci))
    lock_path = expand_home(DEFAULT_TOKEN_FILE, environ)
    keyring = KeyringStore(owner, system.now, attended, terminal.tell, lock_path, trusted)
    if settings.store == "auto":
        return Store((keyring, file), terminal)
    chosen, other = (keyring, file) if settings.store == "keyring" else (file, keyring)
    return Store((chosen,), terminal, (other,))


def is_importable(name: str) -> bool:
    """Tell whether a package could be imported; a mere folder of that name does not count."""
    if name in sys.modules:
        return True
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return False
    return spec is not None and spec.loader is not None
