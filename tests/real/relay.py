"""Stand between a browser and a port of loopback, and remember who came and what was said."""

import select
import socket
import threading

SAFETY = 30.0  # seconds; only a test that fails gets to feel it


class Visit:
    """One connection of a browser."""

    def __init__(self):
        self.asked, self.answered = b"", b""

    @property
    def request(self) -> str:
        """Return method and target; nothing for a connection on which nothing was said."""
        return self.asked.partition(b" HTTP/")[0].decode()

    @property
    def status(self) -> int:
        """Return the answer's status; 0 without an answer."""
        return int(self.answered[9:12] or 0)


class Relay:
    """Take connections and lead them to `target`, as long as the `with` block."""

    def __init__(self, target: int):
        self._target = target
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self.visits: list[Visit] = []  # in the order of their first bytes; the silent ones are in `silent`
        self.silent: list[Visit] = []

    def __enter__(self) -> "Relay":
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._lead, args=(connection,), daemon=True).start()

    def _lead(self, browser: socket.socket) -> None:
        visit = Visit()
        try:
            with browser, socket.create_connection(("127.0.0.1", self._target), SAFETY) as target:
                self.silent.append(visit)
                while ready := select.select([browser, target], [], [], SAFETY)[0]:
                    for one in ready:
                        if not (data := one.recv(65536)):
                            return
                        if one is target:
                            visit.answered += data
                            browser.sendall(data)
                            continue
                        if not visit.asked:
                            self.silent.remove(visit)
                            self.visits.append(visit)
                        visit.asked += data
                        target.sendall(data)
        except OSError:
            return  # nobody listens, or somebody went away
