"""Send one HTTP request and return one whole answer, or say why there is none.

- One deadline covers the whole exchange, its retries included.
- At most 1 MiB of body is read; a coded body is refused, as none was asked for.
- A GET is sent again, twice at most, on connection errors, 429, 502, 503 and 504. A POST is sent
  again only when nothing of it can have reached the server: it may spend a code or a refresh
  token, and a second spend signs the person out everywhere.
- No redirect is followed here.
"""

from __future__ import annotations

import _thread
import socket
import sys

from .. import __version__
from ..errors import AuthGateError, Refused, Unreachable
from ..oauth import http1
from ..oauth.messages import Response, retry_after
from ..urls import split
from ..values import TYPE_CHECKING
from .connections import TimedSocket, connect, tls_context

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping

    from ..oauth.messages import Request
    from ..urls import Url

LARGEST = 1024 * 1024
_PAUSES = (0.2, 0.6)  # seconds before the second and the third attempt
_PASSING = (429, 502, 503, 504)
_HEADERS = {
    "User-Agent": f"authgate/{__version__} Python/{'.'.join(map(str, sys.version_info[:3]))}",
    "Accept": "application/json",
    "Accept-Encoding": "identity",
}


class _Untrusted(Unreachable):
    """TLS says this is not the server; asking again would change nothing."""


class Http:
    """Send requests; idle connections are kept for the next GET to the same origin."""

    def __init__(
        self,
        timeout: float,
        environ: Mapping[str, str],
        now: Callable[[], float],
        monotonic: Callable[[], float],
        sleep: Callable[[float], None],
        log: Callable[[str], None],
    ):
        self._timeout, self._environ, self._log = timeout, environ, log
        self._now, self._monotonic, self._sleep = now, monotonic, sleep
        self._idle: dict[tuple[str, str, int], TimedSocket] = {}
        self._tls: ssl.SSLContext | None = None
        self._making_tls = _thread.allocate_lock()  # two threads may want the context at once

    def send(self, request: Request) -> Response:
        """Return the server's answer, whatever its status.

        Raise Unreachable when there is none within the time, Refused when it cannot be read.
        """
        deadline = self._monotonic() + self._timeout
        for pause in (*_PAUSES, None):
            answer: Response | Unreachable
            try:
                answer = self._exchange(request, deadline)
                again = request.method == "GET" and answer.status in _PASSING
                wait = retry_after(answer.headers, self._now())
            except Unreachable as error:
                answer, wait = error, None
                again = not isinstance(error, _Untrusted) and (request.method == "GET" or not error.sent)
            wait = pause if wait is None else wait
            if not again or pause is None or wait is None or self._monotonic() + wait >= deadline:
                break
            self._sleep(wait)
        if isinstance(answer, Unreachable):
            raise answer
        return answer._replace(secrets=request.secrets)

    def close(self) -> None:
        """Close what is kept open."""
        while self._idle:
            self._idle.popitem()[1].shut()

    def _exchange(self, request: Request, deadline: float) -> Response:
        url, begun = split(request.url), self._monotonic()
        shown = f"{request.method} {url.scheme}://{url.netloc}{url.path}"
        try:
            response = self._attempt(request, url, deadline)
        except AuthGateError as error:
            self._log(f"{shown}: {error.message}")
            raise
        self._log(f"{shown}: {response.status} in {(self._monotonic() - begun) * 1000:.0f} ms")
        return response

    def _attempt(self, request: Request, url: Url, deadline: float) -> Response:
        kept = self._idle.pop(url.origin, None)
        if kept and request.method == "GET" and not kept.is_stale():
            kept.deadline = deadline
            try:
                return self._talk(kept, request, url)
            except Unreachable as error:
                if error.timed_out:
                    raise  # not a connection that died while it was idle
        elif kept:
            kept.shut()
        try:
            timed = connect(url, self._environ, self._tls_context, self._monotonic, deadline)
        except OSError as error:
            raise self._translated(error, url, sent=False) from error
        return self._talk(timed, request, url)

    def _talk(self, timed: TimedSocket, request: Request, url: Url) -> Response:
        keep = False
        try:
            headers = {"Host": url.netloc, **_HEADERS, **request.headers}
            timed.sendall(http1.write_request(request.method, url.target, headers, request.body))
            incoming = http1.Incoming(timed.receive)
            head = http1.read_head(incoming)
            coding = head.headers.get("content-encoding", "").strip().lower()
            if coding not in ("", "identity"):
                raise Refused(f"{url.netloc} sent a compressed answer, which was not asked for")
            body, _ = http1.read_body(incoming, head, LARGEST)
            return Response(head.status, head.headers, body)
        except (OSError, http1.NotHttp, http1.NoAnswer, http1.CutOff, http1.TooLarge) as error:
            raise self._translated(error, url, sent=True) from error
        finally:
            if not keep or self._idle.setdefault(url.origin, timed) is not timed:
                timed.shut()

    def _tls_context(self) -> ssl.SSLContext:
        with self._making_tls:
            if self._tls is None:
                self._tls = tls_context(self._environ)
            return self._tls

    def _translated(self, error: Exception, url: Url, sent: bool) -> AuthGateError:
        where = url.netloc
        if isinstance(error, http1.NoAnswer):
            return Unreachable(f"{where} closed the connection without an answer", "try again later", sent=sent)
        if isinstance(error, http1.CutOff):
            return Unreachable(f"the answer of {where} was cut off", "try again later", sent=sent)
        if isinstance(error, http1.TooLarge):
            return Refused(f"{where} sent an answer of more than 1 MiB", "is AUTHGATE_URL right?")
        if isinstance(error, http1.NotHttp):
            return Refused(f"{where} sent something that is not HTTP", "is AUTHGATE_URL right?")
        if isinstance(error, TimeoutError):
            return Unreachable(
                f"no answer from {where} within {self._timeout:g} s",
                "try again later, or give it more time with --timeout",
                sent=sent,
                timed_out=True,
            )
        if isinstance(error, socket.gaierror):
            return Unreachable(f"the host {url.host} cannot be found", "check AUTHGATE_URL and the network", sent=sent)
        if isinstance(error, ConnectionRefusedError):
            return Unreachable(f"{where} refuses connections", "is the server running, and the port right?", sent=sent)
        certificates_named = self._environ.get("SSL_CERT_FILE") or self._environ.get("SSL_CERT_DIR")
        system = None if certificates_named else self._tls
        return _tls_failure(error, where, sent, system) or Unreachable(
            f"{where} cannot be reached: {getattr(error, 'strerror', None) or type(error).__name__}",
            "check the network, or try again later",
            sent=sent,
        )


