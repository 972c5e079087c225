"""Send an HTTP request with urllib, and return the complete answer or raise an error that explains the failure.

- One deadline covers the whole exchange: name look-up, connecting, proxy, TLS, head, body, retries.
- At most 64 KiB of head and 1 MiB of body are read; a compressed body is refused, because it was not
  requested.
- A GET is sent again, twice at most, after connection errors, 429, 502, 503 and 504. A POST is sent
  again only if no connection was made: it may contain a code or a refresh token, and a server may
  revoke all tokens of the user when one is used twice.
- No redirect is followed, and no connection is used twice.
- Plain http is sent only if the connection really is to a loopback address, whatever DNS says.
"""

from __future__ import annotations

import http.client
import ipaddress
import re
import socket
import ssl
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from functools import cached_property, partial

from .. import __version__
from ..errors import AuthGateError, Refused, Unreachable
from ..oauth.messages import Request, Response, retry_after
from ..urls import Url, split
from ..values import TYPE_CHECKING
from . import connections
from .connections import Limits, PlainSocket, TooMuchData, Untrusted
from .threads import TookTooLong, call_within

if TYPE_CHECKING:
    from typing import Any

_MAX_HEAD = 64 * 1024  # bytes, with interim answers and a proxy's answer
_MAX_BODY = 1024 * 1024
_MAX_FRAMED = 8 * 1024 * 1024  # 1 MiB in chunks of a byte each takes 6
_PAUSES = (0.2, 0.6)  # seconds before the second and the third try
_TEMPORARY = (429, 502, 503, 504)
_SILENCE = 2.0  # seconds for each address while there are others to try
_HEADERS = {
    "User-Agent": f"authgate/{__version__} Python/{'.'.join(map(str, sys.version_info[:3]))}",
    "Accept": "application/json",
    "Accept-Encoding": "identity",
}
# The text that servers send with status 400 if they get plain http on their https port.
_WANTS_HTTPS = re.compile(rb"to (an )?HTTPS (port|server)|to an SSL-enabled|requires TLS", re.IGNORECASE)


