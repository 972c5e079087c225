"""Say who is signed in, without changing anything."""

from __future__ import annotations

from .. import report, session
from ..errors import AuthGateError, Refused, SignInNeeded, TokenRefused
from ..text import clean
from ..tokens import IssuedToken, TokenSet, rfc3339
from ..values import TYPE_CHECKING, Value

if TYPE_CHECKING:
    from ..context import Context
    from ..oauth.endpoints import Claims
    from ..session import Checked

_SIGN_IN = "sign in with authgate.pyz login"


class Status(Value):
    """What is known; `failure` is why this is not a sign-in that works."""

    issued: IssuedToken | None = None
    user: Claims | None = None
    checked_by: str | None = None
    failure: AuthGateError | None = None


def run(context: Context) -> int:
    """Print what is known; exit 0 only for a token that the server, or offline the clock, accepts."""
    status = _status(context)
    exit_status = status.failure.exit_status if status.failure else 0
    if "json" in context.arguments.flags:
        context.terminal.result(report.document(_as_fields(context, status)), exit_status)
    elif status.issued:
        context.terminal.result("".join(f"{name}: {text}\n" for name, text in _lines(context, status)), exit_status)
    if status.failure:
        raise status.failure
    return 0


def _status(context: Context) -> Status:
    issued, asked = None, None
    try:
        if context.problem:
            raise context.problem
        context.require("AUTHGATE_URL", *(() if context.settings.access_token else ("CLIENT_ID",)))
        issued = _held(context)
        if issued is None:
            raise SignInNeeded(f"nobody is signed in to {context.settings.issuer}", _SIGN_IN)
        asked = "clock"
        if issued.token.seconds_left(context.system.now()) <= 0:
            raise SignInNeeded("the token has expired", _expired_hint(issued))
        if "offline" in context.arguments.flags:
            return Status(issued, None, asked)
        asked = None
        checked = session.check(context, issued)
        issued = checked.issued
        asked = "server" if checked.is_proven or checked.tokeninfo.refused else None
        return Status(issued, _accepted(checked), asked)
    except TokenRefused as failure:
        return Status(issued, None, "server", failure)
    except AuthGateError as failure:
        return Status(issued, None, asked, failure)


def _held(context: Context) -> IssuedToken | None:
    if context.settings.access_token:
        return session.given_token(context)
    stored = session.stored_token(context)
    return stored.issued if stored else None


def _accepted(checked: Checked) -> Claims:
    """Return what the server says of the user. Raise when it does not show that it takes a person's token."""
    if checked.tokeninfo.refused:
        raise SignInNeeded("the server says that the token is not active", _SIGN_IN)
    if not (checked.is_proven or checked.is_machine):
        raise Refused(
            f"the server does not say whether the token is good (UserInfo: {clean(checked.userinfo.reason)})",
            "authgate.pyz status --offline goes by the clock alone",
        )
    return checked.userinfo


def _expired_hint(issued: IssuedToken) -> str:
    if issued.source == "environment":
        return "AUTHGATE_TOKEN has to be renewed"
    return "authgate.pyz login or authgate.pyz token refreshes it" if issued.token.refresh_token else _SIGN_IN


def _lines(context: Context, status: Status) -> list[tuple[str, str]]:
    assert status.issued is not None
    token, now = status.issued.token, context.system.now()
    lines = [("Server", context.settings.issuer), ("Client", context.settings.client_id or "(none)")]
    if status.user and status.user.claims:
        lines.insert(0, ("User", report.person(status.user.claims)))
    elif status.user:
        lines.insert(0, ("User", f"not available ({clean(status.user.reason)})"))
    checked = {"server": "the server", "clock": "the clock alone", None: "nobody"}[status.checked_by]
    return [
        *lines,
        ("Expires", _expires(token, now)),
        ("Scope", clean(token.scope or "") or "(none)"),
        ("Kept in", status.issued.stored_in or "AUTHGATE_TOKEN (nothing is stored)"),
        ("Checked by", f"{checked}; it is not good" if status.checked_by and status.failure else checked),
    ]


def _expires(token: TokenSet, now: float) -> str:
    if token.expires_at is None:
        return "never"
    seconds = token.expires_at - now
    return f"{_duration(seconds)} ({rfc3339(token.expires_at)})"


def _duration(seconds: float) -> str:
    if seconds <= 0:
        return "already"
    minutes, hours, days = int(seconds // 60), int(seconds // 3600), int(seconds // 86400)
    if days >= 2:
        return f"in {days} days"
    if hours >= 2:
        return f"in {hours} h {minutes % 60} min"
    return f"in {minutes} min" if minutes >= 2 else f"in {int(seconds)} s"


def _as_fields(context: Context, status: Status) -> dict[str, object]:
    issued, failure = status.issued, status.failure
    show_tokens = "show-tokens" in context.arguments.flags
    token = report.token_fields(issued.token, context.system.now(), show_tokens) if issued else None
    return {
        "signed_in": failure is None,
        "user": report.claims(status.user.claims, show_tokens) if status.user else None,
        "token": token,
        "source": issued.source if issued else None,
        "store": issued.stored_in if issued else None,
        "checked_by": status.checked_by,
        "issuer": context.settings.issuer or None,
        "client_id": context.settings.client_id or None,
        "error": failure.message if failure else None,
        "hint": failure.hint if failure else None,
        "exit_status": failure.exit_status if failure else 0,
    }
