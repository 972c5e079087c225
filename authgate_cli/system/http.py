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
import time
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
from .connections import LimitedSocket, Limits, TooMuchData, Untrusted
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
_WANTS_HTTPS = rb"(?i)to (an )?HTTPS (port|server)|to an SSL-enabled|requires TLS"


class Http:
    """Send requests. `look_up` is called like socket.getaddrinfo; `timeout` is in seconds."""

    def __init__(
        self,
        timeout: float,
        environ: Mapping[str, str],
        log: Callable[[str], None],
        now: Callable[[], float],
        sleep: Callable[[float], None] = time.sleep,
        look_up: Callable[..., Any] = socket.getaddrinfo,
    ):
        self.environ, self.look_up = environ, look_up
        self.answered: dict[str, str] = {}  # by host, the address that it was last connected to
        self._timeout, self._log, self._now, self._sleep = timeout, log, now, sleep

    @cached_property
    def tls(self) -> ssl.SSLContext:
        return connections.tls_context(self.environ)

    def send(self, request: Request) -> Response:
        """Return the server's answer, whatever its status.

        Raise Unreachable if there is none in time, Refused if it cannot be read.
        """
        deadline = time.monotonic() + self._timeout
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
            if not again or pause is None or wait is None or time.monotonic() + wait >= deadline:
                break
            self._sleep(wait)
        if isinstance(answer, Unreachable):
            raise answer
        return answer._replace(secrets=request.secrets)

    def _logged(self, request: Request, deadline: float) -> Response:
        url, begun = split(request.url), time.monotonic()
        shown = f"{request.method} {url.scheme}://{url.netloc}{url.path}"
        try:
            response = self._exchange(request, url, Limits(deadline - begun, _MAX_HEAD))
        except AuthGateError as error:
            self._log(f"{shown}: {error.message}")
            raise
        self._log(f"{shown}: {response.status} in {(time.monotonic() - begun) * 1000:.0f} ms")
        return response

    def _exchange(self, request: Request, url: Url, limits: Limits) -> Response:
        """Send the request once, on a new connection."""
        connection = _Connection(self, url, limits)
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

    def _failure(self, error: Exception, url: Url, limits: Limits, sent: bool) -> AuthGateError:
        """Translate an exception of urllib into one of ours."""
        where, later = url.netloc, "try again later"
        if url.scheme == "http":
            later += "; if the server speaks TLS on this port, use https://"
        if isinstance(error, ssl.SSLError):
            return connections.tls_failure(error, where, sent, self.tls, self.environ)
        if isinstance(error, connections.TIMEOUTS):
            hint = "try again later, or give it more time with --timeout"
            return Unreachable(f"no answer from {where} within {self._timeout:g} s", hint, sent=sent)
        # UnicodeError: http.client and ssl raise it for a name that cannot be encoded as IDNA, such as "a..b".
        if isinstance(error, (socket.gaierror, UnicodeError)):
            return Unreachable(f"the host {url.host} cannot be found", "check AUTHGATE_URL and the network", sent=False)
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
        self.http_open = self.https_open = partial(self.do_open, lambda host, timeout: connection)  # type: ignore[arg-type]


class _Response(http.client.HTTPResponse):
    """A final answer. Interim ones are skipped (RFC 9110 section 15.2): http.client knows only 100."""

    def begin(self) -> None:
        super().begin()
        while 101 < self.status < 200:
            self.headers = None  # type: ignore[assignment]  # otherwise it would not read another head
            super().begin()
        if self.status == 101 or self.status > 599:
            raise http.client.HTTPException("an unknown status")


class _Connection(http.client.HTTPConnection):
    """A connection for one request to `url`, over TLS for https, through a tunnel if there is a proxy."""

    response_class = _Response

    def __init__(self, client: Http, url: Url, limits: Limits):
        self._client, self._url, self._limits = client, url, limits
        self._context = client.tls if url.scheme == "https" else None
        self._proxy = connections.proxy_for(url, client.environ)
        first = self._proxy or url
        super().__init__(first.host, first.port)
        self._create_connection = self._connect_to  # http.client has no public way to set it
        self.is_open = False  # once it is, the request may have reached the server

    def connect(self) -> None:
        host, proxy = self._url.host, self._proxy
        if proxy:
            authorization = {"Proxy-Authorization": proxy.authorization} if proxy.authorization else {}
            self.set_tunnel(f"[{host}]" if ":" in host else host, self._url.port, authorization)
        try:
            super().connect()
        except (OSError, http.client.HTTPException, TooMuchData) as error:
            if proxy is None:
                raise
            raise connections.proxy_failure(error, proxy) from error
        address = self.sock.getpeername()[0]
        if self._context:
            self.sock.settimeout(self._limits.seconds())
            secured = self._context.wrap_socket(self.sock, server_hostname=host)
            secured.limits = self._limits  # type: ignore[attr-defined]
            self.sock = secured
        # A name such as localhost may lead to another machine, and the request may contain a token.
        elif not ipaddress.ip_address(address).is_loopback:
            raise Untrusted(
                f"{host} is {address} here, which is not this machine: plain http is not sent there",
                "correct the hosts file, or use https",
                sent=False,
            )
        self.is_open = True

    def _connect_to(self, server: tuple[str, int], *_: object) -> LimitedSocket:
        """Connect to the first address of a host that accepts; one that did so before is tried first."""
        (host, port), limits, answered = server, self._limits, self._client.answered
        try:
            # As bytes: for a str, even in ASCII, the IDNA tables are loaded.
            look_up = partial(self._client.look_up, host.encode("ascii"), port, type=socket.SOCK_STREAM)
            addresses = [entry[4][0] for entry in call_within(look_up, limits.seconds())]
        except TookTooLong:
            raise TimeoutError("the name look-up takes too long") from None
        addresses.sort(key=lambda address: address != answered.get(host))
        problem: OSError = socket.gaierror(socket.EAI_NONAME, "the name has no address")
        for left, address in zip(range(len(addresses), 0, -1), addresses):
            patience = limits.seconds() if left == 1 else min(limits.seconds() / left, _SILENCE)
            try:
                plain = socket.create_connection((address.encode(), port), patience)
            except OSError as error:
                problem = error
                continue
            answered[host] = address
            return LimitedSocket(plain, limits)
        raise problem


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
    if url.scheme == "http" and response.status == 400 and body[:1] != b"{" and re.search(_WANTS_HTTPS, body):
        raise _wants_https(where)
    headers = {name.lower(): ", ".join(" ".join(text.split()) for text in fields.get_all(name, [])) for name in fields}
    return Response(response.status, headers, body)


def _wants_https(where: str) -> Refused:
    return Refused(f"{where} speaks https, not plain http", "use https:// in AUTHGATE_URL")
