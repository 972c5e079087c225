"""The AuthGate stand-in on a loopback socket: it records every request and can be told to misbehave."""

from __future__ import annotations

import threading
from collections import defaultdict
from typing import Any

from ports import free_port

from . import routes
from .connection import Listener
from .faults import Fault
from .messages import Request, Response
from .provider import Provider

POLL = 0.002  # seconds after which a listener notices that it is to stop; there are thousands of tests
SECRET_FIELDS = ("code", "code_verifier", "device_code", "refresh_token", "token", "client_secret")


class AuthGateServer(Provider):
    """An AuthGate in threads of this process; `with AuthGateServer() as server` starts and stops it."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.requests: list[Request] = []
        self.pages_visited: list[str] = []
        self.accepted = 0  # connections
        self.stopping = threading.Event()
        self._faults: dict[str, list[Fault]] = defaultdict(list)
        self._listeners: list[Listener] = []

    def start(self) -> AuthGateServer:
        """Listen; started again after a stop it has the same port."""
        self.stopping.clear()
        for address in ("127.0.0.1", "::1") if self.host == "localhost" else (self.host,):
            try:
                self._listen(address)
            except OSError:
                if address == self.host or address == "127.0.0.1":
                    raise  # without IPv6, localhost is 127.0.0.1 alone
        return self

    def _listen(self, address: str) -> None:
        self.port = self.port or free_port()
        listener = Listener(self, address)
        self._listeners.append(listener)
        threading.Thread(target=listener.serve_forever, args=(POLL,), daemon=True).start()

    def stop(self) -> None:
        """Close everything, even if somebody is waiting for an answer."""
        self.stopping.set()
        while self._listeners:
            self._listeners.pop().stop()

    def __enter__(self) -> AuthGateServer:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def inner_path(self, path: str) -> str:
        """Take the issuer's path off; what lies outside it is marked and not found."""
        prefix = self.local("/")
        return path[len(prefix) - 1 :] if path.startswith(prefix) else f"outside:{path}"

    def answer(self, request: Request) -> Response:
        """Answer a request as AuthGate does."""
        return routes.answer(self, request)

    def misbehave(self, path: str, **fault: Any) -> None:
        """Answer the next requests to a path wrongly, as the fields of `Fault` say; one if they say nothing."""
        with self.lock:
            self._faults[path].append(Fault(**fault))

    def clear_misbehaviour(self) -> None:
        """Behave from now on."""
        with self.lock:
            self._faults.clear()

    def note_request(self, request: Request) -> Fault:
        """Record a request and return what is to go wrong with it."""
        with self.lock:
            self.requests.append(request)
            return next((fault for fault in self._faults[request.path] if fault.take(request)), Fault())

    def note_response(self, request: Request, response: Response) -> None:
        """Record an answer that is about to be sent."""
        request.status = response.status
        if response.headers.get("Content-Type", "").startswith("text/html"):
            self.pages_visited.append(request.path)

    def count(self, method: str, path: str, **fields: str) -> int:
        """Count the requests so far that had these form fields."""
        return sum(
            (request.method, request.path) == (method, path) and fields.items() <= request.form.items()
            for request in list(self.requests)
        )

    def secrets(self) -> set[str]:
        """Return every secret that was issued or seen, to search output and logs for."""
        found = {*self.issued, *(client.secret for client in self.clients.values())}
        for request in list(self.requests):
            found.update(request.form.get(name) for name in SECRET_FIELDS)
            found.add(request.headers.get("Authorization", "").partition(" ")[2])
        return {secret for secret in found if secret}
