"""Ask the server about the token and report who is signed in, or list the stored tokens; never refresh or sign in."""

from __future__ import annotations

from .. import report, session
from ..context import Context
from ..errors import AuthGateError, Refused, SignInNeeded, StoreFailed, TokenRefused, Unreachable, UsageError
from ..oauth.endpoints import Claims
from ..text import ISSUER, NAME, clean, escape
from ..tokens import IssuedToken
from ..values import Value


class Status(Value):
    """What is known about the token; `failure` is why the user is not signed in."""

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
    text = _text(_lines(context, status, status.issued)) if status.issued else ""
    return _show(context, _as_fields(context, status), text, status.failure)


def _show(context: Context, fields: dict[str, object], text: str, failure: AuthGateError | None = None) -> int:
    """Print a JSON document, or the text; then raise the failure."""
    error = {"error": failure and failure.message, "hint": failure and failure.hint}
    fields = {**fields, **error, "exit_status": failure.exit_status if failure else 0}
    return context.result(text, fields, failure)


def _text(lines: list[tuple[str, str]]) -> str:
    return "".join(f"{name}: {escape(text)}\n" for name, text in lines)


def _all(context: Context) -> int:
    """List the tokens of all accounts, clients and issuers; no server is asked."""
    try:
        if context.problem:
            raise context.problem
        entries = context.store.entries()
    except (UsageError, StoreFailed) as failure:
        return _show(context, {"tokens": []}, "", failure)
    documents, texts, now = [], [], context.system.now()
    for entry, place in entries:
        token = report.token_fields(entry.token, now, show_tokens=False)
        whose = {"account": entry.account or None, "client_id": entry.client_id, "issuer": entry.issuer}
        time = {name: token[name] for name in ("expires_in", "expires_at")}
        documents.append({**whose, "store": place.label, **time})
        lines = [
            ("Account", clean(entry.account, NAME)),
            ("Server", clean(entry.issuer or "(not recorded)", ISSUER)),
            ("Client", clean(entry.client_id, NAME)),
            report.lifetime(entry.token, now),
            ("Kept in", place.label),
        ]
        texts.append(_text(lines if entry.account else lines[1:]))
    return _show(context, {"tokens": documents}, "\n".join(texts) or "No token is stored.\n")


def _status(context: Context) -> Status:
    issued, checked_by = None, None
    try:
        if context.problem:
            raise context.problem
        context.require_server()
        settings = context.settings
        login = f"run {settings.login_command}"
        if settings.access_token:
            issued = session.given_token(context)
        elif stored := session.stored_token(context):
            issued = stored.issued
        else:
            raise SignInNeeded(f"not signed in to {settings.server_and_account}", login)
        checked_by = "clock"
        if issued.token.seconds_left(context.system.now()) <= 0:
            hint = f"{login} or authgate.pyz token to refresh it" if issued.token.refresh_token else login
            if settings.access_token:
                hint = "set AUTHGATE_TOKEN to a new token, or unset it"
            raise SignInNeeded("the token has expired", hint)
        if "offline" in context.arguments.flags:
            said = report.id_claims(issued.token)
            return Status(issued, Claims(said) if said else None, checked_by)
        checked_by = None
        checked = session.check(context, issued)
        issued = checked.issued
        checked_by = "server" if checked.is_proven or checked.tokeninfo.refused else None
        if checked.tokeninfo.refused:
            raise SignInNeeded("the server says that the token is not active", login)
        if not (checked.is_proven or checked.is_machine):
            raise Refused(
                f"the server does not say whether the token is valid (UserInfo: {clean(checked.userinfo.reason)})",
                "run authgate.pyz status --offline to check only the expiry time",
            )
        return Status(issued, checked.userinfo, checked_by)
    except TokenRefused as failure:
        return Status(issued, None, "server", failure)
    except AuthGateError as failure:
        return Status(issued, None, checked_by, failure)


def _lines(context: Context, status: Status, issued: IssuedToken) -> list[tuple[str, str]]:
    settings, lines = context.settings, []
    if status.user and status.user.claims:
        lines.append(("User", report.person(report.claims(status.user.claims, False, issued.token) or {})))
    elif status.user:
        lines.append(("User", f"not available ({clean(status.user.reason)})"))
    lines += [("Server", settings.issuer), ("Client", settings.client_id or "(none)")]
    if settings.account and issued.source == "stored":
        lines.append(("Account", settings.account))
    server = "the server; the token is not valid" if status.failure else "the server"
    return [
        *lines,
        report.lifetime(issued.token, context.system.now()),
        ("Scope", clean(issued.token.scope or "") or "(none)"),
        ("Kept in", issued.stored_in or "AUTHGATE_TOKEN (nothing is stored)"),
        ("Checked by", {"server": server, "clock": "the clock only", None: "(not checked)"}[status.checked_by]),
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
    issued, show_tokens = status.issued, "show-tokens" in context.arguments.flags
    return {
        "signed_in": status.failure is None,
        "reason": _reason(status),
        "user": report.claims(status.user.claims, show_tokens, issued and issued.token) if status.user else None,
        "token": report.token_fields(issued.token, context.system.now(), show_tokens) if issued else None,
        "source": issued and issued.source,
        "store": issued and issued.stored_in,
        "checked_by": status.checked_by,
        "issuer": context.settings.issuer or None,
        "client_id": context.settings.client_id or None,
    }
