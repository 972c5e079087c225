"""Keep tokens in the file that AuthGate's clients share."""

from __future__ import annotations

from ..errors import StoreFailed
from ..values import TYPE_CHECKING
from . import token_file
from .locks import file_lock
from .private_file import check_replaceable, move_aside, read_private, replace_private, require_private
from .token_file import find_for_issuer

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from ..tokens import TokenSet
    from .locks import Waiting
    from .token_file import Found


# Room beyond the present file for a new token; real ones are below 8 KiB, with an ID token too.
_RESERVE = 64 * 1024


class FileStore:
    """One client's place in the token file. Every method raises StoreFailed when that cannot be."""

    name, title = "file", "token file"

    def __init__(
        self,
        path: str,
        client_id: str,
        issuer: str,
        waiting: Waiting,
        warn: Callable[[str], None],
        trusted: bool = True,
    ):
        self.path, self.client_id, self.issuer, self._trusted = path, client_id, issuer, trusted
        self.label = self.lock_path = path
        self._waiting, self._warn = waiting, warn

    def find(self) -> Found:
        """Return the token of this client at this issuer, if there is one."""
        return self._find(self._read())

    def check_writable(self) -> None:
        """Make sure that a token could be saved now: the lock is free and the disk takes it."""
        with self._locked():
            check_replaceable(self.path, _RESERVE)

    def prepare(self) -> str:
        """Make ready for a new sign-in: a corrupt file, never overwritten, is moved out of its way."""
        with self._locked():
            data = read_private(self.path, self._warn)
            try:
                token_file.parse(data)
            except ValueError:
                aside = move_aside(self.path)
                self._warn(f"the token file was corrupt; it is kept as {aside}, and a new one is begun")
        self.check_writable()
        return self.label

    def save(self, token: TokenSet) -> str:
        """Write the token to its place, leaving everything else in the file as it is; return the label."""
        with self._locked():
            document = self._read()
            key = self._find(document).key
            replace_private(self.path, token_file.serialise(token_file.put(document, key, token, self._waiting.now())))
        return self.label

    def forget(self) -> bool:
        """Remove the token; tell whether there was one."""
        if self.find().token is None:
            return False
        with self._locked():
            document = self._read()
            found = self._find(document)
            replace_private(self.path, token_file.serialise(token_file.remove(document, found.key)))
        return found.token is not None

    def _locked(self) -> AbstractContextManager[None]:
        require_private(self.path)  # before a lock is put where no file of ours can be
        return file_lock(self.path, self._waiting)

    def _read(self) -> token_file.Document:
        return read_document(self.path, self._warn)

    def _find(self, document: token_file.Document) -> Found:
        return find_for_issuer(lambda key: token_file.get(document, key), self.client_id, self.issuer, self._trusted)


def read_document(path: str, warn: Callable[[str], None]) -> token_file.Document:
    """Return all that the token file holds. Raise StoreFailed when it cannot be read."""
    data = read_private(path, warn)
    try:
        return token_file.parse(data)
    except ValueError as error:
        raise StoreFailed(
            f"the token file {path} is corrupt ({error})",
            "mend it or move it away; `authgate.pyz login` moves it aside and signs in",
        ) from error
