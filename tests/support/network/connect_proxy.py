"""A CONNECT proxy on loopback: every tunnel ends at one port here, and it can ask for a password."""

from __future__ import annotations

import base64
import socket
import socketserver
import threading

from raw_server import SAFETY, read_request
from tunnel import carry


class ConnectProxy(socketserver.ThreadingTCPServer):
    """End every tunnel at `port`; `credentials` is the "user:password" that it asks for.

    `asked` are the requests as they came, `carried` are all bytes that went through.
    """

    daemon_threads = True

    def __init__(self, port: int, credentials: str = ""):
        super().__init__(("127.0.0.1", 0), _Tunnel)
        self.target, self.credentials = port, credentials
        self.asked: list[bytes] = []
        self.carried = b""
        self.url = f"http://{credentials and credentials + '@'}127.0.0.1:{self.server_address[1]}"

    def __enter__(self):
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()

    def admits(self, request: bytes) -> bool:
        """Tell whether a request brings the password."""
        wanted = b"Basic " + base64.b64encode(self.credentials.encode())
        return not self.credentials or b"\r\nProxy-Authorization: " + wanted + b"\r\n" in request


class _Tunnel(socketserver.BaseRequestHandler):
    server: ConnectProxy

    def handle(self):
        request = read_request(self.request)
        self.server.asked.append(request)
        if not request.startswith(b"CONNECT "):
            self.request.sendall(b"HTTP/1.1 405 Only CONNECT\r\nContent-Length: 0\r\n\r\n")
        elif not self.server.admits(request):
            self.request.sendall(b"HTTP/1.1 407 Who?\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n")
        else:
            self.request.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            with socket.create_connection(("127.0.0.1", self.server.target), SAFETY) as target:
                try:
                    carry(self.request, target, self._note)
                except OSError:
                    pass  # somebody went away

    def _note(self, _, data):
        self.server.carried += data
