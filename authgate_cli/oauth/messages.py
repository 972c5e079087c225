"""HTTP requests and responses as the OAuth rules see them: forms, headers, and what an error answer says."""

from __future__ import annotations

import binascii
from urllib.parse import parse_qsl, urlencode

from ..errors import Refused, Unreachable
from ..text import clean
from ..tokens import is_number
from ..values import TYPE_CHECKING, Value
from .strict_json import parse_object

if TYPE_CHECKING:
    from collections.abc import Mapping


class Request(Value):
    """An HTTP request. Headers and body may hold `secrets`, so the repr shows neither."""

    method: str
    url: str
    headers: dict[str, str] = {}
    body: str | None = None
    secrets: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Request({self.method} {self.url.partition('?')[0]})"


class Response(Value):
    """An HTTP answer, read to its end; header names are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    def __repr__(self) -> str:
        return f"Response({self.status}, {len(self.body)} bytes)"

    @property
    def is_html(self) -> bool:
        """Tell whether a page for people came where data was asked for."""
        kind = self.headers.get("content-type", "").lower()
        return "html" in kind or self.body.lstrip()[:1] == b"<"


def get(url: str) -> Request:
    """Return a GET."""
    return Request("GET", url)


def get_as(url: str, access_token: str) -> Request:
    """Return a GET with a Bearer token (RFC 6750 section 2.1)."""
    return Request("GET", url, {"Authorization": f"Bearer {access_token}"}, secrets=(access_token,))


def without_echo(response: Response, secrets: tuple[str, ...]) -> Response:
    """Take our own secrets out of an answer that is an error: its text may be shown to people."""
    body = response.body
    if response.status != 200 or b'"error"' in body:  # some servers refuse with status 200
        for secret in secrets:
            body = body.replace(secret.encode(), b"****")
    return response._replace(body=body)


def form_encode(fields: Mapping[str, str | None]) -> str:
    """Return fields as application/x-www-form-urlencoded; those that are None are left out."""
    return urlencode(_present(fields))


def _present(fields: Mapping[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in fields.items() if value is not None}


def parse_query(query: str) -> dict[str, str]:
    """Return a query's fields. Raise ValueError when one comes twice (RFC 6749 section 3.1)."""
    pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=50)
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("a field comes twice")
    return fields


def basic_authorization(user: str, password: str) -> str:
    """Return the value of a Basic Authorization header (RFC 7617)."""
    return "Basic " + binascii.b2a_base64(f"{user}:{password}".encode(), newline=False).decode()


def client_authorization(client_id: str, secret: str) -> str:
    """Return a client's Basic header: both parts are form-encoded first (RFC 6749 section 2.3.1)."""
    return basic_authorization(urlencode({"": client_id})[1:], urlencode({"": secret})[1:])


_SECRET_FIELDS = ("client_secret", "code", "code_verifier", "device_code", "refresh_token", "token")


def post_form(url: str, fields: Mapping[str, str | None], headers: Mapping[str, str] | None = None) -> Request:
    """Return a form POST; fields that are None are left out."""
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    secrets = tuple(fields[name] or "" for name in _SECRET_FIELDS if fields.get(name))
    return Request("POST", url, {**kind, **(headers or {})}, form_encode(fields), secrets)


def http_date(text: str) -> float | None:
    """Return an HTTP date in seconds since 1970, or None for anything else."""
    if not text:
        return None
    from email.utils import parsedate_to_datetime  # an answer that is as it should be needs no date read

    try:
        return parsedate_to_datetime(text).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Return the seconds that Retry-After asks to wait, or None where it does not or says nonsense."""
    value = headers.get("retry-after", "").strip()
    if is_number(value) and len(value) < 10:
        return float(value)
    when = http_date(value)
    return None if when is None else max(0.0, when - now)


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
