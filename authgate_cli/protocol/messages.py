"""The HTTP messages that protocol rules make and judge."""

from __future__ import annotations

from ..values import Value


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
