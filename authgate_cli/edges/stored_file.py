"""Look a token up in the file. This much needs no lock and heeds no signal, so a cached `token` loads no more."""

from __future__ import annotations

from .. import token_file
from ..errors import StoreFailed
from ..protocol import binding
from ..values import TYPE_CHECKING
from .files import read_private

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..protocol.binding import Found


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


def find(document: token_file.Document, client_id: str, issuer: str) -> Found:
    """Return the token of this client at this issuer, if there is one."""
    return binding.find(lambda key: token_file.get(document, key), client_id, issuer)
