"""Open connections on which one deadline covers everything: look-up, connect, TLS, each byte."""

from __future__ import annotations

import io
import os
import select
import socket
from http.client import HTTPException, HTTPResponse

from ..errors import Unreachable
from ..values import TYPE_CHECKING
from . import bounded
from .proxy import proxy_for

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping

    from ..urls import Url
    from .proxy import Proxy


# http.client bounds a line of the head, and how many lines it has, but takes bare CRs in it for lines,
# too, reads everything there is for a chunk of -1 bytes, and any number of interim answers and trailers.
LONGEST_HEAD = 256 * 1024
LONGEST_BODY = 8 * 1024 * 1024  # with its framing: 1 MiB in chunks of a byte each takes 6


class TimedSocket:
    """What http.client needs of a socket, each operation limited to what is left of a deadline.

    `allowance` is how many bytes may still arrive.
    """

    def __init__(self, raw: socket.socket, monotonic: Callable[[], float], deadline: float):
        self.raw, self.monotonic, self.deadline = raw, monotonic, deadline
        self.allowance = LONGEST_HEAD

    def left(self) -> float:
        """Return the seconds left. Raise TimeoutError when there are none."""
        return remaining(self.deadline, self.monotonic)

    def sendall(self, data: bytes) -> None:
        self.raw.settimeout(self.left())
        self.raw.sendall(data)

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_TimedReader(self))

    def close(self) -> None:
        """Do nothing: http.client closes before it has read the body; `shut` is for us to call."""

    def shut(self) -> None:
        """Close the connection."""
        self.raw.close()

    def is_stale(self) -> bool:
        """Tell whether an idle connection has been closed, or holds bytes nobody asked for."""
        return bool(select.select([self.raw], [], [], 0)[0])


class _TimedReader(io.RawIOBase):
    def __init__(self, timed: TimedSocket):
        self._timed = timed

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:  # type: ignore[no-untyped-def]
        timed = self._timed
        timed.raw.settimeout(timed.left())
        size = timed.raw.recv_into(buffer)
        timed.allowance -= size
        if timed.allowance < 0:
            raise HTTPException("more bytes than any answer has")
        return size


def remaining(deadline: float, monotonic: Callable[[], float]) -> float:
    """Return the seconds until a deadline. Raise TimeoutError when there are none."""
    left = deadline - monotonic()
    if left <= 0:
        raise TimeoutError("the deadline has passed")
    return left


def connect(
    url: Url,
    environ: Mapping[str, str],
    tls: Callable[[], ssl.SSLContext],
    monotonic: Callable[[], float],
    deadline: float,
) -> TimedSocket:
    """Connect to a URL's host, through a proxy where the environment names one.

    Raise OSError, ssl.SSLError among them, and HTTPException as they come; the caller translates.
    """
    proxy = proxy_for(url, environ)
    host, port = (proxy.host, proxy.port) if proxy else (url.host, url.port)
    try:
        timed = TimedSocket(_dial(host, port, monotonic, deadline), monotonic, deadline)
    except OSError as error:
        if proxy is None:
            raise
        raise Unreachable(
            f"the proxy {proxy.host} cannot be reached: {error.strerror or 'no answer in time'}",
            "see HTTPS_PROXY and NO_PROXY",
            sent=False,
            timed_out=isinstance(error, TimeoutError),
        ) from error
    try:
        if proxy:
            _ask_proxy(timed, proxy, url)
        if url.scheme == "https":
            _secure(timed, tls(), url.host)
    except BaseException:
        timed.shut()
        raise
    return timed


def _dial(host: str, port: int, monotonic: Callable[[], float], deadline: float) -> socket.socket:
    """Connect to the first address that answers; one that is silent must not use up the time of all."""
    addresses = _look_up(host, port, remaining(deadline, monotonic))
    failure: OSError = OSError("the name has no address")
    for index, (family, kind, protocol, _, address) in enumerate(addresses):
        raw = socket.socket(family, kind, protocol)
        try:
            raw.settimeout(remaining(deadline, monotonic) / (len(addresses) - index))
            raw.connect(address)
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return raw
        except OSError as error:
            raw.close()
            failure = error
        except BaseException:
            raw.close()
            raise
    raise failure


def _look_up(host: str, port: int, seconds: float) -> list:  # type: ignore[type-arg]
    def look_up() -> list:  # type: ignore[type-arg]
        try:
            return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except UnicodeError as error:  # a label that is empty or longer than 63 characters
            raise _no_such_name() from error

    if host == "localhost" or ":" in host or host.replace(".", "").isdecimal():
        return look_up()  # nothing to wait for
    try:
        return bounded.call(look_up, seconds)
    except bounded.GivenUp:
        raise TimeoutError("the name look-up takes too long") from None


def _ask_proxy(timed: TimedSocket, proxy: Proxy, url: Url) -> None:
    """Ask for a tunnel (RFC 9110 section 9.3.6); the proxy's credentials go to the proxy alone."""
    host = f"[{url.host}]" if ":" in url.host else url.host
    authorization = f"Proxy-Authorization: {proxy.authorization}\r\n" if proxy.authorization else ""
    timed.sendall(f"CONNECT {host}:{url.port} HTTP/1.1\r\nHost: {host}:{url.port}\r\n{authorization}\r\n".encode())
    response = HTTPResponse(timed, method="CONNECT")  # type: ignore[arg-type]
    try:
        response.begin()
        status = response.status
    except HTTPException as error:
        raise Unreachable(f"the proxy {proxy.host} does not speak HTTP", "see HTTPS_PROXY", sent=False) from error
    finally:
        response.close()
    if status != 200:
        hint = "put user and password into HTTPS_PROXY" if status == 407 else "see HTTPS_PROXY and NO_PROXY"
        raise Unreachable(f"the proxy {proxy.host} refuses the connection (status {status})", hint, sent=False)


def _secure(timed: TimedSocket, context: ssl.SSLContext, host: str) -> None:
    timed.raw.settimeout(timed.left())
    try:
        timed.raw = context.wrap_socket(timed.raw, server_hostname=host)
    except ValueError as error:
        if isinstance(error, OSError):  # a certificate that is not good is both
            raise
        # Only a proxy gets us here: no look-up of our own has refused the name before.
        raise _no_such_name() from error


def _no_such_name() -> socket.gaierror:
    return socket.gaierror(socket.EAI_NONAME, "no name has such a form")


def tls_context(environ: Mapping[str, str]) -> ssl.SSLContext:
    """Make the TLS context: 1.2 or newer, certificates and host names always verified.

    Not `create_default_context`: from 3.13 on that adds VERIFY_X509_STRICT, which refuses many a
    company's own CA, and a certificate is to be good or bad on every Python alike.
    """
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    cafile, capath = environ.get("SSL_CERT_FILE") or None, environ.get("SSL_CERT_DIR") or None
    if cafile is None and capath is None:
        context.load_default_certs()
        return context
    try:
        if cafile and os.path.getsize(cafile) == 0:
            raise OSError("it is empty")
        context.load_verify_locations(cafile, capath)
    except OSError as error:  # ssl.SSLError is one
        reason = error.strerror if error.errno and not isinstance(error, ssl.SSLError) else "it holds no certificate"
        raise Unreachable(
            f"the certificates of SSL_CERT_FILE or SSL_CERT_DIR cannot be used: {reason or 'it is empty'}",
            "name a PEM file with the certificates of your CA",
            sent=False,
        ) from error
    return context
