"""Token values: their syntax, their lifetimes, and RFC 3339 times.

Times are seconds since 1970, UTC. An `expires_at` of None means that the server named no expiry; the
token then counts as one that never expires.
"""

from __future__ import annotations

from .errors import OPERATOR, Refused, StoreFailed
from .values import TYPE_CHECKING, Value

if TYPE_CHECKING:
    from typing import TypeGuard

EARLY = 60  # seconds; a token with less left is refreshed
STILL_USABLE = 10  # seconds; a token with this much left is still used if it cannot be refreshed now
_B64 = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/")


class TokenSet(Value):
    """A token with everything known about it."""

    access_token: str
    token_type: str = "Bearer"
    expires_at: float | None = None
    refresh_token: str | None = None
    id_token: str | None = None
    scope: str | None = None
    issuer: str | None = None
    client_id: str | None = None
    lifetime: float | None = None  # seconds from its issue to its end
    requested_scope: str | None = None  # what was requested; servers rename and drop scopes
    grant_type: str | None = None  # client_credentials for a machine's token

    def seconds_left(self, now: float) -> float:
        """Return the seconds until the token expires; infinity when it never does."""
        return float("inf") if self.expires_at is None else self.expires_at - now

    def is_fresh(self, now: float, min_ttl: float) -> bool:
        """Tell whether `min_ttl` seconds are left, or half of the token's whole life if that is less."""
        return self.seconds_left(now) >= (min(min_ttl, self.lifetime / 2) if self.lifetime else min_ttl)

    @property
    def is_personal(self) -> bool:
        """Tell whether a person signed in for this token.

        Of a token that another client has stored, only its refresh or ID token shows that.
        """
        ours = self.requested_scope is not None  # then `grant_type` is reliable: servers give machines both, too
        return self.grant_type != "client_credentials" and bool(ours or self.refresh_token or self.id_token)


class IssuedToken(Value):
    """A token, where it came from and where it is stored (None: nowhere).

    `source` is one of the words in the README: stored, refreshed, browser, device, client-credentials or environment.
    `save_error` is why a new token could not be stored.
    """

    token: TokenSet
    source: str
    stored_in: str | None = None
    save_error: StoreFailed | None = None


def mask(token: str) -> str:
    """Return what may be shown of a token: its first 8 characters, or less."""
    return token[:8] + "..." if len(token) > 8 else "****"


def is_token(value: object) -> TypeGuard[str]:
    """Tell whether `value` can stand in an Authorization header (b64token, RFC 6750 section 2.1)."""
    return isinstance(value, str) and value[:1] != "=" and value != "" and set(value.rstrip("=")) <= _B64


def is_secret(value: object) -> TypeGuard[str]:
    """Tell whether `value` can be a token or a device code: ASCII, spaces too (RFC 6749 sections A.12 and A.17)."""
    return isinstance(value, str) and value.isascii() and value.isprintable() and value != ""


def bearer(access_token: str) -> str:
    """Return the value of the Authorization header (RFC 6750 section 2.1). Raise Refused if it cannot be one."""
    if not is_token(access_token):
        raise Refused("the access token has characters that an Authorization header cannot hold", OPERATOR)
    return f"Bearer {access_token}"


def with_openid(scope: str) -> str:
    """Return the flag that requests these scopes and openid, which some servers require for UserInfo."""
    return f"--scope '{' '.join(['openid', *scope.split()])}'"


def rfc3339(when: float) -> str:
    """Write a time of the years 1 to 9999 as RFC 3339 in UTC with whole seconds."""
    from datetime import datetime, timedelta  # slow to import; a stored token is printed without it

    # Not `fromtimestamp`, which fails on Windows before 1970 and after the year 3000.
    return (datetime(1970, 1, 1) + timedelta(seconds=int(when))).isoformat() + "Z"


def parse_rfc3339(text: str) -> float | None:
    """Read an RFC 3339 time, with any fraction and offset; None for anything else.

    By hand: importing `datetime` takes as long as everything else in a `token` from the store.
    """
    zone = text[19:].lstrip(".0123456789")
    fraction = text[19 : len(text) - len(zone)]
    date, time = _numbers(text[:10], "-", 4, 2, 2), _numbers(text[11:19], ":", 2, 2, 2)
    offset = [0, 0] if zone in ("Z", "z") else _numbers(zone[1:], ":", 2, 2)
    if not (date and time and offset) or text[10] not in "Tt " or zone[0] not in "Zz+-":
        return None
    if fraction and not (fraction[0] == "." and is_digits(fraction[1:])):
        return None
    (year, month, day), (hour, minute, second) = date, time
    if not (1 <= month <= 12 and 1 <= day <= 31 and hour < 24 and minute < 60 and second <= 60):
        return None
    ahead = (offset[0] * 60 + offset[1]) * (-60 if zone[0] == "-" else 60)
    return _days(year, month, day) * 86400 + hour * 3600 + minute * 60 + second + float(fraction or 0) - ahead


def is_digits(text: str) -> bool:
    """Tell whether a text consists of ASCII digits only, and is not empty."""
    return text.isascii() and text.isdecimal()


def _numbers(text: str, separator: str, *lengths: int) -> list[int]:
    """Return the numbers in a text, or [] if they do not have these numbers of digits."""
    parts = text.split(separator)
    fits = [*map(len, parts)] == [*lengths] and all(map(is_digits, parts))
    return [int(part) for part in parts] if fits else []


def _days(year: int, month: int, day: int) -> int:
    """Count the days from 1970-01-01 in the Gregorian calendar, years beginning in March."""
    year -= month < 3
    month = (month + 9) % 12
    return 365 * year + year // 4 - year // 100 + year // 400 + (153 * month + 2) // 5 + day - 719469
