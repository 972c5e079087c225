"""Read what a server says when it refuses (RFC 6749 section 5.2, RFC 6750 section 3)."""

from __future__ import annotations

from ..errors import Refused, Unreachable
from ..text import clean
from ..values import TYPE_CHECKING, Value
from .http_date import retry_after
from .strict_json import parse_object

if TYPE_CHECKING:
    from .messages import Response


class OAuthError(Value):
    """An error code and its description, both safe to show; "" where the server gave none."""

    code: str = ""
    description: str = ""

    def __str__(self) -> str:
        return f"{self.code} ({self.description})" if self.description else self.code or "no reason given"


def read_error(response: Response) -> OAuthError:
    """Return the error in an answer's body; an empty one where it holds none."""
    try:
        document = parse_object(response.body)
    except ValueError:
        return OAuthError()
    code, description = document.get("error"), document.get("error_description")
    return OAuthError(
        clean(code, 60) if isinstance(code, str) else "",
        clean(description, 200) if isinstance(description, str) else "",
    )


def check_reachable(response: Response, what: str) -> None:
    """Raise Unreachable for answers that say "not now": 429 and 5xx."""
    if response.status == 429:
        wait = retry_after(response.headers, 0) if response.headers.get("retry-after", "").isdecimal() else None
        soon = f"try again in {wait:.0f} s" if wait else "try again in a minute"
        raise Unreachable(f"{what}: the server asks for fewer requests (rate limit)", soon, retry_after=wait)
    if response.status >= 500:
        raise Unreachable(f"{what}: the server has a problem (status {response.status})", "try again later")


def check_data(response: Response, what: str) -> None:
    """Raise Unreachable also for a page where data belongs: something stands in between."""
    check_reachable(response, what)
    if response.is_html:
        raise Unreachable(
            f"{what}: a web page came instead of an answer (status {response.status})",
            "is a proxy or a sign-in page of the network in between? Is AUTHGATE_URL right?",
        )


def refused(what: str, response: Response, hint: str | None = None) -> Refused:
    """Return the error for an answer that refuses."""
    error = read_error(response)
    reason = str(error) if error.code else f"status {response.status}"
    return Refused(f"{what}: {reason}", hint, error.code)