def _tls_failure(error: Exception, where: str, sent: bool, system: ssl.SSLContext | None) -> Unreachable | None:
    """Name the cause of a TLS failure (RFC 9325); None when it is none.

    `system` is the context, where its certificates are the system's.
    """
    import ssl

    if isinstance(error, ssl.SSLCertVerificationError):
        cause = error.verify_message.rstrip(".")
        hint = "if it is your own CA, name its certificate in SSL_CERT_FILE"
        # The certificates of a directory are loaded, and counted, only when one is needed.
        if system and not (system.cert_store_stats()["x509_ca"] or ssl.get_default_verify_paths().capath):
            hint = "install the package ca-certificates, or name a PEM file in SSL_CERT_FILE"
        if error.verify_code == 10:
            hint = "the server has to renew it; or is the clock here wrong?"
        elif error.verify_code in (62, 64) or "match" in cause:
            hint = "check the host in AUTHGATE_URL"
        return _Untrusted(f"the certificate of {where} cannot be trusted: {cause}", hint, sent=sent)
    if isinstance(error, ssl.SSLError):
        reason = (error.reason or "failure").replace("_", " ").lower()
        hint = "does the server speak https, with TLS 1.2 or newer?"
        return _Untrusted(f"TLS with {where} fails: {reason}", hint, sent=sent)
    return None
