"""Sign in with a device code (RFC 8628): the person approves on any other device."""

from __future__ import annotations

from ..errors import Unreachable
from ..protocol import device, qr
from ..values import TYPE_CHECKING

if TYPE_CHECKING:
    from ..edges.terminal import Terminal
    from ..protocol.device import DeviceAuthorization, NotNow, Pending, Poller
    from ..tokens import TokenSet
    from .attempt import Attempt

_QUIET_LINE_EVERY = 30.0  # seconds, where no line can be updated in place


def sign_in(attempt: Attempt) -> TokenSet:
    """Show address and code, and return the tokens once the person has approved.

    Raise FlowUnavailable when the server does not offer this, Denied or SignInNeeded when the
    person said no or nothing.
    """
    authorization = _authorize(attempt)
    terminal = attempt.edges.terminal
    _show(authorization, terminal, attempt.show_qr)
    try:
        return _wait(attempt, authorization)
    finally:
        terminal.end_update()


def _authorize(attempt: Attempt) -> DeviceAuthorization:
    settings = attempt.settings
    request = device.authorization_request(attempt.metadata, settings.client_id, settings.client_secret, settings.scope)
    return device.parse_authorization(attempt.edges.send(request))


def _wait(attempt: Attempt, authorization: DeviceAuthorization) -> TokenSet:
    """Ask again and again, as the poller says, until there is a result."""
    edges = attempt.edges
    poller = device.new_poller(authorization, edges.monotonic())
    progress = _Progress(edges.terminal, edges.monotonic())
    while True:
        _sleep_until_due(attempt, poller, progress)
        if poller.expired(edges.monotonic()):
            raise device.expired()
        # The answer may hold the tokens, and no second one would: signals wait until they are kept.
        with edges.uninterrupted():
            verdict: Pending | NotNow | None
            try:
                response = edges.send(attempt.token_request(authorization.poll()))
                verdict = device.judge(response, edges.now())
            except Unreachable as error:
                verdict = device.judge_failure(error)
            if verdict is None:
                return attempt.accept(response)
        progress.note(verdict)
        poller = poller.advance(verdict, edges.monotonic())


def _sleep_until_due(attempt: Attempt, poller: Poller, progress: _Progress) -> None:
    edges = attempt.edges
    while (now := edges.monotonic()) < min(poller.due, poller.deadline):
        progress.show(poller.deadline - now, now)
        edges.sleep(max(0.0, min(1.0, poller.due - now, poller.deadline - now)))


class _Progress:
    """Say how long the code lives, and what goes on: in place on a terminal, else every 30 s."""

    def __init__(self, terminal: Terminal, now: float):
        self._terminal, self._last, self._why = terminal, now, ""

    def note(self, verdict: Pending | NotNow) -> None:
        if isinstance(verdict, device.NotNow):
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
