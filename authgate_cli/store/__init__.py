"""Find, save, list and delete tokens in the keyring and the token file.

Loading looks in the keyring, then in the file. A refreshed token goes back where it came from:
otherwise two tools that share it would each have a copy, and rotation would invalidate one. Only a
new sign-in chooses the preferred place, and then removes this client's entry from the other.
"""

from __future__ import annotations

import importlib.util
from contextlib import suppress
from functools import partial

from ..errors import KeyringUnavailable, StoreCorrupt, StoreFailed
from ..options import DEFAULT_TOKEN_FILE
from ..settings import expand_home, is_issuer
from ..tokens import IssuedToken, TokenSet
from ..values import TYPE_CHECKING, Value
from .file_store import FileStore
from .token_file import Entry, Owner, Superseded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import TypeVar

    from ..settings import Settings
    from ..system import System
    from ..system.terminal import Terminal
    from .keyring_store import KeyringStore

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
    """The places that --store allows, preferred place first, and all places that may hold a token of this client.

    The places in `elsewhere` are not used by `load` or for saving. They are listed, and a new sign-in
    and a sign-out delete the token of this client from them.
    """

    def __init__(self, places: tuple[Place, ...], terminal: Terminal, elsewhere: tuple[Place, ...] = ()):
        self.places, self.all_places, self._terminal = places, (*elsewhere, *places), terminal
        self.replaced: list[TokenSet] = []  # what `save` has replaced with the token of a new sign-in

    @property
    def file(self) -> FileStore:
        """Return the token file, which is always one of the places."""
        return next(place for place in self.all_places if isinstance(place, FileStore))

    def load(self) -> StoredToken | None:
        """Return the first token found. Raise StoreFailed if the last place cannot be read."""
        return next(self._stored(self.places), None)

    def load_from(self, place: Place) -> StoredToken | None:
        """Return the token that one place holds now. Raise StoreFailed if it cannot be read."""
        token = place.find().token
        return StoredToken(token, place) if token else None

    def load_all(self) -> list[StoredToken]:
        """Return the tokens of all places, including those elsewhere."""
        return list(self._stored(self.all_places))

    def entries(self) -> list[tuple[Entry, Place]]:
        """Return the tokens of all clients in all places."""
        return [(entry, place) for place in self.all_places for entry in self._tolerant(place, place.entries) or []]

    def identities(self) -> list[tuple[str, str]]:
        """Return issuer and client of the entries that record both."""
        tokens = [entry.token for entry, _ in self.entries()]
        stored = [(token.issuer, token.client_id) for token in tokens if token.issuer and token.client_id]
        return [pair for pair in stored if is_issuer(pair[0]) and pair[1].isprintable() and "#" not in pair[1]]

    def prepare(self) -> None:
        """Make sure that a new token can be saved, before anybody is asked to sign in."""
        used = next(place for place in self.places if self._tolerant(place, place.prepare))
        if used is not self.file:
            self.move_corrupt_file()

    def move_corrupt_file(self) -> None:
        """Move a corrupt token file aside, if possible: it would be in the way of a sign-out."""
        with suppress(StoreFailed):
            try:
                self.file.entries()
            except StoreCorrupt:
                self.file.prepare()

    def save(self, token: TokenSet, source: str, before: StoredToken | None = None) -> IssuedToken:
        """Save a new token, or one that was refreshed in the place that it had `before` (or in the next one).

        If somebody has signed in there meanwhile, return that token instead. If a token cannot be saved,
        return it with the error in `save_error`.
        """
        try:
            if before is None:
                with suppress(StoreFailed):
                    self.replaced = [stored.token for stored in self._stored(self.places)]
                return IssuedToken(token, source, self.save_new(token))
            places = self.places[self.places.index(before.place) :]
            return IssuedToken(token, source, self._save(token, places, before.token))
        except Superseded as newer:
            return StoredToken(newer.token, places[0]).issued
        except StoreFailed as failure:
            kind = "refreshed" if before else "new"
            error = StoreFailed(f"the {kind} token could not be saved: {failure.message}", failure.hint)
            return IssuedToken(token, source, None, error)

    def save_new(self, token: TokenSet) -> str:
        """Save the token of a new sign-in in the preferred place, remove it from the others; return the label."""
        label = self._save(token, self.places)
        for place in self.all_places:
            if place.label != label:
                try:
                    if stored := self.load_from(place):
                        self.replaced.append(stored.token)
                        place.forget()
                except StoreFailed as failure:
                    tell = self._terminal.warn if failure.still_there else self._terminal.explain
                    tell(failure.message)
        return label

    def forget(self) -> None:
        """Remove the token from every place. At last raise StoreFailed if one still holds it."""
        left: StoreFailed | None = None
        for place in self.all_places:
            try:
                self._tolerant(place, place.forget)
            except StoreFailed as failure:
                if not failure.still_there:
                    raise
                left = failure
        if left:
            raise left

    def _stored(self, places: tuple[Place, ...]) -> Iterator[StoredToken]:
        """Yield the token of this client in each place, and warn about what is odd."""
        for place in places:
            found = self._tolerant(place, place.find)
            if found and found.warning:
                self._terminal.warn(found.warning)
            if found and found.token:
                yield StoredToken(found.token, place)

    def _save(self, token: TokenSet, places: tuple[Place, ...], before: TokenSet | None = None) -> str:
        for place in places:
            if label := self._tolerant(place, partial(place.save, token, before if place is places[0] else None)):
                return label
        raise AssertionError("the last place raises")

    def _tolerant(self, place: Place, action: Callable[[], T]) -> T | None:
        """Run an action; if it fails and another place is left, warn and return None."""
        try:
            return action()
        except StoreFailed as failure:
            if place is self.places[-1] or failure.still_there:
                raise
            tell = self._terminal.explain if isinstance(failure, KeyringUnavailable) else self._terminal.warn
            tell(f"{failure.message}; using the {self.places[-1].title}")
        return None


def open_store(settings: Settings, system: System, terminal: Terminal, environ: Mapping[str, str]) -> Store:
    """Return the places that the settings allow; the keyring only if it is installed or asked for."""
    owner, trusted = Owner(settings.issuer, settings.client_id, settings.account), settings.issuer_is_trusted
    file = FileStore(settings.token_file, owner, system, terminal, trusted, optional=settings.is_machine)
    if settings.store != "keyring" and not is_importable("keyring"):
        return Store((file,), terminal)
    from .keyring_store import KeyringStore  # it is slow to load

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
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return False
    return spec is not None and spec.loader is not None
