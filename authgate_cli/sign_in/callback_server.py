"""Serve the callback URL on the loopback interface with http.server (RFC 8252 sections 7.3 and 8.3).

- Each connection has its own thread and a limit on time and bytes; at most 64 are read at a time.
- The first GET of the registered path with the right Host and state is the result. Its browser
  waits for `finish`, so that the page can show the result of the sign-in.
- Every other request is answered or dropped, and the waiting goes on.
- The pages load nothing. Their script removes the code from the address bar and the history; the
  content security policy allows only that script and the style, by their hashes.
"""

from __future__ import annotations

import base64
import hashlib
import html
import os
import queue
import socket
import socketserver
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler

from ..errors import FlowUnavailable
from ..oauth.authorization import Callback, read_query
from ..system.connections import LimitedSocket, Limits
from ..text import clean
from ..urls import Url
from ..values import TYPE_CHECKING, Value

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_MAX_READING = 64  # connections
_MAX_REQUEST = 32 * 1024  # bytes: 16 KiB, and the same again for cookies, which all ports of a host share
_REQUEST_TIMEOUT = 10.0  # seconds for a request to arrive
_PAGE_TIMEOUT = 1.0  # seconds for a page to be sent
_POLL = 0.02  # seconds between the checks of serve_forever for shutdown
_TLS_HANDSHAKE = b"\x16"  # the first byte of a ClientHello (RFC 8446 section 5.1), and of no HTTP request

_STYLE = (
    ":root{color-scheme:light dark}body{margin:0;min-height:100vh;display:grid;place-items:center;"
    "font:1.0625rem/1.5 system-ui,sans-serif}main{max-width:26rem;margin:1.5rem;padding:2rem 2.25rem;"
    "border:1px solid #8886;border-top:.25rem solid var(--mark);border-radius:.75rem;overflow-wrap:anywhere}"
    ".good{--mark:#2e9c63}.bad{--mark:#d6584d}h1{margin:0 0 .5rem;font-size:1.375rem;font-weight:600}p{margin:0}"
    "footer{margin-top:1.25rem;font-size:.875rem;opacity:.7}"
)
_SCRIPT = 'history.replaceState(null,"",location.pathname)'


def _source(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


_HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Cache-Control": "no-store",
    "Content-Security-Policy": f"default-src 'none'; style-src {_source(_STYLE)}; script-src {_source(_SCRIPT)}; "
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Connection": "close",
}


class Page(Value):
    """The page that the browser gets at the end."""

    status: int
    title: str
    text: str
    is_good: bool = False

    def render(self, issuer: str) -> str:
        """Return the page as HTML; `issuer` is where the user signs in."""
        title, text, server = (html.escape(each) for each in (self.title, self.text, issuer.partition("://")[2]))
        return (
            f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
            '<meta name="viewport" content="width=device-width"><link rel="icon" href="data:,">'
            f'<style>{_STYLE}</style><main class="{"good" if self.is_good else "bad"}"><h1>{title}</h1><p>{text}</p>'
            f"<footer>authgate, signing in to {server}</footer></main><script>{_SCRIPT}</script></html>"
        )


SUCCESS = Page(200, "You are signed in", "Close this window and return to the terminal.", True)
DENIED = Page(200, "Sign-in denied", "Nothing was granted. You can close this window.")
FAILED = Page(400, "Sign-in failed", "The terminal says why. You can close this window.")
NOT_OURS = Page(400, "Another sign-in is waiting", "This address does not belong to it. You can close this window.")
ALREADY_USED = Page(400, "Already used", "This sign-in has ended. You can close this window.")


class CallbackUnavailable(FlowUnavailable):
    """The callback port cannot be opened."""

    exit_status = 3


class CallbackTimeout(FlowUnavailable):
    """The browser did not return to the callback in time."""

    exit_status = 4


