"""The device authorization grant (RFC 8628): what to show, when to ask again, when to stop."""

from __future__ import annotations

import re

from ..errors import Denied, FlowUnavailable, Refused, SignInNeeded, Unreachable
from ..text import ADDRESS, WORD, clean, columns
from ..tokens import is_secret
from ..urls import split
from ..values import TYPE_CHECKING, Value
from .authorization import challenge
from .endpoints import DEVICE_GRANT
from .messages import check_data, read_error, refused, retry_after
from .strict_json import parse_object

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..errors import AuthGateError
    from .messages import Response
    from .strict_json import Json

# Seconds. A server that measures to the millisecond calls a poll after just `interval` too fast.
MARGIN = 0.1
_DEFAULT_INTERVAL = 5.0
_SHORTEST_INTERVAL = 1.0  # whatever the server says
_DEFAULT_LIFETIME = 1800.0
_LONGEST_PAUSE = 60.0
_FORGOTTEN = "the server does not know the code any more; run authgate.pyz login again"
_CLIENT = "check CLIENT_ID, CLIENT_SECRET if the client has one, and AUTHGATE_URL"
# How servers say that a client may not do this, some at the first poll only. With status 401 it is
# about credentials, whatever the code: Keycloak says unauthorized_client to a wrong secret.
_NOT_ALLOWED = ("unauthorized_client", "unsupported_grant_type")


class DeviceAuthorization(Value):
    """What the server says the person should do. The device code is a secret."""

    device_code: str
    user_code: str
    verification_uri: str
    complete_uri: str | None
    expires_in: float
    interval: float
    verifier: str

    def __repr__(self) -> str:
        return f"DeviceAuthorization(verification_uri={self.verification_uri!r})"

    def poll(self) -> dict[str, str | None]:
        """Return the fields that ask whether the person has approved (section 3.4)."""
        return {"grant_type": DEVICE_GRANT, "device_code": self.device_code, "code_verifier": self.verifier}


def authorization_fields(scope: str, verifier: str, extra: Mapping[str, str] = {}) -> dict[str, str | None]:
    """Return what begins a device sign-in (section 3.1).

    It has PKCE (RFC 7636), which some servers demand here too; others ignore what they do not know.
    """
    method = {"code_challenge": challenge(verifier), "code_challenge_method": "S256"}
    return {**extra, "scope": scope or None, **method}


def parse_authorization(response: Response, issuer: str, verifier: str) -> DeviceAuthorization:
    """Judge the answer to a device authorization request (section 3.2).

    Raise FlowUnavailable when the server does not do this for the client, in whatever words.
    """
    what = "the device sign-in cannot begin"
    if response.status != 200:
        error, status = read_error(response), response.status
        credentials = error.code == "invalid_client" or (status == 401 and error.code != "")
        told = 400 <= status < 500 and status != 429 and not response.is_html
        if (told or status in (403, 404, 405, 501)) and not credentials and error.code != "invalid_scope":
            raise _not_offered(error if error.code else f"status {status}")
        check_data(response, what)
        raise refused(what, response, _CLIENT if credentials else None)
    check_data(response, what)
    try:
        document = parse_object(response.body)
    except ValueError as error:
        raise Refused(f"{what}: the server's answer cannot be used: {error}") from None
    return DeviceAuthorization(
        device_code=_code(document),
        user_code=_user_code(_need(document, "user_code")),
        verification_uri=_address(_need(document, "verification_uri", "verification_url"), issuer),
        complete_uri=_complete(document.get("verification_uri_complete"), issuer),
        expires_in=_seconds(document.get("expires_in"), _DEFAULT_LIFETIME),
        interval=_seconds(document.get("interval"), _DEFAULT_INTERVAL),
        verifier=verifier,
    )


class Poller(Value):
    """When to ask next. Times are of a monotonic clock, which no one sets back."""

    interval: float
    deadline: float
    due: float
    failures: int = 0

    def advance(self, verdict: Pending | TryLater, now: float) -> Poller:
        """Return the poller after an answer that leaves things open."""
        if isinstance(verdict, TryLater):
            # Section 3.5: back off when the connection fails; the same for every "not now".
            failures = min(self.failures + 1, 10)  # far beyond the longest pause
            longest = max(_LONGEST_PAUSE, 2 * self.interval)
            pause = min(self.interval * 2**failures, longest)
            if verdict.retry_after is not None:
                pause = max(self.interval, verdict.retry_after) + MARGIN
            return self._replace(due=now + pause, failures=failures)
        interval = self.interval
        if verdict.slow_down:
            interval = max(interval + 5, verdict.interval or 0)
        return self._replace(interval=interval, due=now + interval + MARGIN, failures=0)

    def expired(self, now: float) -> bool:
        """Tell whether the code has run out."""
        return now >= self.deadline


