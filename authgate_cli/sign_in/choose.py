"""Choose how to sign in: the browser where one can be opened, the device code elsewhere."""

from __future__ import annotations

from ..errors import SignInNeeded
from ..values import TYPE_CHECKING, Value

if TYPE_CHECKING:
    from ..system.environment import Environment


class Choice(Value):
    """The flow, and why. `may_fall_back` when another flow may be tried if this one cannot be."""

    flow: str
    reason: str
    may_fall_back: bool = True


def choose(flow: str, here: Environment) -> Choice:
    """Return the flow for this setting in these environment. The first rule that fits decides."""
    if flow != "auto":
        return Choice(flow, f"--flow or AUTHGATE_FLOW asks for {flow}", may_fall_back=False)
    if here.browser_asked:
        if here.browser_is_text:
            return Choice("device", "BROWSER names a text browser, which is none for signing in")
        if here.browser is None:
            return Choice("device", "the program that BROWSER names cannot be found")
        return Choice("browser", "BROWSER is set")
    if here.ssh and not here.display:
        return Choice("device", "this is an SSH session without a display")
    if here.ci:
        return Choice("device", "this is a CI job")
    if here.container:
        return Choice("device", f"this is {here.container}")
    if here.platform not in ("darwin", "win32", "wsl") and not here.display:
        return Choice("device", "there is no display")
    if here.browser is None:
        return Choice("device", "there is no program here that opens a browser")
    return Choice("browser", f"{here.browser[0]} can open one")


def require_person(flow: str, no_input: bool, here: Environment) -> None:
    """Raise SignInNeeded where nobody may be asked to sign in. Client credentials ask nobody."""
    if flow == "client-credentials":
        return
    if no_input:
        raise SignInNeeded("signing in is needed, and --no-input forbids it", "run authgate.pyz login in a terminal")
    if flow == "auto" and here.ci and not here.terminal:
        raise SignInNeeded(
            "signing in is needed, and in CI there is nobody to do it",
            "set AUTHGATE_TOKEN, or CLIENT_SECRET with --flow client-credentials, or name a --flow",
        )
