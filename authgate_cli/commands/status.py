"""Report who is signed in, or which tokens are stored, without refreshing or signing in."""

from __future__ import annotations

from .. import report, session
from ..errors import AuthGateError, Refused, SignInNeeded, StoreFailed, TokenRefused, Unreachable, UsageError
from ..oauth.endpoints import Claims
from ..text import ISSUER, NAME, clean
from ..tokens import IssuedToken
from ..values import TYPE_CHECKING, Value

if TYPE_CHECKING:
    from ..context import Context
    from ..session import Checked
    from ..store import Place
    from ..store.token_file import Entry


class Status(Value):
    """What is known; `failure` is why the user is not signed in."""

    issued: IssuedToken | None = None
    user: Claims | None = None
    checked_by: str | None = None
    failure: AuthGateError | None = None


def run(context: Context) -> int:
    """Print what is known.

    Exit with 0 only if the server accepts the token, or with --offline if it has not expired. With
    --all print every stored token instead, and exit with 0 if the stores could be read.
    """
    if "all" in context.arguments.flags:
        return _all(context)
    status = _status(context)
    lines = _lines(context, status) if status.issued else []
    return _show(context, _as_fields(context, status), _text(lines), status.failure)


def _show(context: Context, fields: dict[str, object], text: str, failure: AuthGateError | None) -> int:
    """Print a JSON document, or the text; then raise the failure."""
    exit_status = failure.exit_status if failure else 0
    if "json" in context.arguments.flags:
        error = {"error": failure.message, "hint": failure.hint} if failure else {"error": None, "hint": None}
        context.terminal.result(report.document({**fields, **error, "exit_status": exit_status}), exit_status)
    elif text:
        context.terminal.result(text, exit_status)
    if failure:
        raise failure
    return 0


def _text(lines: list[tuple[str, str]]) -> str:
    return "".join(f"{name}: {text}\n" for name, text in lines)


def _all(context: Context) -> int:
    """List the tokens of all accounts, clients and issuers; no server is asked."""
    found: list[tuple[Entry, Place]] = []
    failure: AuthGateError | None = context.problem
    try:
        found = [] if failure else context.store.entries()
    except StoreFailed as error:
        failure = error
    now = context.system.now()
    documents, texts = [], []
    for entry, place in found:
        token = report.token_fields(entry.token, now, show_tokens=False)
        whose = {"account": entry.account or None, "client_id": entry.client_id, "issuer": entry.issuer}
        time = {name: token[name] for name in ("expires_in", "expires_at")}
        documents.append({**whose, "store": place.label, **time})
        lines = [("Account", clean(entry.account, NAME))] if entry.account else []
        lines += [
            ("Server", clean(entry.issuer or "(not recorded)", ISSUER)),
            ("Client", clean(entry.client_id, NAME)),
            report.lifetime(entry.token, now),
            ("Kept in", place.label),
        ]
        texts.append(_text(lines))
    text = "" if failure else "\n".join(texts) or "No token is stored.\n"
    return _show(context, {"tokens": documents}, text, failure)


def _status(context: Context) -> Status:
    issued, checked_by = None, None
    try:
        if context.problem:
            raise context.problem
        context.require("AUTHGATE_URL", *(() if context.settings.access_token else ("CLIENT_ID",)))
        issued = _token(context)
        if issued is None:
            raise SignInNeeded(f"not signed in to {context.settings.server_and_account}", _sign_in_hint(context))
        checked_by = "clock"
        if issued.token.seconds_left(context.system.now()) <= 0:
            raise SignInNeeded("the token has expired", _expired_hint(context, issued))
        if "offline" in context.arguments.flags:
            said = report.id_claims(issued.token)
            return Status(issued, Claims(said) if said else None, checked_by)
        checked_by = None
        checked = session.check(context, issued)
        issued = checked.issued
        checked_by = "server" if checked.is_proven or checked.tokeninfo.refused else None
        return Status(issued, _accepted(context, checked), checked_by)
    except TokenRefused as failure:
        return Status(issued, None, "server", failure)
    except AuthGateError as failure:
        return Status(issued, None, checked_by, failure)


def _token(context: Context) -> IssuedToken | None:
    if context.settings.access_token:
        return session.given_token(context)
    stored = session.stored_token(context)
    return stored.issued if stored else None


def _accepted(context: Context, checked: Checked) -> Claims:
    """Return what the server says about the user. Raise if it does not show that it accepts the token."""
    if checked.tokeninfo.refused:
        raise SignInNeeded("the server says that the token is not active", _sign_in_hint(context))
    if not (checked.is_proven or checked.is_machine):
        raise Refused(
            f"the server does not say whether the token is valid (UserInfo: {clean(checked.userinfo.reason)})",
            "run authgate.pyz status --offline to check only the expiry time",
        )
    return checked.userinfo


def _sign_in_hint(context: Context) -> str:
    return f"run {context.settings.login_command}"


def _expired_hint(context: Context, issued: IssuedToken) -> str:
    if issued.source == "environment":
        return "set AUTHGATE_TOKEN to a new token, or unset it"
    if issued.token.refresh_token:
        return f"run {context.settings.login_command} or authgate.pyz token to refresh it"
    return _sign_in_hint(context)


def _lines(context: Context, status: Status) -> list[tuple[str, str]]:
    assert status.issued is not None
    token, now = status.issued.token, context.system.now()
    lines = [("Server", context.settings.issuer), ("Client", context.settings.client_id or "(none)")]
    if status.user and status.user.claims:
        lines.insert(0, ("User", report.person(report.claims(status.user.claims, False, status.issued.token) or {})))
    elif status.user:
        lines.insert(0, ("User", f"not available ({clean(status.user.reason)})"))
    if context.settings.account and status.issued.source == "stored":
        lines.append(("Account", context.settings.account))
    server = "the server; the token is not valid" if status.failure else "the server"
    checked = {"server": server, "clock": "the clock only", None: "(not checked)"}[status.checked_by]
    return [
        *lines,
        report.lifetime(token, now),
        ("Scope", clean(token.scope or "") or "(none)"),
        ("Kept in", status.issued.stored_in or "AUTHGATE_TOKEN (nothing is stored)"),
        ("Checked by", checked),
    ]


def _reason(status: Status) -> str | None:
    """Return in one word why the user is not signed in."""
    failure = status.failure
    if failure is None:
        return None
    kinds = ((Unreachable, "not_reachable"), (UsageError, "settings"), (StoreFailed, "store"), (Refused, "unknown"))
    for kind, word in kinds:
        if isinstance(failure, kind):
            return word
    return "signed_out" if status.issued is None else "expired" if status.checked_by == "clock" else "refused"


def _as_fields(context: Context, status: Status) -> dict[str, object]:
    issued = status.issued
    show_tokens = "show-tokens" in context.arguments.flags
    token = report.token_fields(issued.token, context.system.now(), show_tokens) if issued else None
    return {
        "signed_in": status.failure is None,
        "reason": _reason(status),
        "user": report.claims(status.user.claims, show_tokens, issued and issued.token) if status.user else None,
        "token": token,
        "source": issued.source if issued else None,
        "store": issued.stored_in if issued else None,
        "checked_by": status.checked_by,
        "issuer": context.settings.issuer or None,
        "client_id": context.settings.client_id or None,
    }