def new_poller(authorization: DeviceAuthorization, now: float) -> Poller:
    """Begin polling: the first question comes after one interval (section 3.3)."""
    interval = max(authorization.interval, _SHORTEST_INTERVAL)
    return Poller(interval, now + authorization.expires_in, now + interval + MARGIN)


class Pending(Value):
    """The person has not answered yet; `slow_down` asks for a larger interval from now on."""

    slow_down: bool = False
    interval: float | None = None


class TryLater(Value):
    """The server could not be asked; `why` is safe to show."""

    why: str
    retry_after: float | None = None


def interpret_poll(response: Response, now: float) -> Pending | TryLater | None:
    """Say what an answer to a poll means; None when it holds the tokens.

    `now` is the wall clock, for a Retry-After that is a date. Raise Denied, SignInNeeded
    (expired), FlowUnavailable or Refused when there is nothing to wait for any more.
    """
    error = read_error(response)  # some servers send it with status 200
    if response.status == 200 and not error.code and _holds_data(response):
        return None
    if error.code == "authorization_pending":
        return Pending()
    if error.code == "slow_down":
        return Pending(True, _interval(response))
    if error.code in ("access_denied", "expired_token"):
        raise _ended(error.code)
    if response.status == 429 or response.status >= 500 or not error.code:
        why = "rate limit" if response.status == 429 else f"status {response.status}"
        return TryLater(why, retry_after(response.headers, now))
    if error.code in _NOT_ALLOWED and response.status != 401:
        raise _not_offered(error)
    hint = _CLIENT if response.status == 401 else _FORGOTTEN if error.code == "invalid_grant" else None
    raise refused("the device sign-in failed", response, hint)


def interpret_failure(error: Unreachable) -> TryLater:
    """Say what it means when no answer came: wait, the code is still good."""
    return TryLater(error.message, error.retry_after)


def expired() -> AuthGateError:
    """Return the error for a code that nobody approved in time."""
    return _ended("expired_token")


def _not_offered(reason: object) -> FlowUnavailable:
    return FlowUnavailable(
        f"the server does not offer the device sign-in to this client: {reason}",
        "use --flow browser, or have the device flow enabled for the client",
    )


def _ended(code: str) -> AuthGateError:
    if code == "access_denied":
        return Denied("the sign-in was denied", "run authgate.pyz login to try once more")
    return SignInNeeded("the code expired before the sign-in was approved", "run authgate.pyz login for a new code")


def _interval(response: Response) -> float | None:
    """Return the larger interval that came with slow_down, if one did."""
    try:
        return _seconds(parse_object(response.body).get("interval"), 0.0) or None
    except ValueError:  # the error was in a header
        return None


def _holds_data(response: Response) -> bool:
    try:
        parse_object(response.body)
    except ValueError:
        return False
    return not response.is_html


def _need(document: Json, *names: str) -> str:
    for name in names:
        value = document.get(name)
        if isinstance(value, str) and value:
            return value
    raise Refused(f"the device sign-in cannot begin: the server's answer has no {names[0]}")


def _code(document: Json) -> str:
    code = _need(document, "device_code")
    if not is_secret(code):  # a lone surrogate, for one, could not be sent back
        raise Refused("the device sign-in cannot begin: the server's answer has a device_code that cannot be used")
    return code


def _user_code(said: str) -> str:
    """Return the code that the person types; a server that wants to hide something behind a long one is refused."""
    code = clean(said, ADDRESS)
    if columns(code) > WORD:
        raise Refused("the device sign-in cannot begin: the server's user_code is too long for anybody to type")
    return code


def _address(address: str, issuer: str) -> str:
    """Accept only web addresses of a sane length: people click on what a terminal shows."""
    try:
        url = split(address)
    except ValueError:
        raise Refused("the device sign-in cannot begin: the address to visit is not a web address") from None
    if len(address) > ADDRESS:
        raise Refused(f"the device sign-in cannot begin: the address to visit has more than {ADDRESS} characters")
    if url.host != split(issuer).host:
        return address
    # An AuthGate whose own URL ends in a slash puts a second one behind it, and has no page there.
    place, mark, query = address.partition("?")
    scheme, _, rest = place.partition("://")
    return f"{scheme}://{re.sub('/+', '/', rest)}{mark}{query}"


def _complete(address: object, issuer: str) -> str | None:
    if not isinstance(address, str):
        return None
    try:
        split(address)
    except ValueError:
        return None
    return _address(address, issuer)


def _seconds(value: object, default: float) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1e6:
        return default
    return float(value)
