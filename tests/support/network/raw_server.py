"""A server of raw bytes on loopback: each connection is answered by the next script.

A script is the bytes of one answer, a list of answers that share a connection, or a function that
is given the connection. When the last script has begun, nothing listens any more.
"""

from __future__ import annotations

import socket
import struct
import threading
import time

from tunnel import carry

SAFETY = 20.0  # seconds; only a test that fails waits so long


class RawServer:
    """Serve the scripts in a thread; `requests` are the bytes that arrived, one item a request."""

    def __init__(self, *scripts, port=0, tls=None):
        self._scripts, self._tls = scripts, tls
        self._listening = socket.create_server(("127.0.0.1", port))
        self._over = False
        self._thread = threading.Thread(target=self._serve)
        self.port = self._listening.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}/"
        self.requests = []
        self.connections = 0

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over = True
        try:
            socket.create_connection(("127.0.0.1", self.port), SAFETY).close()  # wakes a thread that accepts
        except OSError:
            pass
        self._thread.join(SAFETY)
        assert not self._thread.is_alive()

    def _serve(self):
        with self._listening:
            for left, script in reversed(list(enumerate(reversed(self._scripts)))):
                connection, _ = self._listening.accept()
                if self._over:
                    connection.close()
                    break
                self.connections += 1
                if not left:
                    self._listening.close()
                self._converse(connection, script)

    def _converse(self, connection, script):
        connection.settimeout(SAFETY)
        with connection:
            try:
                if self._tls:
                    with self._tls.wrap_socket(connection, server_side=True) as secured:
                        self._play(secured, script)
                else:
                    self._play(connection, script)
            except OSError:
                pass  # the client went away, or did not trust us

    def _play(self, connection, script):
        if callable(script):
            self.requests.append(read_request(connection))
            script(connection)
            return
        for answer in [script] if isinstance(script, bytes) else script:
            request = read_request(connection)
            if not request:
                return
            self.requests.append(request)
            connection.sendall(answer)


def read_request(connection):
    """Return one request as it came, b"" when there is none; the greeting of TLS (0x16) counts as one."""
    data = b""
    while b"\r\n\r\n" not in data and data[:1] != b"\x16":
        chunk = connection.recv(65536)
        if not chunk:
            return data
        data += chunk
    head, _, body = data.partition(b"\r\n\r\n")
    lengths = [int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    while len(body) < sum(lengths):
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


def answer(status, body=b"", **headers):
    """Return the bytes of an answer; `Retry_After=3` becomes a header."""
    fields = {"Content_Length": len(body), **headers}
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {status} Whatever\r\n{lines}\r\n".encode() + body


def trickle(data, pause=0.01):
    """Send a byte at a time, each soon enough for a time-out that knows only single reads."""

    def script(connection):
        for byte in data:
            connection.sendall(bytes([byte]))
            time.sleep(pause)

    return script


def say_nothing(connection):
    """Keep the client waiting until it goes."""
    connection.recv(1)


def reset(connection):
    """End the connection with a TCP reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def tunnel_to(port):
    """Be a proxy that leads every host to this port of loopback."""

    def script(connection):
        with socket.create_connection(("127.0.0.1", port), SAFETY) as target:
            connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            carry(connection, target)

    return script
