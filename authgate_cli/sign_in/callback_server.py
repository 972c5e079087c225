"""Listen on loopback for the browser that comes back (RFC 8252 sections 7.3 and 8.3).

One thread, one selector. Whoever on this machine connects and says nothing, says too much, asks
for a favicon or for another host is answered or dropped, and costs at most one of a few dozen
places for a few seconds; the waiting goes on. Judging a query is the caller's business.
"""

from __future__ import annotations

import os
import selectors
import socket

from ..errors import CallbackUnavailable
from ..values import TYPE_CHECKING, Value

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..urls import Url

_MOST_CONNECTIONS = 64
_PATIENCE = 10.0  # seconds for a request to arrive in
_LONGEST_HEAD = 16 * 1024
_REASONS = {200: "OK", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed", 421: "Misdirected Request"}


class PendingRequest(Value):
    """A GET of the callback path, waiting for its page."""

    query: str
    connection: socket.socket

    def answer(self, status: int, page: str, headers: dict[str, str]) -> None:
        """Send the page and close."""
        _answer(self.connection, status, page, headers)


class CallbackServer:
    """The open callback port; close it as soon as there is a result."""

    def __init__(self, redirect: Url, monotonic: Callable[[], float]):
        """Bind exclusively. Raise CallbackUnavailable when somebody else has the port."""
        self._redirect, self._monotonic = redirect, monotonic
        self._selector = selectors.DefaultSelector()
        self._arriving: dict[socket.socket, tuple[float, bytes]] = {}
        self._listening = _bind(redirect)
        for listening in self._listening:
            self._selector.register(listening, selectors.EVENT_READ, "listening")

    def wait(self, seconds: float, wake: int | None = None) -> list[PendingRequest]:
        """Return the callbacks that arrive, early when there is one or when `wake` is readable."""
        if wake is not None:
            self._selector.register(wake, selectors.EVENT_READ, "wake")
        try:
            deliveries = []
            for key, _ in self._selector.select(seconds):
                if key.data == "listening":
                    self._accept(key.fileobj)  # type: ignore[arg-type]
                elif key.data == "arriving":
                    deliveries += self._read(key.fileobj)  # type: ignore[arg-type]
            self._drop_slow()
            return deliveries
        finally:
            if wake is not None:
                self._selector.unregister(wake)

    def close(self, page: str = "", headers: dict[str, str] | None = None) -> None:
        """Stop listening. Whoever has come meanwhile gets the page, nobody is waited for."""
        # A connection is accepted in one round and read in another: rounds for a full house.
        for _ in range(2 * _MOST_CONNECTIONS if page else 0):
            for delivery in self.wait(0):
                delivery.answer(400, page, headers or {})
        for open_socket in [*self._listening, *self._arriving]:
            open_socket.close()
        self._listening, self._arriving = [], {}
        self._selector.close()

    def _accept(self, listening: socket.socket) -> None:
        try:
            connection, _ = listening.accept()
        except OSError:
            return  # it went away again, or we are out of descriptors; the next one may do
        connection.setblocking(False)
        if len(self._arriving) >= _MOST_CONNECTIONS:
            self._drop(min(self._arriving, key=lambda oldest: self._arriving[oldest][0]))
        self._arriving[connection] = (self._monotonic(), b"")
        self._selector.register(connection, selectors.EVENT_READ, "arriving")

    def _read(self, connection: socket.socket) -> list[PendingRequest]:
        if connection not in self._arriving:
            return []  # dropped in this same round to make room
        since, head = self._arriving[connection]
        try:
            data = connection.recv(4096)
        except BlockingIOError:
            return []
        except OSError:
            data = b""
        head += data
        if not data or len(head) > _LONGEST_HEAD:
            self._drop(connection)
        elif b"\r\n\r\n" not in head and b"\n\n" not in head:
            self._arriving[connection] = (since, head)
        else:
            self._selector.unregister(connection)
            del self._arriving[connection]
            return self._judge(connection, head)
        return []

    def _judge(self, connection: socket.socket, head: bytes) -> list[PendingRequest]:
        lines = head.decode("latin-1").splitlines()
        method, _, rest = lines[0].partition(" ")
        path, _, query = rest.partition(" ")[0].partition("?")
        hosts = [line[5:].strip().lower() for line in lines[1:] if line[:5].lower() == "host:"]
        status = 0
        if [host.removesuffix(":80") for host in hosts] != [self._redirect.netloc.lower().removesuffix(":80")]:
            status = 421  # a page elsewhere whose name was made to point here (DNS rebinding)
        elif path != (self._redirect.path or "/"):
            status = 404
        elif method != "GET":
            status = 405
        if status:
            _answer(connection, status, "", {"Allow": "GET"} if status == 405 else {})
            return []
        return [PendingRequest(query, connection)]

    def _drop_slow(self) -> None:
        latest = self._monotonic() - _PATIENCE
        for connection in [one for one, (since, _) in self._arriving.items() if since < latest]:
            self._drop(connection)

    def _drop(self, connection: socket.socket) -> None:
        self._selector.unregister(connection)
        del self._arriving[connection]
        connection.close()


def _bind(redirect: Url) -> list[socket.socket]:
    """Bind every address that a browser may try for this host, or none."""
    addresses = [(socket.AF_INET6, "::1")] if redirect.host == "::1" else [(socket.AF_INET, redirect.host)]
    if redirect.host == "localhost":
        addresses = [(socket.AF_INET, "127.0.0.1")] + [(socket.AF_INET6, "::1")] * _has_ipv6()
    bound: list[socket.socket] = []
    try:
        for family, address in addresses:
            bound.append(_listen(family, address, redirect.port))
    except OSError as error:
        for listening in bound:
            listening.close()
        raise CallbackUnavailable(
            f"the callback port {redirect.port} cannot be used ({error.strerror})",
            "end the program that uses it, or name another registered callback with --redirect-uri",
        ) from error
    return bound


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


def _listen(family: socket.AddressFamily, address: str, port: int) -> socket.socket:
    listening = socket.socket(family)
    try:
        if os.name == "nt":
            # There, SO_REUSEADDR would let a second process take the port while we listen.
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)  # type: ignore[attr-defined,unused-ignore]
        else:
            # Here it only means that connections of the last sign-in may still be closing.
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listening.bind((address, port))
        listening.listen(128)
        listening.setblocking(False)
    except BaseException:
        listening.close()
        raise
    return listening


def _answer(connection: socket.socket, status: int, page: str, headers: dict[str, str]) -> None:
    body = page.encode()
    fields = {
        "Content-Type": "text/html; charset=utf-8",
        "Content-Length": str(len(body)),
        "Cache-Control": "no-store",
        "Connection": "close",
        **headers,
    }
    head = f"HTTP/1.1 {status} {_REASONS[status]}\r\n" + "".join(f"{name}: {text}\r\n" for name, text in fields.items())
    try:
        connection.settimeout(1.0)
        connection.sendall(head.encode() + b"\r\n" + body)
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # the browser has gone; it has no influence on the sign-in
    finally:
        connection.close()
