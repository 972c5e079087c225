"""HTTP requests and responses: encode forms, turn failed answers into errors, and keep secrets out of messages."""

from __future__ import annotations

import binascii
import re
from collections.abc import Mapping
from urllib.parse import parse_qsl, unquote, urlencode

from ..errors import Refused, Unreachable
from ..text import ISSUER, SENTENCE, WORD, clean, cut
from ..tokens import bearer, is_digits
from ..urls import is_url
from ..values import Value
from .parsing import Json, parse_object


class Request(Value):
    """An HTTP request. Headers and body may hold `secrets`."""

    method: str
    url: str
    headers: dict[str, str] = {}
    body: str | None = None
    secrets: tuple[str, ...] = ()


class Response(Value):
    """A complete HTTP answer. Header names are in lower case; `secrets` are those of all requests so far."""

    status: int
    headers: dict[str, str]
    body: bytes
    secrets: tuple[str, ...] = ()

    @property
    def is_html(self) -> bool:
        """Tell whether the body is a web page; some servers call JSON one, too."""
        is_page = "html" in self.headers.get("content-type", "").lower() or self.body.lstrip()[:1] == b"<"
        return is_page and self.document is None

    @property
    def document(self) -> Json | None:
        """Return the JSON object in the body, or None for any other body."""
        try:
            return parse_object(self.body)
        except ValueError:
            return None


def get(url: str) -> Request:
    """Return a GET request."""
    return Request("GET", url)


def get_as(url: str, access_token: str) -> Request:
    """Return a GET request with a Bearer token. Raise Refused as `bearer` does."""
    return Request("GET", url, {"Authorization": bearer(access_token)}, secrets=(access_token,))


def parse_query(query: str) -> dict[str, str]:
    """Return the fields of a query. Raise ValueError for a field that is repeated (RFC 6749 section 3.1)."""
    pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=50)
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("a field is repeated")
    return fields


def basic_authorization(user: str, password: str) -> str:
    """Return the value of a Basic Authorization header (RFC 7617)."""
    return "Basic " + binascii.b2a_base64(f"{user}:{password}".encode(), newline=False).decode()


_SECRET_FIELDS = ("client_secret", "code", "code_verifier", "device_code", "refresh_token", "token")


def post_form(url: str, fields: Mapping[str, str | None]) -> Request:
    """Return a POST request with a form; fields that are None are left out."""
    form = {name: value for name, value in fields.items() if value is not None}
    secrets = tuple(form[name] for name in _SECRET_FIELDS if form.get(name))
    return Request("POST", url, {"Content-Type": "application/x-www-form-urlencoded"}, urlencode(form), secrets)


