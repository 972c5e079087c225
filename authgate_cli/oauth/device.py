"""The device authorization grant (RFC 8628): build the requests, read the answers, and schedule the polls."""

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

    def __repr__(self) -> str:
        return f"DeviceAuthorization(verification_uri={self.verification_uri!r})"

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
    if response.status != 200:
        error, status = read_error(response), response.status
        credentials = error.code == "invalid_client" or (status == 401 and error.code != "")
        is_refusal = 400 <= status < 500 and status != 429 and not response.is_html
        if (is_refusal or status in (403, 404, 405, 501)) and not credentials and error.code != "invalid_scope":
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
        """Tell whether the code has expired."""
        return now >= self.deadline


def new_poller(authorization: DeviceAuthorization, now: float) -> Poller:
    """Return the first schedule: the first poll is due after one interval (section 3.3)."""
    interval = max(authorization.interval, _SHORTEST_INTERVAL)
    return Poller(interval, now + authorization.expires_in, now + interval + MARGIN)


class Pending(Value):
    """The user has not answered yet; `slow_down` asks for a larger interval from now on."""

    slow_down: bool = False
    interval: float | None = None


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
    raise refused("device sign-in failed", response, hint)


def interpret_failure(error: Unreachable) -> TryLater:
    """Return the verdict for a poll that got no answer: try later, the code is still valid."""
    return TryLater(error.message, error.retry_after)


def expired() -> AuthGateError:
    """Return the error for a code that nobody approved in time."""
    return _ended("expired_token")


def _not_offered(reason: object) -> FlowUnavailable:
    return FlowUnavailable(
        f"the server does not offer device sign-in to this client: {reason}",
        "use --flow browser, or have the device flow enabled for the client",
    )


def _ended(code: str) -> AuthGateError:
    if code == "access_denied":
        return Denied("the sign-in was denied", "run authgate.pyz login to try again")
    return SignInNeeded("the code expired before the sign-in was approved", "run authgate.pyz login for a new code")


def _interval(response: Response) -> float | None:
    """Return the larger interval that slow_down may come with, or None."""
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
    raise Refused(f"device sign-in cannot start: the server's answer has no {names[0]}")


def _code(document: Json) -> str:
    code = _need(document, "device_code")
    if not is_secret(code):  # for example a lone surrogate, which cannot be sent back
        raise Refused("device sign-in cannot start: the server's answer has a device_code that cannot be used")
    return code


def _user_code(said: str) -> str:
    """Return the code that the user types. Raise Refused for a long one: it could hide the rest of the prompt."""
    code = clean(said, ADDRESS)
    if columns(code) > WORD:
        raise Refused("device sign-in cannot start: the server's user_code is too long to type")
    return code


def _address(address: str, issuer: str) -> str:
    """Return the address to visit. Raise Refused unless it is a web address of a sensible length."""
    try:
        url = split(address)
    except ValueError:
        raise Refused("device sign-in cannot start: the address to visit is not a web address") from None
    if len(address) > ADDRESS:
        raise Refused(f"device sign-in cannot start: the address to visit has more than {ADDRESS} characters")
    if url.host != split(issuer).host:
        return address
    # An AuthGate whose own URL ends in a slash adds a second one, and has no page at that address.
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
