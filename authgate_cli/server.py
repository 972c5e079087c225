"""Know a server by its discovery document, kept from run to run for as long as the server allows.

What is kept may be out of date. An endpoint from it that fails is looked up anew, and asked where
it is now; a sign-in, which costs a person's time, never begins with what is kept.
"""

from __future__ import annotations

from .errors import AuthGateError, Unreachable
from .flows.discover import discover
from .protocol import discovery
from .protocol.caching import lifetime
from .protocol.messages import Response, get
from .values import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from .edges.document_cache import DocumentCache
    from .edges.record import Edges
    from .flows.keys import KeySet
    from .protocol.discovery import Metadata
    from .protocol.messages import Request

_GONE = (404, 405, 410)


class Server:
    """The server of the settings. `cache` is None where nothing is to be kept."""

    def __init__(self, edges: Edges, issuer: str, cache: DocumentCache | None):
        self._edges, self._issuer, self._cache = edges, issuer, cache
        self._metadata: Metadata | None = None
        self._is_kept = False

    @property
    def metadata(self) -> Metadata:
        """Return what the server says of itself, now or when it was last asked. Raise Unreachable or Refused."""
        if self._metadata is None:
            self._metadata = self._kept() or self._fetched()
        return self._metadata

    def ask_anew(self) -> Metadata:
        """Return what the server says of itself now, asked once in a run. Raise Unreachable or Refused."""
        if self._metadata is None or self._is_kept:
            self._metadata = self._fetched()
        return self._metadata

    def ask(self, request: Callable[[Metadata], Request]) -> Response:
        """Send a request to an endpoint; to the endpoint's new place, should it have moved.

        A request that may have reached the server is not sent again unless it only asks.
        """
        first = request(self.metadata)
        if not self._is_kept:
            return self._edges.send(first)
        try:
            response = self._edges.send(first)
            failure: AuthGateError | None = None
        except AuthGateError as error:
            if first.method != "GET" and not (isinstance(error, Unreachable) and not error.sent):
                raise
            failure = error
        if failure is None and response.status not in _GONE:
            return response
        try:
            second = request(self.ask_anew())
        except AuthGateError:
            second = first
        if second != first:
            return self._edges.send(second)
        if failure:
            raise failure
        return response

    def keys(self) -> KeySet:
        """Return the keys that the server signs with."""
        from .flows.keys import KeySet  # most tokens that are stored need none

        return KeySet(lambda _: self.ask(lambda metadata: get(metadata.jwks_uri or "")), self.metadata.jwks_uri)

    def _kept(self) -> Metadata | None:
        body = self._cache.load(self._issuer) if self._cache else None
        if body is None:
            return None
        try:
            metadata = discovery.parse(Response(200, {}, body), self._issuer)
        except AuthGateError:
            return None
        self._edges.terminal.explain("the discovery document was kept from an earlier run")
        self._is_kept = True
        return metadata

    def _fetched(self) -> Metadata:
        metadata, response = discover(self._edges.send, self._issuer)
        self._is_kept = False
        if self._cache:
            self._cache.store(self._issuer, response.body, lifetime(response.headers))
        return metadata
