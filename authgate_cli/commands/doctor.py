"""Check everything that signing in needs, a line each, with a remedy."""

from __future__ import annotations

from .. import report
from ..errors import AuthGateError
from ..values import TYPE_CHECKING
from . import checks

if TYPE_CHECKING:
    from ..app import App
    from .checks import Check


def run(app: App) -> int:
    """Print the checks; the exit status is that of the first one that failed."""
    results = [check for group in checks.GROUPS for check in _tried(app, group)]
    if "json" in app.arguments.flags:
        told = [{"name": one.name, "state": one.state, "text": one.text, "remedy": one.remedy} for one in results]
        ok = all(one.state != "failed" for one in results)
        app.terminal.result(report.document({"ok": ok, "checks": told}))
    else:
        app.terminal.result("".join(_line(one) for one in results))
    return next((one.exit_status for one in results if one.state == "failed"), 0)


def _tried(app: App, group: checks.Group) -> list[Check]:
    try:
        return list(group(app))
    except AuthGateError as error:
        name = group.__name__.replace("_", " ")
        return [checks.failed(name, error.message, error.hint or "", error.exit_status)]


def _line(check: Check) -> str:
    remedy = f"\n{'':10}{check.remedy}" if check.remedy else ""
    return f"{check.state:9} {check.name}: {check.text}{remedy}\n"
