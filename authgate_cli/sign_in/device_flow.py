"""Sign in with a device code (RFC 8628): the person approves on any other device."""

from __future__ import annotations

from ..errors import Refused, Unreachable
from ..oauth import device
from ..oauth.authorization import new_secret
from ..oauth.endpoints import scope_hint
from ..system.terminal import clock
from ..tokens import IssuedToken
from ..values import TYPE_CHECKING
from . import qr

if TYPE_CHECKING:
    from ..context import Context
    from ..oauth.device import DeviceAuthorization, Pending, TryLater
    from ..system.terminal import Terminal

_LINES_BELOW = 5  # of a QR code: an empty one, three that say what to do, and the one that waits


def sign_in(context: Context) -> IssuedToken:
    """Show address and code, and return the tokens once the person has approved.

    Raise FlowUnavailable when the server does not offer this, Denied or SignInNeeded when the
    person said no or nothing.
    """
    return DeviceSignIn(context).wait()


class DeviceSignIn:
    """A sign-in that has begun: address and code are shown, and the server is asked for the result."""

    def __init__(self, context: Context):
        """Ask for a code and show it. Raise FlowUnavailable when the server does not offer this."""
        self._context, now = context, context.system.monotonic
        self._authorization = begin(context)
        _show(self._authorization, context.terminal, show_qr="no-qr" not in context.arguments.flags)
        self._poller = device.new_poller(self._authorization, now())
        self._note = ""

    def wait(self) -> IssuedToken:
        """Poll until there is a result. Raise as `poll` does."""
        system = self._context.system
        try:
            while (issued := self.poll()) is None:
                due = min(self._poller.due, self._poller.deadline)
                system.sleep(max(0.0, min(1.0, due - system.monotonic())))
            return issued
        finally:
            self._context.terminal.end_update()

    def poll(self) -> IssuedToken | None:
        """Ask for the tokens if it is time to, and show the time left if not; None when there is no result yet.

        Raise FlowUnavailable, Denied, SignInNeeded when the code has expired, or Refused.
        """
        context, poller = self._context, self._poller
        system, now = context.system, context.system.monotonic()
        if now < min(poller.due, poller.deadline):
            left = f"{clock(poller.deadline - now)} left{self._note}"
            context.terminal.progress(f"Waiting for approval, {left}", now)
            return None
        if poller.expired(now):
            raise device.expired()
        # The answer may hold the tokens, and no second one would: signals wait until they are kept.
        with system.uninterrupted():
            verdict: Pending | TryLater | None
            try:
                response = context.server.ask_for_token(self._authorization.poll_fields())
                verdict = device.interpret_poll(response, system.now())
            except Unreachable as error:
                verdict = device.interpret_failure(error)
            if verdict is None:
                token = context.server.accept(response, "signing in failed")
                return context.store.keep_new(token, "device")
        if isinstance(verdict, device.TryLater):
            self._note = f"; the server cannot be asked right now ({verdict.why})"
        else:
            self._note = "; the server wants fewer requests" if verdict.slow_down else ""
        self._poller = poller.advance(verdict, system.monotonic())
        return None


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


def _show(authorization: DeviceAuthorization, terminal: Terminal, show_qr: bool) -> None:
    address = authorization.complete_uri or authorization.verification_uri
    modules = qr.encode(address) if show_qr and terminal.can_update else None
    if modules:
        lines, (columns, rows) = qr.render(modules, colour=terminal.colour), terminal.size
        fits = qr.columns(modules) <= columns and len(lines) + _LINES_BELOW <= rows
        if fits and terminal.can_show("".join(lines)):
            # With colours the last line, of the quiet zone, is white and looks empty already.
            terminal.prompt("\n".join(["", *lines, *([] if terminal.colour else [""])]))
    terminal.prompt(f"To sign in, visit   {authorization.verification_uri}")
    terminal.prompt(f"and enter the code  {terminal.strong(authorization.user_code)}")
    if authorization.complete_uri:
        terminal.prompt(f"or open directly    {authorization.complete_uri}")
