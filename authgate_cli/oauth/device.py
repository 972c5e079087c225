"""The device authorization grant (RFC 8628): build the requests, read the answers, and schedule the polls."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ..errors import FlowUnavailable, Refused, SignInNeeded
from ..text import ADDRESS, WORD, clean, columns
from ..tokens import is_secret
from ..urls import is_url, split
from ..values import Value
from .authorization import Denied, challenge
from .endpoints import DEVICE_GRANT
from .messages import Response, read_data, read_error, refusal, retry_after
from .parsing import Json, is_number

# Seconds. To a server that measures in milliseconds, a poll after exactly `interval` may be too early.
MARGIN = 0.1
_DEFAULT_INTERVAL = 5.0
_SHORTEST_INTERVAL = 1.0  # whatever the server says
_DEFAULT_LIFETIME = 1800.0
_LONGEST_PAUSE = 60.0
_FORGOTTEN = "run authgate.pyz login again; the server no longer knows the code"
_CLIENT = "check CLIENT_ID, CLIENT_SECRET if the client has one, and AUTHGATE_URL"
# The errors for a client that may not use this grant; some servers send them only at the first poll.
# With status 401 the credentials are wrong, whatever the code: some servers send unauthorized_client then.
_NOT_ALLOWED = ("unauthorized_client", "unsupported_grant_type")


class DeviceAuthorization(Value):
    """The answer to a device authorization request. The device code is a secret."""

    device_code: str
    user_code: str
    verification_uri: str
    complete_uri: str | None
    expires_in: float
    interval: float
    verifier: str

    def poll_fields(self) -> dict[str, str | None]:
        """Return the form fields of a poll (section 3.4)."""
        return {"grant_type": DEVICE_GRANT, "device_code": self.device_code, "code_verifier": self.verifier}


def authorization_fields(scope: str, verifier: str, extra: Mapping[str, str] = {}) -> dict[str, str | None]:
    """Return the form fields of a device authorization request (section 3.1).

    They include PKCE (RFC 7636): some servers require it here too, the others ignore it.
    """
    method = {"code_challenge": challenge(verifier), "code_challenge_method": "S256"}
    return {**extra, "scope": scope or None, **method}


def parse_authorization(response: Response, issuer: str, verifier: str) -> DeviceAuthorization:
    """Read the answer to a device authorization request (section 3.2).

    Raise FlowUnavailable when the server does not offer this grant to the client.
    """
    what = "device sign-in cannot start"
    error, status = read_error(response), response.status
    credentials = error.code == "invalid_client" or (status == 401 and error.code != "")
    is_answer = 400 <= status < 500 or (status == 200 and error.code != "")  # some servers send errors with 200
    is_refusal = is_answer and status != 429 and not response.is_html
    if (is_refusal or status in (403, 404, 405, 501)) and not credentials and error.code != "invalid_scope":
        raise _not_offered(error if error.code else f"status {status}")
    try:
        if status == 200 and error.code:
            raise refusal(response, what)
        return _read(read_data(response, what), issuer, verifier)
    except ValueError as problem:
        raise Refused(f"{what}: {problem}") from None
    except Refused as failure:
        failure.hint = _CLIENT if credentials else None
        raise


def _read(document: Json, issuer: str, verifier: str) -> DeviceAuthorization:
    """Check the members. Raise ValueError with the reason, as do the functions that this calls."""
    device_code, user_code = _text(document, "device_code"), clean(_text(document, "user_code"), ADDRESS)
    complete_uri = document.get("verification_uri_complete")
    if not is_secret(device_code):  # for example a lone surrogate, which cannot be sent back
        raise ValueError("the server's answer has a device_code that cannot be used")
    if columns(user_code) > WORD:  # it could hide the rest of the prompt
        raise ValueError("the server's user_code is too long to type")
    return DeviceAuthorization(
        device_code,
        user_code,
        verification_uri=_address(_text(document, "verification_uri", "verification_url"), issuer),
        complete_uri=_address(complete_uri, issuer) if is_url(complete_uri) else None,
        expires_in=_seconds(document, "expires_in", _DEFAULT_LIFETIME),
        interval=_seconds(document, "interval", _DEFAULT_INTERVAL),
        verifier=verifier,
    )


def _text(document: Json, *names: str) -> str:
    """Return the first of these members that is a text."""
    for name in names:
        value = document.get(name)
        if isinstance(value, str) and value:
            return value
    raise ValueError(f"the server's answer has no {names[0]}")


def _address(address: str, issuer: str) -> str:
    """Return the address to visit, if it is a web address of a sensible length."""
    if not is_url(address):
        raise ValueError("the address to visit is not a web address")
    if len(address) > ADDRESS:
        raise ValueError(f"the address to visit has more than {ADDRESS} characters")
    url = split(address)
    if url.host != split(issuer).host:
        return address
    # An AuthGate whose own URL ends in a slash adds a second one, and has no page at that address.
    return address.replace(url.netloc + url.path, url.netloc + re.sub("/+", "/", url.path), 1)


def _seconds(document: Json, name: str, default: float) -> float:
    value = document.get(name)
    return float(value) if is_number(value) and 0 <= value < 1e6 else default


class Poller(Value):
    """The schedule of the polls; times are of a monotonic clock."""

    interval: float
    deadline: float
    due: float
    failures: int = 0

    def advance(self, verdict: Pending | TryLater, now: float) -> Poller:
        """Return the poller after an answer that is not final."""
        if isinstance(verdict, TryLater):
            # Section 3.5: back off when the connection fails; a temporary error is treated alike.
            failures = min(self.failures + 1, 10)  # by then the pause is the longest one
            pause = min(self.interval * 2**failures, max(_LONGEST_PAUSE, 2 * self.interval))
            if verdict.retry_after is not None:
                pause = max(self.interval, verdict.retry_after) + MARGIN
            return self._replace(due=now + pause, failures=failures)
        interval = self.interval
        if verdict.slow_down:
            interval = max(interval + 5, verdict.interval or 0)
        pause = max(interval, verdict.retry_after or 0)
        return self._replace(interval=interval, due=now + pause + MARGIN, failures=0)


def new_poller(authorization: DeviceAuthorization, now: float) -> Poller:
    """Return the first schedule: the first poll is due after one interval (section 3.3)."""
    interval = max(authorization.interval, _SHORTEST_INTERVAL)
    return Poller(interval, now + authorization.expires_in, now + interval + MARGIN)


class Pending(Value):
    """The user has not answered yet; `slow_down` asks for a larger interval from now on."""

    slow_down: bool = False
    interval: float | None = None
    retry_after: float | None = None


class TryLater(Value):
    """The poll failed for now; the reason `why` is safe to show."""

    why: str
    retry_after: float | None = None


def interpret_poll(response: Response, now: float) -> Pending | TryLater | None:
    """Return the verdict of an answer to a poll, or None if it contains the tokens.

    `now` is the wall clock, for a Retry-After that is a date. When the sign-in cannot succeed any
    more, raise Denied, SignInNeeded (the code expired), FlowUnavailable or Refused.
    """
    error = read_error(response)  # some servers send it with status 200
    wait = retry_after(response.headers, now)
    if response.status == 200 and not error.code and response.document is not None and not response.is_html:
        return None
    if error.code == "authorization_pending":
        return Pending()
    if error.code == "slow_down":
        return Pending(True, _seconds(response.document or {}, "interval", 0.0) or None, wait)
    if response.status == 429 or response.status >= 500 or not error.code:
        return TryLater("rate limit" if response.status == 429 else f"status {response.status}", wait)
    if error.code == "access_denied":
        raise Denied
    if error.code == "expired_token":
        raise code_expired()
    if error.code in _NOT_ALLOWED and response.status != 401:
        raise _not_offered(error)
    hint = _CLIENT if response.status == 401 else _FORGOTTEN if error.code == "invalid_grant" else None
    raise refusal(response, "device sign-in failed", hint)


def code_expired() -> SignInNeeded:
    """Return the error for a code that nobody approved in time."""
    return SignInNeeded("the code expired before the sign-in was approved", "run authgate.pyz login for a new code")


def _not_offered(reason: object) -> FlowUnavailable:
    return FlowUnavailable(
        f"the server does not offer device sign-in to this client: {reason}",
        "use --flow browser, or have the device flow enabled for the client",
    )
