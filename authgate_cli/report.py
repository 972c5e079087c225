"""Write what is known about a token, as text and as JSON, with its secrets masked."""

from __future__ import annotations

import re

from .oauth.parsing import Json, claims_of
from .settings import Settings
from .text import NAME, SCOPES, WORD, clean, document
from .tokens import TokenSet, mask, rfc3339
from .values import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

    from .server import Checked

# A claim whose name ends like this is secret. In every claim JWTs, `token=` values and Bearer tokens are masked.
_SECRET_NAME = re.compile(
    r"(token|secret|passw(or)?d|assertion|jwt|credential|cookie|(api|access|private|secret)[_-]?key)s?$",
    re.IGNORECASE,
)
_TOKEN = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w.-]*|(?<=token=)[^&#\s]+|(?<=Bearer )\S+")

_TOKENINFO = (
    ("UserID", "user_id"),
    ("ClientID", "client_id"),
    ("Scope", "scope"),
    ("SubjectType", "subject_type"),
    ("Issuer", "iss"),
    ("Exp", "exp"),
)


def as_text(checked: Checked, now: float, show_tokens: bool) -> str:
    """Return the report as text, in the lines that the README documents."""
    token, userinfo, tokeninfo = checked.issued.token, checked.userinfo, checked.tokeninfo
    fields = token_fields(token, now, show_tokens)
    user, told = (claims(answer.claims, show_tokens, token) for answer in (userinfo, tokeninfo))
    if user is None:
        lines = [f"Token: {fields['access_token']} (UserInfo not available: {clean(userinfo.reason)})"]
    else:
        lines = [f"User: {person(user)}", f"Subject: {clean(user['sub'])}"]
    lines += [
        f"Access Token: {fields['access_token']}",
        f"Refresh Token: {fields['refresh_token'] or '(none)'}",
        f"Token Type: {clean(token.token_type, WORD)}",
        f"Expires In: {'never' if token.expires_at is None else fields['expires_in']}",
        f"Expires At: {fields['expires_at'] or 'never'}",
        f"Scope: {clean(token.scope or '', SCOPES) or '(none)'}",
        f"ID Token: {fields['id_token'] or '(none)'}",
    ]
    if told is None:
        lines.append(f"TokenInfo: not available ({clean(tokeninfo.reason)})")
    else:
        lines.append(f"TokenInfo Active: {clean(told.get('active', '(none)'))}")
        lines += [f"TokenInfo {label}: {clean(told.get(key) or '(none)')}" for label, key in _TOKENINFO]
    return "\n".join(lines) + "\n"


def as_json(checked: Checked, settings: Settings, now: float, show_tokens: bool) -> str:
    """Return the report as one JSON document."""
    token = checked.issued.token
    return document(
        {
            "user": claims(checked.userinfo.claims, show_tokens, token),
            "token": token_fields(token, now, show_tokens),
            "tokeninfo": claims(checked.tokeninfo.claims, show_tokens, token),
            "source": checked.issued.source,
            "store": checked.issued.stored_in,
            "issuer": settings.issuer,
            "client_id": settings.client_id or None,
        }
    )


def token_fields(token: TokenSet, now: float, show_tokens: bool) -> Json:
    """Return the fields of a token for JSON; those that it does not have are None."""
    secrets = {name: getattr(token, name) or None for name in ("access_token", "refresh_token", "id_token")}
    return {
        **{name: secret if show_tokens else secret and mask(secret) for name, secret in secrets.items()},
        "token_type": token.token_type,
        "expires_in": None if token.expires_at is None else max(0, int(token.expires_at - now)),
        "expires_at": None if token.expires_at is None else rfc3339(token.expires_at),
        "scope": token.scope,
    }


def claims(said: Json | None, show_tokens: bool, token: TokenSet | None = None) -> Json | None:
    """Return claims with their secrets masked, and also the secrets of `token` if the server repeats them.

    A distributed claim, for example, has an access token (OpenID Connect Core 5.6.2).
    """
    if show_tokens or said is None:
        return said
    own = [secret for secret in (token.access_token, token.refresh_token) if secret] if token else []
    masked: Json = _masked("", said, own)
    return masked


def _masked(name: str, value: Any, own: list[str]) -> Any:
    """Mask the secrets in a claim; a nested value is masked if its own name or an outer name is secret."""
    if isinstance(value, dict):
        return {
            _masked("", inner, own): _masked(name if _SECRET_NAME.search(name) else inner, each, own)
            for inner, each in value.items()
        }
    if isinstance(value, list):
        return [_masked(name, each, own) for each in value]
    if not isinstance(value, str):
        return value
    for secret in own:
        value = value.replace(secret, mask(secret))
    return mask(value) if _SECRET_NAME.search(name) and value else _TOKEN.sub(lambda found: mask(found[0]), value)


def person(said: Json) -> str:
    """Return a user's name and e-mail address, or the best name there is."""
    name, email = name_of(said), _name(said.get("email"))
    return f"{name} ({email})" if email and email != name else name


def name_of(said: Json) -> str:
    """Return a user's name, or the best substitute among the claims."""
    names = [_name(said.get(key)) for key in ("name", "preferred_username", "nickname", "email")]
    return next(filter(None, names), "") or clean(said["sub"], NAME)


def id_claims(token: TokenSet) -> Json | None:
    """Return what the stored ID token says about the person. It was checked when we stored it."""
    said = claims_of(token.id_token)
    return said if isinstance(said.get("sub"), str) else None


def lifetime(token: TokenSet, now: float) -> tuple[str, str]:
    """Return a label and a text that tell until when a token is valid."""
    if token.expires_at is None:
        return "Expires", "never"
    when, seconds = rfc3339(token.expires_at), token.expires_at - now
    return ("Expires", f"in {_duration(seconds)} ({when})") if seconds > 0 else ("Expired", when)


def _duration(seconds: float) -> str:
    minutes, hours, days = int(seconds // 60), int(seconds // 3600), int(seconds // 86400)
    if days >= 2:
        return f"{days} days"
    if hours >= 2:
        return f"{hours} h {minutes % 60} min"
    return f"{minutes} min" if minutes >= 2 else f"{int(seconds)} s"


def _name(value: object) -> str:
    return clean(value, NAME) if isinstance(value, str) else ""
