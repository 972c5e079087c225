"""Open connections on which one deadline covers everything: look-up, connect, TLS, each byte."""

from __future__ import annotations

import os
import select
import socket

from ..errors import Unreachable
from ..oauth import http1
from ..values import TYPE_CHECKING
from .proxy import proxy_for
from .threads import TookTooLong, call_within

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping

    from ..urls import Url
    from .proxy import Proxy


class TimedSocket:
    """A connection, each operation limited to what is left of a deadline."""

    def __init__(self, raw: socket.socket, monotonic: Callable[[], float], deadline: float):
        self.raw, self.monotonic, self.deadline = raw, monotonic, deadline

    def left(self) -> float:
        """Return the seconds left. Raise TimeoutError when there are none."""
        return remaining(self.deadline, self.monotonic)

    def sendall(self, data: bytes) -> None:
        """Send all of it."""
        self.raw.settimeout(self.left())
        self.raw.sendall(data)

    def receive(self) -> bytes:
        """Return what has arrived, waiting for it; b"" when the other side has ended."""
        self.raw.settimeout(self.left())
        return self.raw.recv(65536)

    def shut(self) -> None:
        """Close the connection."""
        self.raw.close()

    def is_stale(self) -> bool:
        """Tell whether an idle connection has been closed, or holds bytes nobody asked for."""
        return bool(select.select([self.raw], [], [], 0)[0])


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

    Raise OSError, ssl.SSLError among them, as it comes; the caller translates.
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
            # As bytes: for text, even if it is ASCII, the IDNA tables are loaded.
            return socket.getaddrinfo(host.encode("ascii"), port, type=socket.SOCK_STREAM)
        except UnicodeError as error:
            raise _no_such_name() from error

    if host == "localhost" or ":" in host or host.replace(".", "").isdecimal():
        return look_up()  # nothing to wait for
    try:
        return call_within(look_up, seconds)
    except TookTooLong:
        raise TimeoutError("the name look-up takes too long") from None


def _ask_proxy(timed: TimedSocket, proxy: Proxy, url: Url) -> None:
    """Ask for a tunnel (RFC 9110 section 9.3.6); the proxy's credentials go to the proxy alone."""
    host = f"[{url.host}]" if ":" in url.host else url.host
    authorization = f"Proxy-Authorization: {proxy.authorization}\r\n" if proxy.authorization else ""
    timed.sendall(f"CONNECT {host}:{url.port} HTTP/1.1\r\nHost: {host}:{url.port}\r\n{authorization}\r\n".encode())
    try:
        status = http1.read_head(http1.Incoming(timed.receive)).status
    except (http1.NotHttp, http1.NoAnswer, http1.CutOff) as error:
        raise Unreachable(f"the proxy {proxy.host} does not speak HTTP", "see HTTPS_PROXY", sent=False) from error
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
