"""Sign in with a device code (RFC 8628): the person approves on any other device."""

from __future__ import annotations

from ..errors import Refused, Unreachable
from ..oauth import device
from ..oauth.authorization import new_secret
from ..oauth.endpoints import scope_hint
from ..tokens import IssuedToken
from ..values import TYPE_CHECKING
from . import qr

if TYPE_CHECKING:
    from ..context import Context
    from ..oauth.device import DeviceAuthorization, Pending, Poller, TryLater
    from ..system.terminal import Terminal

_QUIET_LINE_EVERY = 30.0  # seconds, where no line can be updated in place


def sign_in(context: Context) -> IssuedToken:
    """Show address and code, and return the tokens once the person has approved.

    Raise FlowUnavailable when the server does not offer this, Denied or SignInNeeded when the
    person said no or nothing.
    """
    authorization = begin(context)
    terminal = context.terminal
    _show(authorization, terminal, show_qr="no-qr" not in context.arguments.flags)
    try:
        return _wait(context, authorization)
    finally:
        terminal.end_update()


def begin(context: Context) -> DeviceAuthorization:
    """Ask for a device code. Raise FlowUnavailable when the server does not offer this to the client."""
    settings, verifier = context.settings, new_secret(context.system.random_bytes)
    fields = device.authorization_fields(settings.scope, verifier, settings.params)
    response = context.server.ask(context.server.metadata.device_authorization_endpoint, fields)
    try:
        return device.parse_authorization(response, settings.issuer, verifier)
    except Refused as error:
        if error.code == "invalid_scope":
            error.hint = scope_hint(settings.scope)
        raise


def _wait(context: Context, authorization: DeviceAuthorization) -> IssuedToken:
    """Ask again and again, as the poller says, until there is a result."""
    system = context.system
    poller = device.new_poller(authorization, system.monotonic())
    progress = _Progress(context.terminal, system.monotonic())
    while True:
        _sleep_until_due(context, poller, progress)
        if poller.expired(system.monotonic()):
            raise device.expired()
        # The answer may hold the tokens, and no second one would: signals wait until they are kept.
        with system.uninterrupted():
            verdict: Pending | TryLater | None
            try:
                response = context.server.ask_for_token(authorization.poll())
                verdict = device.interpret_poll(response, system.now())
            except Unreachable as error:
                verdict = device.interpret_failure(error)
            if verdict is None:
                token = context.server.accept(response, "signing in failed")
                return context.store.keep_new(token, "device")
        progress.note(verdict)
        poller = poller.advance(verdict, system.monotonic())


def _sleep_until_due(context: Context, poller: Poller, progress: _Progress) -> None:
    system = context.system
    while (now := system.monotonic()) < min(poller.due, poller.deadline):
        progress.show(poller.deadline - now, now)
        system.sleep(max(0.0, min(1.0, poller.due - now, poller.deadline - now)))


class _Progress:
    """Say how long the code lives, and what goes on: in place on a terminal, else every 30 s."""

    def __init__(self, terminal: Terminal, now: float):
        self._terminal, self._last, self._why = terminal, now, ""

    def note(self, verdict: Pending | TryLater) -> None:
        if isinstance(verdict, device.TryLater):
            self._why = f"; the server cannot be asked just now ({verdict.why})"
        else:
            self._why = "; the server asks to be asked less often" if verdict.slow_down else ""

    def show(self, left: float, now: float) -> None:
        text = f"Waiting for approval, {int(left) // 60}:{int(left) % 60:02d} left{self._why}"
        if self._terminal.can_update:
            self._terminal.update(text)
        elif now - self._last >= _QUIET_LINE_EVERY:
            self._last = now
            self._terminal.tell(text)


def _show(authorization: DeviceAuthorization, terminal: Terminal, show_qr: bool) -> None:
    address = authorization.complete_uri or authorization.verification_uri
    modules = qr.encode(address) if show_qr and terminal.can_update else None
    if modules and qr.columns(modules) <= terminal.width:
        lines = qr.render(modules, colour=terminal.colour)
        if terminal.can_show("".join(lines)):
            terminal.prompt("\n".join(["", *lines, ""]))
    terminal.prompt(f"To sign in, visit   {authorization.verification_uri}")
    terminal.prompt(f"and enter the code  {terminal.strong(authorization.user_code)}")
    if authorization.complete_uri:
        terminal.prompt(f"or open directly    {authorization.complete_uri}")