class Http:
    """Send requests. `look_up` is called like socket.getaddrinfo; `timeout` is in seconds."""

    def __init__(
        self,
        timeout: float,
        environ: Mapping[str, str],
        now: Callable[[], float],
        monotonic: Callable[[], float],
        sleep: Callable[[float], None],
        log: Callable[[str], None],
        look_up: Callable[..., Any] = socket.getaddrinfo,
    ):
        self._timeout, self._environ, self._log, self._look_up = timeout, environ, log, look_up
        self._now, self._monotonic, self._sleep = now, monotonic, sleep
        self._answered: dict[str, str] = {}  # by host, the address that it was last connected to
        self._secrets: set[str] = set()  # of all requests: a server may repeat what an earlier one contained

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return connections.tls_context(self._environ)

    def send(self, request: Request) -> Response:
        """Return the server's answer, whatever its status.

        Raise Unreachable if there is none in time, Refused if it cannot be read.
        """
        deadline = self._monotonic() + self._timeout
        for pause in (*_PAUSES, None):
            answer: Response | Unreachable
            try:
                answer = self._logged(request, deadline)
                again = request.method == "GET" and answer.status in _TEMPORARY
                wait = retry_after(answer.headers, self._now())
            except Unreachable as error:
                answer, wait = error, None
                again = not isinstance(error, Untrusted) and (request.method == "GET" or not error.sent)
            wait = pause if wait is None else wait
            if not again or pause is None or wait is None or self._monotonic() + wait >= deadline:
                break
            self._sleep(wait)
        if isinstance(answer, Unreachable):
            raise answer
        self._secrets.update(request.secrets)
        return answer._replace(secrets=tuple(self._secrets))

    def _logged(self, request: Request, deadline: float) -> Response:
        url, begun = split(request.url), self._monotonic()
        shown = f"{request.method} {url.scheme}://{url.netloc}{url.path}"
        try:
            response = self._exchange(request, url, Limits(deadline, self._monotonic, _MAX_HEAD))
        except AuthGateError as error:
            self._log(f"{shown}: {error.message}")
            raise
        self._log(f"{shown}: {response.status} in {(self._monotonic() - begun) * 1000:.0f} ms")
        return response

    def _exchange(self, request: Request, url: Url, limits: Limits) -> Response:
        """Send the request once, on a new connection."""
        context = self._tls if url.scheme == "https" else None
        try:
            url.host.encode("idna" if context else "ascii")  # as http.client and ssl do
        except UnicodeError:
            raise _not_found(url) from None
        proxy = connections.proxy_for(url, self._environ)
        connection = _Connection(url, proxy, context, limits, partial(self._connect, limits))
        opener = urllib.request.OpenerDirector()  # without handlers: it follows no redirect, and 404 is not an error
        opener.add_handler(_Handler(connection))
        body = None if request.body is None else request.body.encode()
        outgoing = urllib.request.Request(request.url, body, {**_HEADERS, **request.headers}, method=request.method)
        try:
            with opener.open(outgoing) as response:
                return _read(response, url, limits)
        # OverflowError and ValueError: http.client raises them for a chunk with a negative size.
        except (OSError, http.client.HTTPException, TooMuchData, OverflowError, ValueError) as error:
            cause = error.reason if isinstance(error, urllib.error.URLError) else error
            raise self._failure(cause, url, limits, connection.is_open) from error  # type: ignore[arg-type]

    def _connect(self, limits: Limits, server: tuple[str, int], *_: object) -> PlainSocket:
        """Connect to the first address of a host that accepts; one that did so before is tried first."""
        host, port = server
        try:
            # As bytes: for a str, even in ASCII, the IDNA tables are loaded.
            look_up = partial(self._look_up, host.encode("ascii"), port, type=socket.SOCK_STREAM)
            addresses = [entry[4][0] for entry in call_within(look_up, limits.seconds())]
        except TookTooLong:
            raise TimeoutError("the name look-up takes too long") from None
        addresses.sort(key=lambda address: address != self._answered.get(host))
        problem: OSError = socket.gaierror(socket.EAI_NONAME, "the name has no address")
        for left, address in zip(range(len(addresses), 0, -1), addresses):
            patience = limits.seconds() if left == 1 else min(limits.seconds() / left, _SILENCE)
            try:
                plain = socket.create_connection((address.encode(), port), patience)
            except OSError as error:
                problem = error
                continue
            self._answered[host] = address
            connection = PlainSocket(fileno=plain.detach())
            connection.limits = limits
            return connection
        raise problem

    def _failure(self, error: Exception, url: Url, limits: Limits, sent: bool) -> AuthGateError:
        """Translate an exception of urllib into one of ours."""
        where, later = url.netloc, "try again later"
        if url.scheme == "http":
            later += "; if the server speaks TLS on this port, use https://"
        if isinstance(error, ssl.SSLError):
            return connections.tls_failure(error, where, sent, self._tls, self._environ)
        if isinstance(error, connections.TIMEOUTS):
            hint = "try again later, or give it more time with --timeout"
            return Unreachable(f"no answer from {where} within {self._timeout:g} s", hint, sent=sent)
        if isinstance(error, socket.gaierror):
            return _not_found(url)
        if isinstance(error, http.client.RemoteDisconnected):
            return Unreachable(f"{where} closed the connection without an answer", later, sent=sent)
        if str(error).startswith("\x15\x03"):  # a TLS alert in place of a status line
            return _wants_https(where)
        if isinstance(error, http.client.IncompleteRead) or (limits.ended and not isinstance(error, OSError)):
            return Unreachable(f"the answer of {where} was cut off", later, sent=sent)
        if not isinstance(error, OSError):
            return Refused(f"{where} sent something that is not HTTP", "is AUTHGATE_URL right?")
        if isinstance(error, ConnectionRefusedError):
            return Unreachable(f"{where} refuses connections", "is the server running, and the port right?", sent=sent)
        reason = error.strerror or type(error).__name__
        return Unreachable(f"{where} cannot be reached: {reason}", f"check the network, or {later}", sent=sent)


class _Handler(urllib.request.AbstractHTTPHandler):
    """Send http and https requests on the given connection."""

    http_request = https_request = urllib.request.AbstractHTTPHandler.do_request_

    def __init__(self, connection: _Connection):
        super().__init__()
        self._connection = connection

    def http_open(self, request: urllib.request.Request) -> Any:
        return self.do_open(lambda host, timeout: self._connection, request)  # type: ignore[arg-type]

    https_open = http_open


