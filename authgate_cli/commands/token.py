"""Print an access token for scripts: stored, refreshed, or requested with client credentials."""

from __future__ import annotations

from ..context import Context
from ..errors import UsageError
from ..oauth.parsing import load
from ..session import fresh_token
from ..text import WORD, clean, document
from ..tokens import IssuedToken, bearer, rfc3339

FORMATS = ("raw", "header", "json", "exec-credential")
API_VERSIONS = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")


def run(context: Context) -> int:
    """Print the token in the format asked for; exit with 5 if a refreshed one could not be saved."""
    flags = context.arguments.flags
    form = str(flags.get("format", "json" if "json" in flags else "raw"))
    if form not in FORMATS:
        raise UsageError(f"--format must be one of {', '.join(FORMATS)}")
    if "json" in flags and form in ("raw", "header"):
        raise UsageError(f"--json and --format {form} contradict each other", "leave one of them out")
    api = _api_version(context.environ.get("KUBERNETES_EXEC_INFO", "")) if form == "exec-credential" else ""
    issued = fresh_token(context)
    return context.result(_formatted(issued, form, api, context.system.now()), failure=issued.save_error)


def _formatted(issued: IssuedToken, form: str, api: str, now: float) -> str:
    token = issued.token
    if form == "raw":
        return token.access_token + "\n"
    if form == "header":
        return f"Authorization: {bearer(token.access_token)}\n"
    if form == "exec-credential":
        status = {"token": token.access_token}
        if token.expires_at is not None:
            status["expirationTimestamp"] = rfc3339(token.expires_at)
        return document({"apiVersion": api, "kind": "ExecCredential", "status": status})
    from ..report import token_fields  # the forms above do not need it

    fields = token_fields(token, now, show_tokens=True)
    del fields["refresh_token"], fields["id_token"]
    return document({**fields, "source": issued.source, "store": issued.stored_in})


def _api_version(exec_info: str) -> str:
    """Return the apiVersion that kubectl asks for, or v1. Raise UsageError if it is not supported."""
    try:
        asked = load(exec_info).get("apiVersion", API_VERSIONS[0])
    except (ValueError, AttributeError):
        return API_VERSIONS[0]
    if asked not in API_VERSIONS:
        shown = clean(asked, WORD)
        hint = f"name one of {' and '.join(API_VERSIONS)} in the kubeconfig"
        raise UsageError(f"KUBERNETES_EXEC_INFO asks for the apiVersion {shown}, which is not supported", hint)
    return str(asked)