def http_date(text: str) -> float | None:
    """Return an HTTP date in seconds since 1970, or None for anything else."""
    if not text:
        return None
    from datetime import timezone  # slow to import, and a date is rare
    from email.utils import parsedate_to_datetime

    try:
        date = parsedate_to_datetime(text)
        return date.replace(tzinfo=date.tzinfo or timezone.utc).timestamp()
    except (TypeError, ValueError, OverflowError, IndexError, OSError):  # IndexError: Python 3.9; OSError: Windows
        return None


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Return the seconds that Retry-After asks to wait, or None if it is missing or malformed."""
    value = headers.get("retry-after", "").strip()
    if is_digits(value) and len(value) < 10:
        return float(value)
    when = http_date(value)
    return None if when is None else max(0.0, when - now)


# These are always shown unchanged: RFC 6749, 6750, 7009, 8628, 9126, OpenID Connect Core.
_REGISTERED = (
    "access_denied account_selection_required authorization_pending consent_required expired_token insufficient_scope"
    " interaction_required invalid_client invalid_grant invalid_request invalid_request_object invalid_request_uri"
    " invalid_scope invalid_target invalid_token login_required registration_not_supported request_not_supported"
    " request_uri_not_supported server_error slow_down temporarily_unavailable unauthorized_client"
    " unsupported_grant_type unsupported_response_type unsupported_token_type"
)
_LONGEST_QUOTE = 4000  # characters of a server's text, escaped; the rest is dropped
_LONGEST_PIECE = 11  # letters of a secret that may be shown: servers shorten what they repeat
_ESCAPE = r"[\\%]u([0-9a-fA-F]{4})|\\(?:u\{0*([0-9a-fA-F]{1,5})\}|x([0-9a-fA-F]{2})|(.))"
_CONTROLS = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_LIKE_A_TOKEN = r"[A-Za-z0-9._~+/=-]{20,}"  # RFC 6750 section 2.1
_LEFT_OUT = "****"
_PARAMETER = r'([\w!#$%&\'*+.^`|~-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s",]+))'  # in WWW-Authenticate (RFC 9110)


def quotable(said: object, limit: int, secrets: tuple[str, ...] = ()) -> str:
    """Return a server's text as an error message may quote it, in at most `limit` columns.

    All server text in errors passes through here. It is unescaped first, so that an escape cannot
    hide a secret. Then the `secrets` of the requests are removed, also in base64 and hex and if their case,
    spaces or punctuation differ, and long pieces of them; and so is everything else that could be a token.
    Registered error codes stay.
    """
    if said in _REGISTERED.split():
        return str(said)
    line = clean(_unescaped(str(said)[:_LONGEST_QUOTE]), _LONGEST_QUOTE)
    encoders = (binascii.b2a_base64, binascii.hexlify)
    encoded = {encode(secret.encode(errors="replace")).decode() for secret in secrets for encode in encoders}
    shown = {clean(_unescaped(secret), _LONGEST_QUOTE) for secret in secrets}
    forms = sorted({*secrets, *shown, *encoded} - {""}, key=len, reverse=True)
    for secret in forms:  # first as a whole: what is before and after its letters is left out too
        line = line.replace(secret, _LEFT_OUT)
    for secret in forms:
        line = _without(line, secret)
    line = re.sub(_LIKE_A_TOKEN, lambda run: _LEFT_OUT if re.search("[0-9]", run[0]) else run[0], line)
    return cut(line, limit)


def quotable_issuer(said: object, secrets: tuple[str, ...] = ()) -> str:
    """Return an issuer unchanged if it is a URL; any other text is quoted by `quotable`."""
    return clean(said, ISSUER) if is_url(said) else quotable(said, ISSUER, secrets)


def _unescaped(text: str) -> str:
    """Undo the escapes of JSON, HTML and URLs, also if the text was escaped more than once."""
    import html  # slow to import, and only errors need it

    def character(escape: re.Match[str]) -> str:
        code = escape[1] or escape[2] or escape[3]
        return chr(int(code, 16)) if code else _CONTROLS.get(escape[4], escape[4])

    while (plain := html.unescape(unquote(re.sub(_ESCAPE, character, text, flags=re.DOTALL)))) != text:
        text = plain  # every round makes it shorter
    return text


def _without(line: str, secret: str) -> str:
    """Remove a secret or long pieces of it.

    Only letters and digits are compared, without case, accents, width and what is between them.
    """
    letters, wanted = _letters(line), _letters(secret)
    size = min(len(wanted), _LONGEST_PIECE + 1)
    pieces = [letters[at : at + size] for at in range(len(letters) - size + 1)]
    theirs = set(pieces).intersection(wanted[at : at + size] for at in range(len(wanted) - size + 1))
    if not size or not theirs:
        return line
    places = [place for place, character in enumerate(line) for _ in _letters(character)]
    kept, end = [], 0
    for at, piece in enumerate(pieces):
        if piece in theirs:
            if places[at] >= end:
                kept += [line[end : places[at]], _LEFT_OUT]
            end = places[at + size - 1] + 1
    return "".join([*kept, line[end:]])


def _letters(text: str) -> str:
    from unicodedata import normalize  # only errors need its tables

    return "".join(filter(str.isalnum, normalize("NFKD", text).lower()))


class OAuthError(Value):
    """An error code and its description, both safe to show; "" if the server sent none."""

    code: str = ""
    description: str = ""

    def __str__(self) -> str:
        return f"{self.code} ({self.description})" if self.description else self.code or "no reason given"


def quotable_error(fields: Mapping[str, object], secrets: tuple[str, ...]) -> OAuthError:
    """Return the error in the fields of an answer or a callback."""
    code, description = fields.get("error"), fields.get("error_description")
    return OAuthError(
        quotable(code, WORD, secrets) if isinstance(code, str) else "",
        quotable(description, SENTENCE, secrets) if isinstance(description, str) else "",
    )


def read_error(response: Response) -> OAuthError:
    """Return the error in the body of an answer, else in WWW-Authenticate (RFC 6750 section 3), else an empty one."""
    error = quotable_error(response.document or {}, response.secrets)
    if error.code or response.status not in (401, 403):
        return error
    challenge = response.headers.get("www-authenticate", "")[:_LONGEST_QUOTE]
    parameters = {name.lower(): quoted or bare for name, quoted, bare in re.findall(_PARAMETER, challenge)}
    return quotable_error(parameters, response.secrets)


def check_reachable(response: Response, what: str) -> None:
    """Raise Unreachable for 429 and 5xx; `what` begins its message, as it does in the functions below."""
    if response.status == 429:
        wait = retry_after(response.headers, 0) if response.headers.get("retry-after", "").isdecimal() else None
        soon = f"try again in {wait:.0f} s" if wait else "try again in a minute"
        raise Unreachable(f"{what}: too many requests (rate limited by the server)", soon, retry_after=wait)
    if response.status >= 500:
        raise Unreachable(f"{what}: the server has a problem (status {response.status})", "try again later")


def check_data(response: Response, what: str) -> None:
    """Raise Unreachable for 429, 5xx, and for a web page in place of data."""
    check_reachable(response, what)
    if response.is_html:
        raise from_a_proxy(f"{what}: got a web page instead of data (status {response.status})")


def check_not_redirected(response: Response, what: str) -> None:
    """Raise Unreachable for a redirect in place of data; a proxy or a captive portal may have sent it."""
    if 300 <= response.status < 400:
        raise from_a_proxy(f"{what}: got a redirect instead of data (status {response.status})")


def read_data(response: Response, what: str) -> Json:
    """Return the JSON object of a successful answer. Raise Unreachable as `check_data` does, or Refused."""
    check_data(response, what)
    if response.status != 200:
        raise refusal(response, what)
    try:
        return parse_object(response.body)
    except ValueError as error:
        raise Refused(f"{what}: the server's answer cannot be used: {error}") from None


def from_a_proxy(message: str) -> Unreachable:
    """Return the error for an answer that probably comes from a proxy or a captive portal."""
    return Unreachable(message, "is a proxy or a network sign-in page in the way? is AUTHGATE_URL right?")


def refusal(response: Response, what: str, hint: str | None = None) -> Refused:
    """Return the error for an answer that refuses the request."""
    error = read_error(response)
    return Refused(f"{what}: {error if error.code else f'status {response.status}'}", hint, error.code)