class _Response(http.client.HTTPResponse):
    """A final answer: interim ones are skipped."""

    def begin(self) -> None:
        """Read the head. Skip interim answers (RFC 9110 section 15.2), of which http.client knows only 100."""
        super().begin()
        while 101 < self.status < 200:
            self.headers = None  # type: ignore[assignment]  # otherwise it would not read another head
            super().begin()
        if self.status == 101 or self.status > 599:
            raise http.client.HTTPException("an unknown status")


class _Connection(http.client.HTTPConnection):
    """A connection with limits: over TLS if there is a `context`, through a tunnel if there is a `proxy`."""

    response_class = _Response

    def __init__(
        self,
        url: Url,
        proxy: connections.Proxy | None,
        context: ssl.SSLContext | None,
        limits: Limits,
        connect: Callable[..., PlainSocket],
    ):
        host = proxy or url
        super().__init__(host.host, host.port)
        self._url, self._proxy, self._context, self._limits = url, proxy, context, limits
        self._create_connection = connect  # http.client has no public way to set it
        self.is_open = False  # once it is, the request may have reached the server
        if proxy:
            authorization = {"Proxy-Authorization": proxy.authorization} if proxy.authorization else {}
            self.set_tunnel(f"[{url.host}]" if ":" in url.host else url.host, url.port, authorization)

    def connect(self) -> None:
        """Connect, through the proxy if there is one, and make the TLS handshake."""
        try:
            super().connect()
        except (OSError, http.client.HTTPException, TooMuchData) as error:
            if self._proxy is None:
                raise
            raise connections.proxy_failure(error, self._proxy) from error
        address = self.sock.getpeername()[0]
        if self._context:
            self.sock.settimeout(self._limits.seconds())
            secured = self._context.wrap_socket(self.sock, server_hostname=self._url.host)
            secured.limits = self._limits  # type: ignore[attr-defined]
            self.sock = secured
        # A name such as localhost may lead to another machine, and the request may contain a token.
        elif not ipaddress.ip_address(address.partition("%")[0]).is_loopback:
            raise Untrusted(
                f"{self._url.host} is {address} here, which is not this machine: plain http is not sent there",
                "correct the hosts file, or use https",
                sent=False,
            )
        self.is_open = True


def _read(response: http.client.HTTPResponse, url: Url, limits: Limits) -> Response:
    """Read the body. Raise IncompleteRead, Refused, or HTTPException for an ambiguous head."""
    where, fields = url.netloc, response.headers
    if limits.ended:  # http.client accepts a head that is cut off
        raise http.client.IncompleteRead(b"")
    lengths, coding = fields.get_all("Content-Length", []), fields.get_all("Transfer-Encoding", [])
    valid = len(set(lengths)) < 2 and all(length.isascii() and length.isdecimal() for length in lengths)
    if fields.defects or not valid or [name.lower() for name in coding] not in ([], ["chunked"]):
        raise http.client.HTTPException("a malformed head")
    if fields.get("Content-Encoding", "").strip().lower() not in ("", "identity"):
        raise Refused(f"{where} sent a compressed answer, which was not asked for")
    limits.allowance = _MAX_FRAMED
    too_large = response.length and response.length > _MAX_BODY
    body = b"" if too_large else response.read(_MAX_BODY + 1)
    if too_large or len(body) > _MAX_BODY:
        raise Refused(f"{where} sent an answer of more than 1 MiB", "is AUTHGATE_URL right?")
    if response.length:
        raise http.client.IncompleteRead(body, response.length)
    if url.scheme == "http" and response.status == 400 and body[:1] != b"{" and _WANTS_HTTPS.search(body):
        raise _wants_https(where)
    headers = {name.lower(): ", ".join(" ".join(text.split()) for text in fields.get_all(name, [])) for name in fields}
    return Response(response.status, headers, body)


def _not_found(url: Url) -> Unreachable:
    return Unreachable(f"the host {url.host} cannot be found", "check AUTHGATE_URL and the network", sent=False)


def _wants_https(where: str) -> Refused:
    return Refused(f"{where} speaks https, not plain http", "use https:// in AUTHGATE_URL")
