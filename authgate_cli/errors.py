"""The errors of this program: each has a message, an optional hint and an exit status.

The modules that do I/O translate OSError and similar exceptions into these. `cli.py` prints the one that
ends the run; a message may also be shown as a warning or in a report.
No message ever holds a token, a code, a verifier or a secret.
"""

from __future__ import annotations

OPERATOR = "report this to the operator of the server"  # a hint


class AuthGateError(Exception):
    """An error with a one-line message, an optional hint and the exit status that the README documents."""

    exit_status = 1

    def __init__(self, message: str, hint: str | None = None):
        super().__init__(message)
        self.message, self.hint = message, hint

    @property
    def sentence(self) -> str:
        """Return the message as the beginning of a sentence."""
        return self.message[:1].upper() + self.message[1:]


class Refused(AuthGateError):
    """The server refused, or sent something that cannot be used or trusted.

    `code` is the OAuth error code (RFC 6749 section 5.2) where the server gave one.
    """

    def __init__(self, message: str, hint: str | None = None, code: str | None = None):
        super().__init__(message, hint)
        self.code = code


class Mismatch(Refused):
    """A token or UserInfo is about another user, issuer or client than expected; nothing of the answer is kept."""


class NoSubject(Refused):
    """UserInfo names no user: the token is a machine's, or it lacks the scope openid."""


class UsageError(AuthGateError):
    """The command line or the settings are wrong."""

    exit_status = 2


class Unreachable(AuthGateError):
    """The server cannot be reached now; trying again later can help.

    `retry_after` is in seconds, if the server named a time. `sent` is False if no part of the
    request can have reached the server, so that even a one-time code may be sent again.
    """

    exit_status = 3

    def __init__(self, message: str, hint: str | None = None, *, retry_after: float | None = None, sent: bool = True):
        super().__init__(message, hint)
        self.retry_after, self.sent = retry_after, sent


class SignInNeeded(AuthGateError):
    """There is no usable token, and none can be obtained without a sign-in."""

    exit_status = 4


class TokenRefused(SignInNeeded):
    """The server does not accept the access token, or no longer accepts it.

    `said` is what it says about that, and `code` its reason in one word. Some servers answer a valid
    token with 403 too; then `forbidden` is true.
    """

    def __init__(self, said: str, code: str = "", forbidden: bool = False):
        message = "the server does not accept the token" + (f": {said}" if said else "")
        super().__init__(message, "run authgate.pyz login to sign in again, or set AUTHGATE_TOKEN to a new token")
        self.said, self.code, self.forbidden = said, code, forbidden


class FlowUnavailable(AuthGateError):
    """This way of signing in does not work here; under `auto` the other one is tried."""


class StoreFailed(AuthGateError):
    """The token store is unreadable, corrupt, full or locked."""

    exit_status = 5
    still_there = False  # whether a token could not be removed


class StoreCorrupt(StoreFailed):
    """The token file cannot be parsed; a new sign-in moves it aside."""


class KeyringUnavailable(StoreFailed):
    """There is no usable keyring; under `auto` this is only shown with --verbose."""


class Terminated(BaseException):
    """A signal asks the program to end; raised so that `finally` blocks clean up first."""

    def __init__(self, signum: int):
        super().__init__(signum)
        self.signum = signum
