"""Get a usable token, check it at the server, and report."""

from __future__ import annotations

import os

from .. import report, session
from ..context import Context
from ..errors import UsageError
from ..session import Checked
from ..settings import expand_home


def run(context: Context) -> int:
    """Print the report; the exit status is 5 if the token could not be saved."""
    context.require("AUTHGATE_URL", *(() if context.settings.access_token else ("CLIENT_ID",)))
    settings, flags, terminal = context.settings, context.arguments.flags, context.terminal
    if settings.access_token and "force" in flags:
        raise UsageError("AUTHGATE_TOKEN is set, so signing in would have no effect", "unset AUTHGATE_TOKEN first")
    checked = session.log_in(context, force="force" in flags)
    now, show_tokens = context.system.now(), "show-tokens" in flags
    if "json" in flags:
        text = report.as_json(checked, settings, now, show_tokens)
    else:
        text = report.as_text(checked, now, show_tokens)
    failure = checked.issued.save_error
    if terminal.is_interactive and checked.issued.source in ("browser", "device"):
        terminal.prompt()  # between the prompts and the report
    terminal.result(text, failure.exit_status if failure else 0)
    if terminal.is_interactive and checked.issued.source != "environment":
        terminal.tell(_closing_line(context, checked))
    if failure:
        raise failure
    return 0


def _closing_line(context: Context, checked: Checked) -> str:
    """Say who is signed in, and where the token is kept."""
    source, place = checked.issued.source, checked.issued.stored_in
    if source in ("stored", "refreshed"):
        return f"Already signed in ({source} token); run it with --force to sign in again."
    said = checked.userinfo.claims or report.id_claims(checked.issued.token)
    client = f" as client {context.settings.client_id}" if source == "client-credentials" else ""
    who = f" as {report.name_of(said)}" if said else client
    home, where = expand_home("~/", context.environ), "the keyring" if place == "keyring" else place or ""
    if home.strip(os.sep) and where.startswith(home):
        where = f"~{os.sep}{where[len(home) :]}"
    return f"Signed in{who}. The token is {f'stored in {where}' if where else 'not stored'}."
