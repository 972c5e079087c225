"""Say who is signed in, without changing anything."""

from __future__ import annotations

from .. import report
from ..errors import AuthGateError, Refused, SignInNeeded, TokenRefused
from ..held import Held, from_environment
from ..text import clean
from ..tokens import TokenSet, rfc3339
from ..values import TYPE_CHECKING, Value

if TYPE_CHECKING:
    from ..app import App
    from ..protocol.claims import Answer
    from ..session import Checked

_SIGN_IN = "sign in with authgate.pyz login"


class Status(Value):
    """What is known; `failure` is why this is not a sign-in that works."""

    held: Held | None = None
    user: Answer | None = None
    checked_by: str | None = None
    failure: AuthGateError | None = None


def run(app: App) -> int:
    """Print what is known; exit 0 only for a token that the server, or offline the clock, accepts."""
    status = _status(app)
    exit_status = status.failure.exit_status if status.failure else 0
    if "json" in app.arguments.flags:
        app.terminal.result(report.document(_as_fields(app, status)), exit_status)
    elif status.held:
        app.terminal.result("".join(f"{name}: {text}\n" for name, text in _lines(app, status)), exit_status)
    if status.failure:
        raise status.failure
    return 0


def _status(app: App) -> Status:
    held, asked = None, None
    try:
        if app.problem:
            raise app.problem
        app.settings.require("AUTHGATE_URL", *(() if app.settings.access_token else ("CLIENT_ID",)))
        held = _held(app)
        if held is None:
            raise SignInNeeded(f"nobody is signed in to {app.settings.issuer}", _SIGN_IN)
        asked = "clock"
        if held.token.seconds_left(app.edges.now()) <= 0:
            raise SignInNeeded("the token has expired", _expired_hint(held))
        if "offline" in app.arguments.flags:
            return Status(held, None, asked)
        asked = None
        checked = app.session.check(held)
        asked = "server" if checked.userinfo.accepted or checked.tokeninfo.refused else None
        return Status(held, _accepted(checked), "server")
    except TokenRefused as failure:
        return Status(held, None, "server", failure)
    except AuthGateError as failure:
        return Status(held, None, asked, failure)


def _held(app: App) -> Held | None:
    if app.settings.access_token:
        return from_environment(app.settings.access_token)
    stored = app.store.load()
    return Held(stored.token, "stored", stored.place.label) if stored else None


def _accepted(checked: Checked) -> Answer:
    """Return what the server says of the user. Raise when it does not show that it takes the token."""
    if checked.tokeninfo.refused:
        raise SignInNeeded("the server says that the token is not active", _SIGN_IN)
    if not checked.userinfo.accepted and not checked.tokeninfo.accepted:
        raise Refused(
            f"the server does not say whether the token is good (UserInfo: {clean(checked.userinfo.reason)})",
            "authgate.pyz status --offline goes by the clock alone",
        )
    return checked.userinfo


def _expired_hint(held: Held) -> str:
    if held.source == "environment":
        return "AUTHGATE_TOKEN has to be renewed"
    return "authgate.pyz login or authgate.pyz token refreshes it" if held.token.refresh_token else _SIGN_IN


def _lines(app: App, status: Status) -> list[tuple[str, str]]:
    assert status.held is not None
    token, now = status.held.token, app.edges.now()
    lines = [("Server", app.settings.issuer), ("Client", app.settings.client_id or "(none)")]
    if status.user and status.user.claims:
        lines.insert(0, ("User", report.person(status.user.claims)))
    elif status.user:
        lines.insert(0, ("User", f"not available ({clean(status.user.reason)})"))
    checked = {"server": "the server", "clock": "the clock alone", None: "nobody"}[status.checked_by]
    return [
        *lines,
        ("Expires", _expires(token, now)),
        ("Scope", clean(token.scope or "") or "(none)"),
        ("Kept in", status.held.store or "AUTHGATE_TOKEN (nothing is stored)"),
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
