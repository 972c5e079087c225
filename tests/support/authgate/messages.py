"""A request as the AuthGate stand-in sees it, and the answers that it gives."""

from __future__ import annotations

import json
from dataclasses import dataclass
from email.message import Message
from email.utils import formatdate
from http.client import responses
from typing import Any, NamedTuple


@dataclass
class Request:
    """One request as it arrived; `path` is without the issuer's, `status` is 0 until it is answered."""

    method: str
    path: str
    query: dict[str, str]
    form: dict[str, str]
    headers: Message  # reads like a dict, with names in any case
    status: int = 0

    def credentials(self, scheme: str) -> str:
        """Return what the Authorization header holds for a scheme, or an empty string."""
        given, _, credentials = self.headers.get("Authorization", "").partition(" ")
        return credentials if given == scheme else ""


class Response(NamedTuple):
    """Status, body, and the headers beyond the usual ones."""

    status: int
    body: bytes
    headers: dict[str, str]

    def encode(self, now: float, more: int = 0, head_only: bool = False) -> bytes:
        """Encode it as HTTP/1.1; the length that it promises is `more` bytes than it has."""
        length = str(len(self.body) + more)
        headers = {"Date": formatdate(now, usegmt=True), "Content-Length": length}
        headers.update({name.title(): value for name, value in self.headers.items()})
        lines = [f"HTTP/1.1 {self.status} {responses.get(self.status, 'Unknown')}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        head = "\r\n".join(lines) + "\r\n\r\n"
        return head.encode("latin-1") + (b"" if head_only else self.body)


NO_HEADERS: dict[str, str] = {}


def json_response(value: Any, status: int = 200, headers: dict[str, str] = NO_HEADERS) -> Response:
    """Answer with a JSON document."""
    return Response(status, json.dumps(value).encode(), {"Content-Type": "application/json; charset=utf-8", **headers})


def redirect(location: str, headers: dict[str, str] = NO_HEADERS) -> Response:
    """Send a browser elsewhere."""
    return Response(302, b"", {"Location": location, **headers})


class OAuthError(Exception):
    """An error that the client is told about (RFC 6749 §5.2)."""

    def __init__(self, error: str, description: str = "", status: int = 400, challenge: str = ""):
        super().__init__(error)
        self.body = {"error": error, **({"error_description": description} if description else {})}
        self.status = status
        self.headers = {"WWW-Authenticate": challenge} if challenge else {}

    def response(self) -> Response:
        """Answer with the error as JSON."""
        return json_response(self.body, self.status, self.headers)


def invalid_client() -> OAuthError:
    """Return the error for a client that is unknown or did not prove who it is."""
    return OAuthError("invalid_client", "Client authentication failed", 401, 'Basic realm="authgate"')


def invalid_token(description: str) -> OAuthError:
    """Return the error for an access token that is not accepted (RFC 6750 §3.1)."""
    return OAuthError("invalid_token", description, 401, 'Bearer error="invalid_token"')
