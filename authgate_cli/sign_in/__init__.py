"""Choose a way to sign in, run it, and under `auto` fall back to the other one; a machine needs none.

`auto` chooses the browser if one can be opened here, otherwise the device code.
"""

from __future__ import annotations

from ..errors import FlowUnavailable, SignInNeeded
from ..refresh import machine_token
from ..system.browser import NO_DISPLAY_NEEDED
from ..tokens import IssuedToken
from ..values import TYPE_CHECKING, Value
from . import browser_flow
from .device_flow import DeviceSignIn

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..context import Context
    from ..settings import Settings
    from ..system.browser import Environment


class Choice(Value):
    """The chosen flow and the reason."""

    flow: str
    reason: str


def sign_in(context: Context) -> IssuedToken:
    """Return the new token and where it has been stored.

    Raise SignInNeeded if nobody may be asked, or if the user denied it.
    """
    settings, system, terminal = context.settings, context.system, context.terminal
    if settings.is_machine:
        settings.require_secret()
        context.server.metadata  # noqa: B018  before a file is moved
        context.store.move_corrupt_file()
        return machine_token(context)
    require_person(settings, system.environment())
    # Find out whether the server can be reached and the store can be written before the user is
    # asked to approve anything.
    context.server.metadata  # noqa: B018
    if "openid" in settings.scope.split():
        context.server.keys.load()
    context.store.prepare()
    choice = choose(settings.flow, system.environment(), system.find_browser)
    terminal.explain(f"signing in with {choice.flow}: {choice.reason}")
    try:
        if choice.flow == "device":
            return DeviceSignIn(context).wait()
        opens = "no-browser" not in context.arguments.flags and system.find_browser() is not None
        return browser_flow.sign_in(context, opens)
    except FlowUnavailable as error:
        if settings.flow != "auto":
            raise
        other = "a device code" if choice.flow == "browser" else "a browser"
        terminal.tell(f"{error.sentence}; continuing with {other}.")
    if choice.flow == "browser":
        return DeviceSignIn(context).wait()
    return browser_flow.sign_in(context, opens=False)  # no browser can be opened here


def choose(flow: str, here: Environment, find_browser: Callable[[], str | None]) -> Choice:
    """Return the flow for this setting in this environment. The first matching rule wins."""
    if flow != "auto":
        return Choice(flow, f"--flow or AUTHGATE_FLOW asks for {flow}")
    if here.browser_asked:
        if find_browser() is None:
            return Choice("device", "what BROWSER names cannot be found, or is a text browser")
        return Choice("browser", "BROWSER is set")
    if here.ssh and not here.display:
        return Choice("device", "this is an SSH session without a display")
    if here.ci:
        return Choice("device", "this is a CI job")
    if here.container:
        return Choice("device", f"this is {here.container}")
    if here.platform not in NO_DISPLAY_NEEDED and not here.display:
        return Choice("device", "there is no display")
    name = find_browser()
    if name is None:
        return Choice("device", "there is no program here that opens a browser")
    return Choice("browser", f"{name} can open a browser")


def require_person(settings: Settings, here: Environment) -> None:
    """Raise SignInNeeded if nobody may be asked to sign in."""
    if settings.no_input:
        hint = f"run {settings.login_command} in a terminal"
        raise SignInNeeded("signing in is needed, but --no-input is set", hint)
    if settings.flow == "auto" and here.ci and not here.terminal:
        raise SignInNeeded(
            "signing in is needed, but nobody can sign in here (CI without a terminal)",
            "set AUTHGATE_TOKEN, or CLIENT_SECRET with --flow client-credentials, or name a --flow",
        )
