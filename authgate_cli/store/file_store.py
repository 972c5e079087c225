"""Keep tokens in the file that AuthGate's clients share."""

from __future__ import annotations

import os
from contextlib import suppress

from ..errors import StoreCorrupt, StoreFailed
from ..values import TYPE_CHECKING
from . import private_file, token_file
from .token_file import Found

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from ..system import System
    from ..system.terminal import Terminal
    from ..tokens import TokenSet
    from .token_file import Document, Entry, Owner

    T = TypeVar("T")

# Room beyond the present file for a new token; real ones are below 8 KiB, with an ID token too.
_RESERVE = 64 * 1024
_ATTEMPTS = 5  # to keep the lock for a few milliseconds; more fail only if clocks disagree
# Windows cannot replace a file while any program has it open, even one that lets others delete it. Our own
# reading takes a millisecond, a virus scanner's some seconds.
_HELD_FOR = 10.0


class FileStore:
    """One owner's entry in the token file. Every method can raise StoreFailed.

    An `optional` file holds nothing if it has no directory, or one that cannot be entered.
    """

    title = "token file"

    def __init__(
        self,
        path: str,
        owner: Owner,
        system: System,
        terminal: Terminal,
        trusted: bool = True,
        optional: bool = False,
    ):
        self.path, self._owner, self._trusted, self._optional = path, owner, trusted, optional
        self.label = self.lock_path = path
        self._system, self._terminal = system, terminal

    def find(self) -> Found:
        """Return the token of this owner, if there is one."""
        if self._optional and not (self.path and os.access(os.path.dirname(self.path) or ".", os.X_OK)):
            return Found("")
        return self._find(self._unless_held(self._read))

    def entries(self) -> list[Entry]:
        """Return the tokens of all owners."""
        return token_file.entries(self._unless_held(self._read)) if os.path.lexists(self.path) else []

    def check_writable(self) -> None:
        """Make sure that a token could be saved now: the lock is free and there is room on the disk."""
        self._locked(lambda require_lock: private_file.check_replaceable(self.path, _RESERVE, require_lock))

    def prepare(self) -> str:
        """Prepare for a new sign-in; a corrupt file is moved aside, never overwritten."""

        def make_ready(require_lock: Callable[[], None]) -> None:
            try:
                self._read()
            except StoreCorrupt:
                require_lock()
                aside = private_file.move_aside(self.path)
                self._terminal.warn(
                    f"the token file was corrupt; it was renamed to {aside}, and a new one will be created"
                )
            private_file.check_replaceable(self.path, _RESERVE, require_lock)

        self._locked(make_ready)
        return self.label

    def save(self, token: TokenSet, before: TokenSet | None = None) -> str:
        """Save the token and leave everything else in the file as it is; return the label.

        Raise Superseded if a token other than `before`, which was refreshed, is stored by now.
        """

        def put(document: Document) -> Document:
            found = self._find(document)
            found.require_not_newer(before)
            return token_file.put(document, found.key, token, self._system.now())

        self._change(put)
        return self.label

    def forget(self) -> None:
        """Remove the token, from every key that holds one."""

        def removed(document: Document) -> Document:
            while (found := self._find(document)).token:
                document = token_file.remove(document, found.key, found.token)
            return document

        if self.find().token:
            self._change(removed)

    def forget_entry(self, entry: Entry) -> None:
        """Remove one of `entries`."""
        self._change(lambda document: token_file.remove(document, entry.key, entry.token))

    def remove_leftovers(self) -> None:
        """Remove the leftovers, under the lock: another process may be writing one of these files."""
        if private_file.leftovers(self.path):
            self._locked(lambda require_lock: private_file.remove_leftovers(self.path))

    def _change(self, change: Callable[[Document], Document]) -> None:
        """Change the content of the file."""

        def work(require_lock: Callable[[], None]) -> None:
            data = token_file.serialise(change(self._read()))
            private_file.replace_private(self.path, data, before_rename=require_lock)

        self._locked(work)

    def _locked(self, work: Callable[[Callable[[], None]], T]) -> T:
        """Do some work under the lock; repeat it if the lock was lost before anything was replaced."""
        from .locks import LockLost, file_lock  # most stored tokens are only read

        def attempt() -> T:
            private_file.require_private(self.path)  # before a lock is made where our file cannot be
            with file_lock(self.path, self._system, self._terminal.tell) as require_lock:
                return work(require_lock)

        for _ in range(_ATTEMPTS):
            with suppress(LockLost):
                return self._unless_held(attempt)
        raise StoreFailed(f"the lock on the token file {self.path} was lost repeatedly", "try again in a moment")

    def _unless_held(self, action: Callable[[], T]) -> T:
        """Run an action; repeat it for a while if another program has the file open (Windows)."""
        notice = f"Waiting for another program to close the token file ({self.path}) …"
        for _ in self._system.attempts(_HELD_FOR, self._terminal.tell, notice):
            try:
                return action()
            except private_file.FileHeld as error:
                held = error
        raise held

    def _read(self) -> Document:
        """Return the content of the file. Raise StoreFailed if it cannot be read."""
        data = private_file.read_private(self.path, self._terminal.warn) or b""
        try:
            return token_file.parse(data)
        except ValueError as error:
            raise StoreCorrupt(
                f"the token file {self.path} is corrupt ({error})",
                "fix it or move it away, or run authgate.pyz login --force, which moves it aside",
            ) from error

    def _find(self, document: Document) -> Found:
        return token_file.find_for_issuer(lambda key: token_file.get(document, key), self._owner, self._trusted)
