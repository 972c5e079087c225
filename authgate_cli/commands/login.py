"""Get a usable token, check it at the server, and report."""

from __future__ import annotations

from .. import report, session
from ..errors import UsageError
from ..values import TYPE_CHECKING

if TYPE_CHECKING:
    from ..context import Context


def run(context: Context) -> int:
    """Print the report; the exit status is 5 when the token could not be saved."""
    context.require("AUTHGATE_URL", *(() if context.settings.access_token else ("CLIENT_ID",)))
    settings, flags, terminal = context.settings, context.arguments.flags, context.terminal
    if settings.access_token and "force" in flags:
        raise UsageError("AUTHGATE_TOKEN is set, so that signing in would change nothing", "unset AUTHGATE_TOKEN first")
    checked = session.log_in(context, force="force" in flags)
    now, show_tokens = context.system.now(), "show-tokens" in flags
    if "json" in flags:
        text = report.as_json(checked, settings, now, show_tokens)
    else:
        text = report.as_text(checked, now, show_tokens)
    failure = checked.issued.save_error
    terminal.result(text, failure.exit_status if failure else 0)
    if failure:
        raise failure
    return 0
