"""Know a server by its discovery document, kept from run to run for as long as the server allows.

What is kept may be out of date. So it tells where to ask about a token, and is looked up anew when
the answer is not a good one; and where to sign out, when the server cannot be asked. What costs
something, a person's time or a refresh token, begins with what the server says now.
"""

from __future__ import annotations

from .errors import AuthGateError, Unreachable
from .flows.discover import discover
from .protocol import discovery
from .protocol.caching import lifetime
from .protocol.messages import Response
from .urls import split
from .values import TYPE_CHECKING

if TYPE_CHECKING:
    from .edges.document_cache import DocumentCache
    from .edges.record import Edges
    from .flows.keys import KeySet
    from .protocol.discovery import Metadata


class Server:
    """The server of the settings. `cache` is None where nothing is to be kept.

    `is_kept` tells whether the metadata in hand are from an earlier run.
    """

    def __init__(self, edges: Edges, issuer: str, cache: DocumentCache | None):
        self._edges, self._issuer, self._cache = edges, issuer, cache
        self._metadata: Metadata | None = None
        self.is_kept = False

    @property
    def metadata(self) -> Metadata:
        """Return what the server says of itself, now or when it was last asked. Raise Unreachable or Refused."""
        if self._metadata is None:
            self._metadata = self._kept() or self._fetched()
        return self._metadata

    def ask_anew(self) -> Metadata:
        """Return what the server says of itself now, asked once in a run. Raise Unreachable or Refused."""
        if self._metadata is None or self.is_kept:
            self._metadata = self._fetched()
        return self._metadata

    def ask_anew_or_recall(self) -> Metadata:
        """Return what the server says of itself now; what is kept, where it cannot be asked. Raise as ask_anew does."""
        try:
            return self.ask_anew()
        except Unreachable:
            self._metadata = self._metadata or self._kept()
            if self._metadata is None:
                raise
            return self._metadata

    def keys(self) -> KeySet:
        """Return the keys that the server signs with now. Raise Unreachable or Refused."""
        from .flows.keys import KeySet  # most tokens that are stored need none

        return KeySet(self._edges.send, self.ask_anew().jwks_uri)

    def _kept(self) -> Metadata | None:
        body = self._cache.load(self._issuer) if self._cache else None
        if body is None:
            return None
        try:
            metadata = discovery.parse(Response(200, {}, body), self._issuer)
        except AuthGateError:
            return None
        self._edges.terminal.explain("the discovery document was kept from an earlier run")
        self.is_kept = True
        return metadata

    def _fetched(self) -> Metadata:
        metadata, response = discover(self._edges.send, self._issuer)
        self.is_kept = False
        if self._cache:
            seconds = lifetime(response.headers) if _may_be_kept(metadata) else 0
            self._cache.store(self._issuer, response.body, seconds)
        return metadata


def _may_be_kept(metadata: Metadata) -> bool:
    """Plain http proves nothing: a stranger who has the port for a moment is not to be asked for a day."""
    issuer, asked = split(metadata.issuer), split(metadata.userinfo_endpoint or metadata.issuer)
    return issuer.scheme == "https" or asked.origin == issuer.origin
