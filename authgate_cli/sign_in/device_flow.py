"""Sign in with a device code (RFC 8628): show it, and poll until the user has approved on any device."""

from __future__ import annotations

from ..errors import FlowUnavailable, Refused, Unreachable
from ..oauth import device
from ..oauth.authorization import new_secret
from ..oauth.endpoints import refuses_client, scope_hint
from ..system.terminal import Terminal, minutes_and_seconds
from ..tokens import IssuedToken
from ..values import TYPE_CHECKING
from . import qr

if TYPE_CHECKING:
    from ..context import Context

_LINES_BELOW = 5  # below a QR code: an empty one, three of instructions, one of progress


class DeviceSignIn:
    """A device sign-in in progress: it shows the address and the code when it is made, and then polls."""

    def __init__(self, context: Context):
        """Request a code and show it. Raise FlowUnavailable if the server does not offer this."""
        self._context, now = context, context.system.monotonic
        self._authorization = begin(context)
        _show(self._authorization, context.terminal, show_qr="no-qr" not in context.arguments.flags)
        self._poller = device.new_poller(self._authorization, now())
        self._note = ""

    def wait(self) -> IssuedToken:
        """Poll until the user has approved, and return the tokens. Raise the same errors as `poll`."""
        system = self._context.system
        try:
            while (issued := self.poll()) is None:
                due = min(self._poller.due, self._poller.deadline)
                system.sleep(max(0.0, min(1.0, due - system.monotonic())))
            return issued
        finally:
            self._context.terminal.end_update()

    def poll(self) -> IssuedToken | None:
        """Poll the server if a poll is due, otherwise show the time left; return None if there is no result yet.

        Raise FlowUnavailable, Denied, SignInNeeded (the code expired) or Refused.
        """
        context, poller = self._context, self._poller
        system, now = context.system, context.system.monotonic()
        if now < min(poller.due, poller.deadline):
            left = f"{minutes_and_seconds(poller.deadline - now)} left{self._note}"
            context.terminal.progress(f"Waiting for approval, {left}", now)
            return None
        if now >= poller.deadline:
            raise device.code_expired()
        # The server sends the tokens only once: signals are delayed until they are stored.
        with system.uninterrupted():
            try:
                response = context.server.ask_for_token(self._authorization.poll_fields())
                verdict = device.interpret_poll(response, system.now())
            except Unreachable as error:
                verdict = device.TryLater(error.message, error.retry_after)
            except Refused as error:
                raise _with_scope_hint(error, context.settings.scope)
            if verdict is None:
                token = context.server.accept(response)
                return context.store.save(token, "device")
        if isinstance(verdict, device.TryLater):
            self._note = f"; the server is not available just now ({verdict.why})"
        else:
            self._note = "; the server asked for less frequent polling" if verdict.slow_down else ""
        self._poller = poller.advance(verdict, system.monotonic())
        return None


def begin(context: Context) -> device.DeviceAuthorization:
    """Request a device code. Raise FlowUnavailable if the server does not offer this to the client."""
    settings, verifier = context.settings, new_secret(context.system.random_bytes)
    fields = device.authorization_fields(settings.scope, verifier, settings.params)
    response = context.server.ask(context.server.metadata.device_authorization_endpoint, fields)
    try:
        return device.parse_authorization(response, settings.issuer, verifier)
    except Refused as error:
        if settings.client_secret and context.server.metadata.assumes_device and refuses_client(response):
            reason = "the server names no device endpoint, and the client secret is not sent to an assumed one"
            raise FlowUnavailable(reason, "use --flow browser") from error
        raise _with_scope_hint(error, settings.scope)


def _with_scope_hint(error: Refused, scope: str) -> Refused:
    if error.code == "invalid_scope":
        error.hint = scope_hint(scope)
    return error


def _show(authorization: device.DeviceAuthorization, terminal: Terminal, show_qr: bool) -> None:
    address = authorization.complete_uri or authorization.verification_uri
    modules = qr.encode(address) if show_qr and terminal.can_update else None
    if modules:
        lines, (columns, rows) = qr.render(modules, colour=terminal.colour), terminal.size
        fits = qr.columns(modules) <= columns and len(lines) + _LINES_BELOW <= rows
        if fits and terminal.can_show("".join(lines)):
            # With colours the last line is the white quiet zone, which leaves enough space.
            terminal.prompt("\n".join(["", *lines, *([] if terminal.colour else [""])]))
    terminal.prompt(f"To sign in, visit   {authorization.verification_uri}")
    terminal.prompt(f"and enter the code  {authorization.user_code}")
    if authorization.complete_uri:
        terminal.prompt(f"or open directly    {authorization.complete_uri}")
