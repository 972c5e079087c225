"""Print the access token for scripts."""

from __future__ import annotations

from .. import report
from ..errors import SignInNeeded, UsageError
from ..tokens import EARLY, rfc3339
from ..values import TYPE_CHECKING

if TYPE_CHECKING:
    from ..held import Held
    from ..wiring import App

FORMATS = ("raw", "header", "json", "exec-credential")


def run(app: App) -> int:
    """Print the token in the format asked for; exit 5 when a refreshed one could not be saved."""
    flags = app.arguments.flags
    form = str(flags.get("format", "json" if "json" in flags else "raw"))
    if form not in FORMATS:
        raise UsageError(f"--format has to be one of {', '.join(FORMATS)}")
    held = fresh_token(app, _min_ttl(str(flags.get("min-ttl", EARLY))))
    app.edges.terminal.result(_formatted(held, form, app.edges.now()))
    if held.save_failure:
        raise held.save_failure
    return 0


def fresh_token(app: App, min_ttl: float = EARLY) -> Held:
    """Return a token without asking anybody to sign in. Raise SignInNeeded when there is none."""
    if not app.settings.access_token:
        app.settings.require("AUTHGATE_URL", "CLIENT_ID")
    held = app.session.present(min_ttl)
    if held is None:
        raise SignInNeeded(
            f"no token is stored for this client at {app.settings.issuer}", "sign in with authgate login"
        )
    return held


def _formatted(held: Held, form: str, now: float) -> str:
    token = held.token
    if form == "raw":
        return token.access_token + "\n"
    if form == "header":
        return f"Authorization: Bearer {token.access_token}\n"
    if form == "exec-credential":
        status = {"token": token.access_token}
        if token.expires_at is not None:
            status["expirationTimestamp"] = rfc3339(token.expires_at)
        return report.document(
            {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status}
        )
    told = report.token_fields(token, now, show_tokens=True)
    names = ("access_token", "token_type", "expires_in", "expires_at", "scope")
    return report.document({**{name: told[name] for name in names}, "source": held.source, "store": held.store})


def _min_ttl(text: str) -> float:
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise UsageError("--min-ttl has to be a whole number of seconds", "for example --min-ttl 300")
    return float(text)
