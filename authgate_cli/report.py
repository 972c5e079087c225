"""Write the report: what is known of a token, for people and as JSON."""

from __future__ import annotations

import json

from .text import clean
from .tokens import mask, rfc3339
from .values import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

    from .oauth.endpoints import Claims
    from .oauth.strict_json import Json
    from .session import Checked
    from .settings import Settings
    from .tokens import TokenSet

_TOKENINFO = (
    ("UserID", "user_id"),
    ("ClientID", "client_id"),
    ("Scope", "scope"),
    ("SubjectType", "subject_type"),
    ("Issuer", "iss"),
    ("Exp", "exp"),
)


def as_text(checked: Checked, now: float, show_tokens: bool) -> str:
    """Return the report of the contract, line by line."""
    token = checked.issued.token
    shown = _unmasked if show_tokens else mask
    lines = [
        *_user(checked.userinfo, shown(token.access_token)),
        f"Access Token: {shown(token.access_token)}",
        f"Refresh Token: {shown(token.refresh_token)}",
        f"Token Type: {clean(token.token_type)}",
        f"Expires In: {'never' if token.expires_at is None else _seconds_left(token, now)}",
        f"Expires At: {'never' if token.expires_at is None else rfc3339(token.expires_at)}",
        f"Scope: {clean(token.scope or '', 5000) or '(none)'}",
        f"ID Token: {shown(token.id_token)}",
        *_tokeninfo(checked.tokeninfo),
    ]
    return "\n".join(lines) + "\n"


def as_json(checked: Checked, settings: Settings, now: float, show_tokens: bool) -> str:
    """Return the report as one JSON document; its text is ASCII, everything else escaped."""
    return document(
        {
            "user": checked.userinfo.claims,
            "token": token_fields(checked.issued.token, now, show_tokens),
            "tokeninfo": checked.tokeninfo.claims,
            "source": checked.issued.source,
            "store": checked.issued.stored_in,
            "issuer": settings.issuer,
            "client_id": settings.client_id or None,
        }
    )


def token_fields(token: TokenSet, now: float, show_tokens: bool) -> dict[str, Any]:
    """Return a token as a JSON object's fields."""
    shown = _unmasked if show_tokens else mask
    never = token.expires_at is None
    return {
        "access_token": shown(token.access_token),
        "refresh_token": shown(token.refresh_token) if token.refresh_token else None,
        "id_token": shown(token.id_token) if token.id_token else None,
        "token_type": token.token_type,
        "expires_in": None if never else _seconds_left(token, now),
        "expires_at": None if token.expires_at is None else rfc3339(token.expires_at),
        "scope": token.scope,
    }


def document(fields: dict[str, Any]) -> str:
    """Return one JSON document as it goes to stdout."""
    return json.dumps(fields, indent=2) + "\n"


def _user(userinfo: Claims, shown_token: str) -> list[str]:
    if userinfo.claims is None:
        return [f"Token: {shown_token} (UserInfo not available: {clean(userinfo.reason)})"]
    return [f"User: {person(userinfo.claims)}", f"Subject: {clean(userinfo.claims['sub'])}"]


def person(claims: Json) -> str:
    """Return what to call somebody: name and e-mail address, or the best there is."""
    names = [clean(claims[key]) for key in ("name", "preferred_username", "nickname") if _is_text(claims.get(key))]
    email = clean(claims["email"]) if _is_text(claims.get("email")) else ""
    name = names[0] if names else email or clean(claims["sub"])
    return f"{name} ({email})" if email and names else name


def _tokeninfo(tokeninfo: Claims) -> list[str]:
    if tokeninfo.claims is None:
        return [f"TokenInfo: not available ({clean(tokeninfo.reason)})"]
    claims = tokeninfo.claims
    lines = [f"TokenInfo Active: {clean(claims.get('active', '(none)'))}"]
    return lines + [f"TokenInfo {label}: {clean(claims.get(key) or '(none)')}" for label, key in _TOKENINFO]


def _seconds_left(token: TokenSet, now: float) -> int:
    return max(0, int(token.seconds_left(now)))


def _unmasked(token: str | None) -> str:
    return token or "(none)"


def _is_text(value: object) -> bool:
    return isinstance(value, str) and clean(value) != ""
