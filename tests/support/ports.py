"""Ports of loopback for the servers and callbacks of the tests.

They lie below those that a system gives to connections, and processes that run tests at the
same time count through different ones: where a server has stopped, no other one appears.
"""

from __future__ import annotations

import os
import secrets
import socket
from itertools import count

VARIABLE = "AUTHGATE_TEST_PORTS"  # the first one, of a process that runs beside another
EACH = 10_000
_numbers = count(int(os.environ.get(VARIABLE) or EACH + secrets.randbelow(EACH)))


def free_port() -> int:
    """Return a port on which nothing listens."""
    for number in _numbers:
        try:
            socket.create_server(("127.0.0.1", number)).close()
        except OSError:
            continue
        return number
    raise AssertionError("the numbers have no end")


def free_callback(server, client_id: str | None = None) -> str:
    """Register a callback on a free port at the server and return its address."""
    uri = f"http://127.0.0.1:{free_port()}/callback"
    server.register(client_id, redirect_uris=[uri])
    return uri
