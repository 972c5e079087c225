"""Keep a server's discovery document between runs: private, bound to its issuer, and ignored on any doubt."""

from __future__ import annotations

import os
import zlib

from ..errors import StoreFailed
from ..json_text import dumps, loads
from ..values import TYPE_CHECKING
from .files import read_private, replace_private

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class DocumentCache:
    """A folder with a file for each issuer. Nothing here ever fails: what cannot be kept is asked for again."""

    def __init__(self, folder: str, now: Callable[[], float]):
        self._folder, self._now = folder, now

    def load(self, issuer: str) -> bytes | None:
        """Return the issuer's document while it may be used, or None."""
        doubts: list[str] = []
        try:
            kept = loads(read_private(self._path(issuer), doubts.append))
            if doubts:  # others could write it, and nobody would know that the next time
                self.store(issuer, b"", 0)
                return None
            # A clock that was set back would keep the document for longer than the server allows.
            fresh = kept["issuer"] == issuer and kept["kept_at"] <= self._now() < kept["expires_at"]
            return kept["document"].encode() if fresh else None
        except (StoreFailed, ValueError, TypeError, LookupError, AttributeError, RecursionError):
            return None

    def store(self, issuer: str, document: bytes, seconds: int) -> None:
        """Keep a document for some seconds, in place of an earlier one; for none, only the earlier one goes."""
        path, now = self._path(issuer), self._now()
        try:
            if seconds <= 0:
                os.unlink(path)
                return
            os.makedirs(self._folder, mode=0o700, exist_ok=True)
            kept = {"issuer": issuer, "kept_at": now, "expires_at": now + seconds, "document": document.decode()}
            replace_private(path, dumps(kept).encode())
        except (OSError, ValueError, StoreFailed):
            pass

    def _path(self, issuer: str) -> str:
        # Two issuers of one name only take turns: the document says whose it is.
        return os.path.join(self._folder, f"{zlib.crc32(issuer.encode()):08x}.json")


def cache_folder(environ: Mapping[str, str], home: str) -> str | None:
    """Return our folder where programs keep what they can do without (XDG Base Directory), or None."""
    for base in (environ.get("XDG_CACHE_HOME", ""), os.path.join(home, ".cache")):
        if os.path.isabs(base):  # a relative one is to be ignored
            return os.path.join(base, "authgate")
    return None
