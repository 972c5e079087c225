"""Keep a connection to a deadline and to a number of bytes, whatever the other side does."""

from __future__ import annotations

import socket
import ssl

from ..values import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    _Base = socket.socket
else:
    _Base = object

_READ_AHEAD = 8192  # bytes; what a reader takes in advance counts as well, so it is kept small
TIMEOUTS = (TimeoutError, socket.timeout)  # noqa: UP041  two classes before Python 3.10


class TooMuchData(Exception):
    """The other side sent more bytes than are allowed."""


class Limits:
    """What a connection may still use: the time until `deadline`, and `allowance` bytes to receive.

    `deadline` is in seconds on the clock `monotonic`. `ended` tells whether the other side has
    closed the connection.
    """

    def __init__(self, deadline: float, monotonic: Callable[[], float], allowance: int):
        self.deadline, self.monotonic, self.allowance = deadline, monotonic, allowance
        self.ended = False

    def seconds(self) -> float:
        """Return the seconds left. Raise TimeoutError when there are none."""
        left = self.deadline - self.monotonic()
        if left <= 0:
            raise TimeoutError("the deadline has passed")
        return left

    def count(self, received: int) -> int:
        """Take received bytes off the allowance and return their number; 0 is the end of the connection.

        Raise TooMuchData when they are more than are left.
        """
        self.ended = received == 0
        self.allowance -= received
        if self.allowance < 0:
            raise TooMuchData
        return received


class LimitedSocket(_Base):
    """A mixin for a socket class: sending and receiving keep to `limits`, which the maker sets."""

    limits: Limits

    def send(self, *args: Any) -> int:
        """Send what can be sent at once."""
        self.settimeout(self.limits.seconds())
        return super().send(*args)

    def sendall(self, *args: Any) -> None:
        """Send everything."""
        self.settimeout(self.limits.seconds())
        super().sendall(*args)

    def recv_into(self, buffer: Any, nbytes: int | None = None, flags: int = 0) -> int:
        """Receive into a buffer; file objects of the socket read through this."""
        self.settimeout(self.limits.seconds())
        size = min(nbytes or len(buffer), _READ_AHEAD)
        return self.limits.count(super().recv_into(buffer, size, flags))


class PlainSocket(LimitedSocket, socket.socket):
    """A TCP socket that keeps to limits."""


class TlsSocket(LimitedSocket, ssl.SSLSocket):
    """The same over TLS, for `SSLContext.sslsocket_class`."""
