"""Check everything that signing in needs, a line each, with a remedy."""

from __future__ import annotations

from .. import report
from ..errors import AuthGateError
from ..values import TYPE_CHECKING
from . import checks

if TYPE_CHECKING:
    from ..app import App
    from .checks import Check


_NOT_ASKED = checks.warning("client", "not checked, as the server has to be well for that")


def run(app: App) -> int:
    """Print the checks; the exit status is that of the first one that failed."""
    results: list[Check] = []
    for name, group in checks.GROUPS.items():
        results += [_NOT_ASKED] if name == "client" and not _server_is_well(results) else _tried(app, name, group)
    exit_status = next((one.exit_status for one in results if one.state == "failed"), 0)
    if "json" in app.arguments.flags:
        told = [{"name": one.name, "state": one.state, "text": one.text, "remedy": one.remedy} for one in results]
        ok = all(one.state != "failed" for one in results)
        app.terminal.result(report.document({"ok": ok, "checks": told}), exit_status)
    else:
        app.terminal.result("".join(_line(one) for one in results), exit_status)
    return exit_status


def _tried(app: App, name: str, group: checks.Group) -> list[Check]:
    """Return what a group finds, up to and including what ends it."""
    found = []
    try:
        for check in group(app):
            found.append(check)  # list() would lose them all when one raises
    except AuthGateError as error:
        found.append(checks.failed(name, error.message, error.hint or "", error.exit_status))
    return found


def _server_is_well(results: list[Check]) -> bool:
    return not any(one.state == "failed" for one in results if one.name in ("server", "issuer"))


def _line(check: Check) -> str:
    remedy = f"\n{'':10}{check.remedy}" if check.remedy else ""
    return f"{check.state:9} {check.name}: {check.text}{remedy}\n"
