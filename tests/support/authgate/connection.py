"""The sockets of the AuthGate stand-in."""

from __future__ import annotations

import contextlib
import os
import socket
import socketserver
import sys
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from .messages import Request

if TYPE_CHECKING:
    from .server import AuthGateServer


class Connection(BaseHTTPRequestHandler):
    """One keep-alive connection; the base class does no more than parse requests."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # a trickled byte is a packet of its own
    server: Listener

    def respond(self) -> None:
        """Answer one request, well or badly."""
        authgate, request = self.server.authgate, self._request()
        fault = authgate.note_request(request)
        if fault.drop or fault.raw is not None:
            self.close_connection = True
        if fault.drop == "before":
            return
        response = fault.answer(request, authgate.answer)
        if authgate.stopping.wait(fault.delay) or fault.drop == "after":
            return
        if fault.raw is not None:
            self._send(fault.raw, fault.trickle)
            return
        authgate.note_response(request, response)
        more = 1000 if fault.drop == "body" else 0
        self._send(response.encode(authgate.clock(), more, self.command == "HEAD"), fault.trickle)

    do_GET = do_POST = do_HEAD = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = respond

    def _request(self) -> Request:
        # Not self.path, where the base class has merged slashes.
        path, _, query = self.requestline.split()[1].partition("?")
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length)
        if len(body) < length:
            raise ConnectionError("the client went away in the middle of its request")
        is_form = self.headers.get_content_type() == "application/x-www-form-urlencoded"
        return Request(
            self.command,
            self.server.authgate.inner_path(path),
            dict(parse_qsl(query, keep_blank_values=True)),
            dict(parse_qsl(body.decode("latin-1"), keep_blank_values=True)) if is_form else {},
            self.headers,
        )

    def _send(self, data: bytes, trickle: float | None) -> None:
        """Send at once, or byte by byte with a pause after each."""
        if trickle is None:
            self.wfile.write(data)
            return
        for byte in data:
            self.wfile.write(bytes([byte]))
            if self.server.authgate.stopping.wait(trickle):
                return

    def log_message(self, *_: Any) -> None:
        """Say nothing: the requests are recorded."""


class Listener(socketserver.ThreadingTCPServer):
    """A listening socket and the connections that it has accepted."""

    daemon_threads = True
    request_queue_size = 128
    allow_reuse_address = os.name == "posix"  # on Windows that would share the port

    def __init__(self, authgate: AuthGateServer, address: str):
        self.authgate = authgate
        self.connections: set[Any] = set()
        self.address_family = socket.AF_INET6 if ":" in address else socket.AF_INET
        super().__init__((address, authgate.port), Connection)

    def get_request(self) -> tuple[Any, Any]:
        """Accept a connection; a TLS handshake is left to the connection's own thread."""
        connection, address = super().get_request()
        if self.authgate.tls:
            connection = self.authgate.tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        self.connections.add(connection)
        self.authgate.accepted += 1
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        """Close a connection that is done."""
        self.connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore clients that go away; show anything else, which is a bug."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)

    def stop(self) -> None:
        """Stop listening and end every connection, idle ones too."""
        self.shutdown()
        self.server_close()
        for connection in list(self.connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
