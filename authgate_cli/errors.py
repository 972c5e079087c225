"""Say what went wrong, what to do next, and with which status the program ends.

An edge translates `OSError` and its kin into one of these once; only `cli.py` prints them.
No message ever holds a token, a code, a verifier or a secret.
"""

from __future__ import annotations


class AuthGateError(Exception):
    """Carry a one-line message, an optional hint and the exit status of the contract."""

    exit_status = 1

    def __init__(self, message: str, hint: str | None = None):
        super().__init__(message)
        self.message = message
        self.hint = hint

    @property
    def sentence(self) -> str:
        """Return the message as the beginning of a sentence."""
        return self.message[:1].upper() + self.message[1:]


class Refused(AuthGateError):
    """The server refused, or sent something that cannot be used or trusted.

    `code` is the OAuth error code (RFC 6749 section 5.2) where the server gave one.
    """

    exit_status = 1

    def __init__(self, message: str, hint: str | None = None, code: str | None = None):
        super().__init__(message, hint)
        self.code = code


class NoSubject(Refused):
    """UserInfo does not say who it is about: it knows no machines, or the scope openid is missing."""


class OutputFailed(AuthGateError):
    """The result could not be written to stdout."""

    exit_status = 1


class UsageError(AuthGateError):
    """The command line or the settings are wrong."""

    exit_status = 2


class Unreachable(AuthGateError):
    """The server cannot be reached now; trying again later can help.

    `retry_after` is in seconds, where the server named a time. `sent` is False when nothing of
    the request can have reached the server, so that even a one-time code may be sent again.
    `timed_out` tells a time-out from other failures (RFC 8628 section 3.5).
    """

    exit_status = 3

    def __init__(
        self,
        message: str,
        hint: str | None = None,
        *,
        retry_after: float | None = None,
        sent: bool = True,
        timed_out: bool = False,
    ):
        super().__init__(message, hint)
        self.retry_after = retry_after
        self.sent = sent
        self.timed_out = timed_out


class SignInNeeded(AuthGateError):
    """There is no usable token, and none may or could be obtained here."""

    exit_status = 4


class TokenRefused(SignInNeeded):
    """The server says that the access token is not good (any more).

    `code` is its reason. What is only `forbidden` (403) some servers say to a good token too.
    """

    def __init__(self, message: str, hint: str | None = None, code: str = "", forbidden: bool = False):
        super().__init__(message, hint)
        self.code, self.forbidden = code, forbidden


class Denied(SignInNeeded):
    """The person said no; a denial is final, nothing else is tried."""


class FlowUnavailable(AuthGateError):
    """This way of signing in does not work here; `auto` may go on with the other one."""

    exit_status = 1


class CallbackUnavailable(FlowUnavailable):
    """No browser can come back to us now: the port is taken or the browser failed."""

    exit_status = 3


class CallbackTimeout(FlowUnavailable):
    """Nobody came back from the browser in time."""

    exit_status = 4


class StoreFailed(AuthGateError):
    """The token store is unreadable, corrupt, full or locked."""

    exit_status = 5


class StoreCorrupt(StoreFailed):
    """The token file is one, but cannot be read; a new sign-in moves it aside."""


class KeyringUnavailable(StoreFailed):
    """There is no keyring here that counts; under `auto` nobody needs to hear of it."""


class Terminated(BaseException):
    """A signal asks the program to end; raised so that `finally` blocks clean up first."""

    def __init__(self, signum: int):
        super().__init__(signum)
        self.signum = signum
