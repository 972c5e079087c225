"""Sign in anew: by the flow that fits here, or by the one that `auto` falls back to."""

from __future__ import annotations

from ..errors import FlowUnavailable
from ..refresh import machine_token
from ..tokens import IssuedToken
from ..values import TYPE_CHECKING
from . import browser_flow, device_flow
from .choose import choose, require_person

if TYPE_CHECKING:
    from ..context import Context


def sign_in(context: Context) -> IssuedToken:
    """Return the new token and where it has been stored.

    Raise SignInNeeded where nobody may be asked or the person said no.
    """
    settings, here, terminal = context.settings, context.system.environment(), context.terminal
    if settings.is_machine:
        return machine_token(context)
    require_person(settings.flow, settings.no_input, here)
    # A server that cannot be reached, or a store that cannot be written, is found out before a
    # person is asked to approve anything.
    context.server.metadata  # noqa: B018
    if "openid" in settings.scope.split():
        context.server.keys.load()
    context.store.prepare()
    choice = choose(settings.flow, here)
    terminal.explain(f"signing in with {choice.flow}: {choice.reason}")
    try:
        return _run(context, choice.flow, browser_required=not choice.may_fall_back)
    except FlowUnavailable as error:
        if not choice.may_fall_back:
            raise
        other = "device" if choice.flow == "browser" else "browser"
        terminal.tell(f"{error.sentence}; going on with {'a device code' if other == 'device' else 'a browser'}.")
        # When the device flow was the choice, no browser can be opened here: the address is shown.
        return _run(context, other, browser_required=True, open_page=False)


def _run(context: Context, flow: str, browser_required: bool, open_page: bool = True) -> IssuedToken:
    if flow == "browser":
        return browser_flow.sign_in(context, open_page, browser_required)
    return device_flow.sign_in(context)
