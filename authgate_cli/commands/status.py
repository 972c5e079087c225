"""Say who is signed in, without changing anything."""

from __future__ import annotations

from .. import report
from ..errors import AuthGateError, Refused, SignInNeeded
from ..held import Held
from ..text import clean
from ..tokens import TokenSet, rfc3339
from ..values import TYPE_CHECKING, Value

if TYPE_CHECKING:
    from ..protocol.claims import Answer
    from ..wiring import App

_SIGN_IN = "sign in with authgate login"


class Status(Value):
    """What is known; `failure` is why this is not a sign-in that works."""

    held: Held | None = None
    user: Answer | None = None
    checked_by: str | None = None
    failure: AuthGateError | None = None


def run(app: App) -> int:
    """Print what is known; exit 0 only for a token that the server, or offline the clock, accepts."""
    status = _status(app)
    if "json" in app.arguments.flags:
        app.edges.terminal.result(report.document(_as_fields(app, status)))
    elif status.held:
        app.edges.terminal.result("".join(f"{name}: {text}\n" for name, text in _lines(app, status)))
    if status.failure:
        raise status.failure
    return 0


def _status(app: App) -> Status:
    held = None
    try:
        if app.problem:
            raise app.problem
        app.settings.require("AUTHGATE_URL", *(() if app.settings.access_token else ("CLIENT_ID",)))
        held = _held(app)
        if held is None:
            raise SignInNeeded(f"nobody is signed in to {app.settings.issuer}", _SIGN_IN)
        if held.token.seconds_left(app.edges.now()) <= 0:
            raise SignInNeeded("the token has expired", _expired_hint(held.token))
        if "offline" in app.arguments.flags:
            return Status(held, None, "clock")
        return _asked(app, held)
    except AuthGateError as failure:
        return Status(held, None, None, failure)


def _held(app: App) -> Held | None:
    if app.settings.access_token:
        return Held(TokenSet(app.settings.access_token), "environment")
    stored = app.store.load()
    return Held(stored.token, "stored", stored.place.label) if stored else None


def _asked(app: App, held: Held) -> Status:
    checked = app.session.check(held)
    if checked.tokeninfo.claims and not checked.tokeninfo.accepted:
        raise SignInNeeded("the server says that the token is not active", _SIGN_IN)
    if not checked.userinfo.accepted and not checked.tokeninfo.accepted:
        raise Refused(f"the server offers no way to check the token ({clean(checked.userinfo.reason)})")
    return Status(held, checked.userinfo, "server")


def _expired_hint(token: TokenSet) -> str:
    return "authgate login or authgate token refreshes it" if token.refresh_token else _SIGN_IN


def _lines(app: App, status: Status) -> list[tuple[str, str]]:
    assert status.held is not None
    token, now = status.held.token, app.edges.now()
    lines = [("Server", app.settings.issuer), ("Client", app.settings.client_id or "(none)")]
    if status.user and status.user.claims:
        lines.insert(0, ("User", report.person(status.user.claims)))
    elif status.user:
        lines.insert(0, ("User", f"not available ({clean(status.user.reason)})"))
    left = token.seconds_left(now)
    good = "never expires" if token.expires_at is None else _duration(left)
    when = f" ({rfc3339(token.expires_at)})" if token.expires_at is not None else ""
    return [
        *lines,
        ("Token", f"{good}{when}"),
        ("Scope", clean(token.scope or "") or "(none)"),
        ("Kept in", status.held.store or status.held.source),
        ("Checked by", {"server": "the server", "clock": "the clock alone", None: "nobody"}[status.checked_by]),
    ]


def _duration(seconds: float) -> str:
    if seconds <= 0:
        return "expired"
    minutes, hours, days = int(seconds // 60), int(seconds // 3600), int(seconds // 86400)
    if days >= 2:
        return f"good for {days} days"
    if hours >= 2:
        return f"good for {hours} h {minutes % 60} min"
    return f"good for {minutes} min" if minutes >= 2 else f"good for {int(seconds)} s"


def _as_fields(app: App, status: Status) -> dict[str, object]:
    held, failure = status.held, status.failure
    token = report.token_fields(held.token, app.edges.now(), "show-tokens" in app.arguments.flags) if held else None
    return {
        "signed_in": failure is None,
        "user": status.user.claims if status.user else None,
        "token": token,
        "source": held.source if held else None,
        "store": held.store if held else None,
        "checked_by": status.checked_by,
        "issuer": app.settings.issuer or None,
        "client_id": app.settings.client_id or None,
        "error": failure.message if failure else None,
        "hint": failure.hint if failure else None,
        "exit_status": failure.exit_status if failure else 0,
    }
