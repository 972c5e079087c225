"""Print the access token for scripts."""

from __future__ import annotations

from ..edges import stored_file
from ..edges.importable import is_importable
from ..errors import SignInNeeded, UsageError
from ..held import Held, from_environment
from ..tokens import EARLY, is_number, rfc3339
from ..values import TYPE_CHECKING

if TYPE_CHECKING:
    from ..app import App

FORMATS = ("raw", "header", "json", "exec-credential")


def run(app: App) -> int:
    """Print the token in the format asked for; exit 5 when a refreshed one could not be saved."""
    flags = app.arguments.flags
    form = str(flags.get("format", "json" if "json" in flags else "raw"))
    if form not in FORMATS:
        raise UsageError(f"--format has to be one of {', '.join(FORMATS)}")
    if "json" in flags and form in ("raw", "header"):
        raise UsageError(f"--json and --format {form} contradict each other", "leave one of them out")
    min_ttl = _min_ttl(str(flags.get("min-ttl", EARLY)))
    held = stored_and_fresh(app, min_ttl) or fresh_token(app, min_ttl)
    failure = held.save_failure
    app.terminal.result(_formatted(held, form, app.now()), failure.exit_status if failure else 0)
    if failure:
        raise failure
    return 0


def stored_and_fresh(app: App, min_ttl: float) -> Held | None:
    """Return a token that needs nothing but reading, before the world is wired up; else None."""
    settings = app.settings
    if settings.access_token:
        return from_environment(settings.access_token)
    if not (settings.issuer and settings.client_id and settings.token_file):
        return None
    if settings.store == "keyring" or (settings.store == "auto" and is_importable("keyring")):
        return None
    document = stored_file.read_document(settings.token_file, app.terminal.warn)
    found = stored_file.find(document, settings.client_id, settings.issuer)
    if found.token is None or found.warning or found.token.seconds_left(app.now()) < min_ttl:
        return None
    if settings.flow == "client-credentials" and found.token.is_personal:
        return None
    return Held(found.token, "stored", settings.token_file)


def fresh_token(app: App, min_ttl: float = EARLY) -> Held:
    """Return a token without asking anybody to sign in. Raise SignInNeeded when there is none."""
    if not app.settings.access_token:
        app.settings.require("AUTHGATE_URL", "CLIENT_ID")
    held = app.session.present(min_ttl)
    if held is None:
        raise SignInNeeded(
            f"no token is stored for this client at {app.settings.issuer}", "sign in with authgate.pyz login"
        )
    return held


def _formatted(held: Held, form: str, now: float) -> str:
    token = held.token
    if form == "raw":
        return token.access_token + "\n"
    if form == "header":
        return f"Authorization: Bearer {token.access_token}\n"
    from .. import report  # which the forms above do without

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
    if not is_number(text) or len(text) >= 10:
        raise UsageError("--min-ttl has to be a whole number of seconds", "for example --min-ttl 300")
    return float(text)
