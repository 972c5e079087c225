"""Print the access token for scripts."""

from __future__ import annotations

import json

from ..errors import SignInNeeded, UsageError
from ..session import usable_token
from ..text import WORD, clean
from ..tokens import EARLY, IssuedToken, is_number, rfc3339
from ..values import TYPE_CHECKING

if TYPE_CHECKING:
    from ..context import Context

FORMATS = ("raw", "header", "json", "exec-credential")
API_VERSIONS = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")


def run(context: Context) -> int:
    """Print the token in the format asked for; exit 5 when a refreshed one could not be saved."""
    flags = context.arguments.flags
    form = str(flags.get("format", "json" if "json" in flags else "raw"))
    if form not in FORMATS:
        raise UsageError(f"--format has to be one of {', '.join(FORMATS)}")
    if "json" in flags and form in ("raw", "header"):
        raise UsageError(f"--json and --format {form} contradict each other", "leave one of them out")
    api = _api_version(context.environ.get("KUBERNETES_EXEC_INFO", "")) if form == "exec-credential" else ""
    issued = fresh_token(context)
    failure = issued.save_error
    context.terminal.result(_formatted(issued, form, api, context.system.now()), failure.exit_status if failure else 0)
    if failure:
        raise failure
    return 0


def fresh_token(context: Context) -> IssuedToken:
    """Return a token with --min-ttl left, without asking anybody to sign in. Raise SignInNeeded when there is none."""
    min_ttl = _min_ttl(str(context.arguments.flags.get("min-ttl", EARLY)))
    if not context.settings.access_token:
        context.require("AUTHGATE_URL", "CLIENT_ID")
    issued = usable_token(context, min_ttl)
    if issued is None:
        raise SignInNeeded(
            f"not signed in to {context.settings.server_and_account}", f"sign in with {context.settings.login_command}"
        )
    if issued.source == "environment" and issued.token.seconds_left(context.system.now()) <= 0:
        raise SignInNeeded("the token in AUTHGATE_TOKEN has expired", "set AUTHGATE_TOKEN to a new one, or unset it")
    return issued


def _formatted(issued: IssuedToken, form: str, api: str, now: float) -> str:
    token = issued.token
    if form == "raw":
        return token.access_token + "\n"
    if form == "header":
        return f"Authorization: Bearer {token.access_token}\n"
    from .. import report  # which the forms above do without

    if form == "exec-credential":
        status = {"token": token.access_token}
        if token.expires_at is not None:
            status["expirationTimestamp"] = rfc3339(token.expires_at)
        return report.document({"apiVersion": api, "kind": "ExecCredential", "status": status})
    told = report.token_fields(token, now, show_tokens=True)
    names = ("access_token", "token_type", "expires_in", "expires_at", "scope")
    return report.document({**{name: told[name] for name in names}, "source": issued.source, "store": issued.stored_in})


def _api_version(exec_info: str) -> str:
    """Return the apiVersion that kubectl asks for; it takes no other. Without one, v1. Raise UsageError."""
    try:
        asked = json.loads(exec_info).get("apiVersion", API_VERSIONS[0])
    except (ValueError, AttributeError, RecursionError):
        return API_VERSIONS[0]
    if asked not in API_VERSIONS:
        told = clean(asked, WORD)
        hint = f"name one of {' and '.join(API_VERSIONS)} in the kubeconfig"
        raise UsageError(f"KUBERNETES_EXEC_INFO asks for the apiVersion {told}, which is not supported", hint)
    return str(asked)


def _min_ttl(text: str) -> float:
    if not is_number(text) or len(text) >= 10:
        raise UsageError("--min-ttl has to be a whole number of seconds", "for example --min-ttl 300")
    return float(text)
