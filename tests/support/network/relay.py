"""A relay between a browser and a port of loopback that records every connection."""

import socket
import threading
import time

from tunnel import SAFETY, carry

REFUSAL = 0.5  # seconds to read a request that nobody will answer


class Visit:
    """One connection of a browser."""

    def __init__(self):
        self.since, self.asked, self.answered = time.monotonic(), b"", b""

    @property
    def request(self) -> str:
        """Return method and target; nothing for a connection on which nothing was said."""
        return self.asked.partition(b" HTTP/")[0].decode()

    @property
    def status(self) -> int:
        """Return the answer's status; 0 without an answer."""
        return int(self.answered[9:12] or 0)


class Relay:
    """Accept connections and pass them on to `target`, as long as the `with` block lasts.

    `visits` are in the order in which they began to speak.
    """

    def __init__(self, target: int):
        self._target = target
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self.visits: list[Visit] = []
        self._silent: list[Visit] = []

    def silent(self, seconds: float) -> int:
        """Count the connections that have been open for so long without a request."""
        latest = time.monotonic() - seconds
        return sum(visit.since < latest for visit in list(self._silent))

    def __enter__(self) -> "Relay":
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def _accept(self) -> None:
        while True:
            try:
                browser, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(browser, Visit()), daemon=True).start()

    def _serve(self, browser: socket.socket, visit: Visit) -> None:
        try:
            with browser:
                try:
                    target = socket.create_connection(("127.0.0.1", self._target), SAFETY)
                except OSError:  # nobody listens; what was wanted is of interest all the same
                    browser.settimeout(REFUSAL)
                    self._note(visit, browser.recv(65536), asked=True)
                    return
                with target:
                    self._silent.append(visit)
                    carry(browser, target, lambda speaker, data: self._note(visit, data, asked=speaker is browser))
        except OSError:
            return  # somebody went away

    def _note(self, visit: Visit, data: bytes, asked: bool) -> None:
        if not asked:
            visit.answered += data
            return
        if data and not visit.asked:
            self.visits.append(visit)
            if visit in self._silent:
                self._silent.remove(visit)
        visit.asked += data
