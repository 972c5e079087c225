"""Make requests with a form in their body."""

from __future__ import annotations

from ..values import TYPE_CHECKING
from . import percent
from .messages import Request

if TYPE_CHECKING:
    from collections.abc import Mapping

_SECRET_FIELDS = ("client_secret", "code", "code_verifier", "device_code", "refresh_token", "token")


def post_form(url: str, fields: Mapping[str, str | None], headers: Mapping[str, str] | None = None) -> Request:
    """Return a form POST; fields that are None are left out."""
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    secrets = tuple(fields[name] or "" for name in _SECRET_FIELDS if fields.get(name))
    return Request("POST", url, {**kind, **(headers or {})}, percent.form(fields), secrets)