class CallbackServer:
    """The open callback port of one sign-in; close it as soon as there is a result.

    `saw_https` tells whether a browser has tried to connect with TLS.
    """

    def __init__(self, redirect: Url, state: str, issuer: str, monotonic: Callable[[], float]):
        """Open the port exclusively. Raise CallbackUnavailable if that fails, for example if it is in use."""
        self.redirect, self.monotonic, self.saw_https = redirect, monotonic, False
        self._state, self.issuer = state, clean(issuer, 100)
        # Queues and plain locks: they are safe against an exception raised by a signal handler.
        self._callback: Callback | None = None
        self._waiting = threading.Lock()  # locked until there is a callback
        self._waiting.acquire()
        self._outcome: queue.SimpleQueue[Page] = queue.SimpleQueue()
        self._sent: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._taken, self._is_finished = threading.Lock(), False
        self._servers: list[_Server] = []
        try:
            for host in _addresses(redirect.host):
                self._servers.append(_Server(host, redirect.port, self))
        except (OSError, RuntimeError) as error:  # RuntimeError: no thread can be started
            self.close()
            raise CallbackUnavailable(
                f"the callback port {redirect.port} cannot be used ({getattr(error, 'strerror', None) or error})",
                "end the program that uses it, or name another registered callback with --redirect-uri",
            ) from error

    def wait(self, seconds: float) -> Callback | None:
        """Return the callback of this sign-in, or None if it does not arrive within `seconds`."""
        # Not a queue: before Python 3.13, its `get` waits for ever if Ctrl-Z stops the program meanwhile.
        return self._callback if self._waiting.acquire(timeout=seconds) else None

    def finish(self, page: Page) -> None:
        """Send a page to the browser that delivered the callback, if any; only the first call has an effect."""
        if self._taken.locked() and not self._is_finished:
            self._is_finished = True
            self._outcome.put(page)
            with suppress(queue.Empty):  # a browser that does not read must not delay the sign-in
                self._sent.get(timeout=_PAGE_TIMEOUT)

    def close(self) -> None:
        """Stop listening."""
        for server in self._servers:
            server.shutdown()
            server.server_close()
        self.finish(ALREADY_USED)

    def deliver(self, query: str, answer: Callable[[Page], None]) -> None:
        """Answer a GET by its query; the one that is the result waits for the page from `finish`."""
        callback = read_query(query, self._state)
        if callback is None:
            answer(NOT_OURS)
        elif not self._taken.acquire(blocking=False):
            answer(ALREADY_USED)
        else:
            self._callback = callback
            self._waiting.release()
            try:
                answer(self._outcome.get())
            finally:
                self._sent.put(None)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    default_request_version = "HTTP/1.0"  # anything that is not HTTP also gets a status line
    server_version, sys_version = "authgate", ""
    wbufsize = -1  # send head and page together
    request: LimitedSocket
    server: _Server

    def handle(self) -> None:
        if self.rfile.peek(1)[:1] == _TLS_HANDSHAKE:  # type: ignore[attr-defined]
            self.server.callbacks.saw_https = True
        else:
            super().handle()

    def do_GET(self) -> None:
        callbacks = self.server.callbacks
        path, _, query = self.requestline.split()[1].partition("?")  # self.path turns "//x" into "/x"
        hosts = [host.strip().lower().removesuffix(":80") for host in self.headers.get_all("Host", [])]
        if hosts != [callbacks.redirect.netloc.lower().removesuffix(":80")]:
            self._answer(421)  # DNS rebinding: a web site whose name resolves to this machine
        elif path != (callbacks.redirect.path or "/"):
            self._answer(404)
        else:
            self.server.release(self.request)  # from here on other connections cannot displace it
            callbacks.deliver(query, lambda page: self._answer(page.status, page.render(callbacks.issuer)))

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer a request that http.server refuses; 501 is its status for an unknown method."""
        self._answer(405 if code == 501 else code)

    def _answer(self, status: int, page: str = "") -> None:
        body = page.encode()
        self.request.limits = Limits(_PAGE_TIMEOUT, 0, self.server.callbacks.monotonic)
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        if status == 405:
            self.send_header("Allow", "GET")
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, *_: object) -> None:
        """Log nothing: stderr is for the user."""


class _Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """One listening socket and its threads. HTTPServer would look up its own name, which may be slow."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, host: str, port: int, callbacks: CallbackServer):
        self.callbacks = callbacks
        self._lock = threading.Lock()
        self._reading: list[LimitedSocket] = []
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        # On POSIX this only allows that connections of the last sign-in are still closing; on
        # Windows it would let another program take the port while we listen.
        self.allow_reuse_address = os.name != "nt"
        super().__init__((host, port), _Handler, bind_and_activate=False)
        try:
            if os.name == "nt":
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)  # type: ignore[attr-defined,unused-ignore]
            if ":" in host:
                self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            self.server_bind()
            self.server_activate()
            threading.Thread(target=self.serve_forever, args=(_POLL,), daemon=True).start()
        except (OSError, RuntimeError):
            self.server_close()
            raise

    def get_request(self) -> tuple[LimitedSocket, Any]:
        plain, address = self.socket.accept()
        connection = LimitedSocket(plain, Limits(_REQUEST_TIMEOUT, _MAX_REQUEST, self.callbacks.monotonic))
        with self._lock:
            if len(self._reading) >= _MAX_READING:
                with suppress(OSError):  # its thread then closes it
                    self._reading.pop(0).shutdown(socket.SHUT_RDWR)
            self._reading.append(connection)
        return connection, address

    def release(self, connection: LimitedSocket) -> None:
        """Remove a connection from those that are being read, if it still is among them."""
        with self._lock, suppress(ValueError):
            self._reading.remove(connection)

    def shutdown_request(self, request: Any) -> None:
        self.release(request)
        super().shutdown_request(request)

    def handle_error(self, request: object, client_address: object) -> None:
        """Print nothing: the browser has closed the connection, or it was not a browser."""


def _addresses(host: str) -> list[str]:
    """Return every address that a browser may use for a loopback host."""
    if host != "localhost":
        return [host]
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:  # there is no IPv6 here
        return ["127.0.0.1"]
    return ["127.0.0.1", "::1"]
