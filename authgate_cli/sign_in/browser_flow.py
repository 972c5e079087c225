"""Sign in with a browser: Authorization Code with PKCE over a loopback callback (RFC 8252).

1. The callback port is opened, the address is printed, and then a browser is opened.
2. The callback is delivered to the port, or its address is pasted at the terminal; its state is
   checked either way, and anything else does not end the waiting.
3. The code is exchanged for the tokens. Then the page in the browser says success, and the port
   is closed.

A browser that seems to have failed may have opened the page all the same: the port stays open.
Under `auto` a device code is shown as well, and one loop waits for both: it asks the server about
the device code between looks at the callback, so two token requests are never made at once.
"""

from __future__ import annotations

from ..errors import CallbackTimeout, CallbackUnavailable, Denied, FlowUnavailable, Refused, Unreachable
from ..oauth.authorization import iss_problem, new_request, read_pasted
from ..oauth.messages import OAuthError, retry_after
from ..system.keyboard import open_keyboard
from ..system.terminal import clock
from ..tokens import IssuedToken
from ..urls import split
from ..values import TYPE_CHECKING
from . import callback_server
from .callback_server import CallbackServer

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..context import Context
    from ..oauth.authorization import AuthorizationRequest, Callback
    from ..system.browser import Opener
    from .device_flow import DeviceSignIn

PATIENCE = 300.0  # seconds for the person to come back
_TICK = 0.25  # seconds between looks at the keyboard and the opener
_RETRY_TIME = 90.0  # seconds in which a code is tried again while the server's rate limit lasts
_FIRST_PAUSE, _LONGEST_PAUSE = 2.0, 30.0  # seconds
# Next steps for the error codes of RFC 6749 section 4.1.2.1 and OpenID Connect Core section 3.1.2.6.
_HINTS = {
    "invalid_scope": "ask for other scopes with --scope",
    "invalid_request": "check CLIENT_ID and the client's settings at the server, or use --flow device",
    "invalid_client": "check CLIENT_ID and AUTHGATE_URL",
    "unsupported_response_type": "the server does not offer the sign-in by browser; use --flow device",
    "login_required": "sign in at the server's own page first, then run authgate.pyz login again",
    "interaction_required": "sign in at the server's own page first, then run authgate.pyz login again",
    "consent_required": "run authgate.pyz login again and allow what is asked for",
}
_OTHER_HINT = "run authgate.pyz login again, or use --flow device; the server's log may say more"


def sign_in(context: Context, opens: bool, fall_back: Callable[[], DeviceSignIn] | None = None) -> IssuedToken:
    """Return the tokens of the person who came back.

    Without `opens` the address is only printed. If the browser seems to have failed, `fall_back`
    begins a sign-in with a device code beside this one. Raise FlowUnavailable when this way leads nowhere,
    Denied when the person said no, Refused when the server did.
    """
    endpoint = context.server.metadata.authorization_endpoint
    if endpoint is None:
        raise FlowUnavailable("the server does not offer the sign-in by browser", "use --flow device")
    server, request = _listen(context)
    try:
        address = request.url(endpoint, context.settings.params)
        _show(context, address, server, opens)
        waiting = _Waiting(context, server, request, fall_back)
        return waiting.run(context.system.open_browser(address) if opens else None, opens)
    finally:
        server.close()


def _listen(context: Context) -> tuple[CallbackServer, AuthorizationRequest]:
    """Open the first callback whose port is free."""
    settings, system = context.settings, context.system
    failure: CallbackUnavailable | None = None
    for uri in settings.redirect_uris:
        request = new_request(settings.client_id, uri, settings.scope, system.random_bytes)
        try:
            return CallbackServer(split(uri), request.state, settings.issuer, system.monotonic), request
        except CallbackUnavailable as error:
            failure = failure or error
    assert failure is not None
    raise failure


def _show(context: Context, address: str, server: CallbackServer, opens: bool) -> None:
    terminal, here, redirect = context.terminal, context.system.environment(), server.redirect
    terminal.prompt(
        "Opening your browser to sign in. If nothing happens, open this address yourself:"
        if opens
        else "To sign in, open this address in a browser:"
    )
    terminal.prompt(f"\n    {address}\n")
    if here.ssh:
        host = f"[{redirect.host}]" if ":" in redirect.host else redirect.host
        forward = f"{redirect.port}:{host}:{redirect.port}"
        terminal.prompt(f"From a browser on your own machine: ssh -L {forward} {here.ssh_login or 'this-host'}")


class _Waiting:
    """Wait for the callback, and for a device code if the browser seems to have failed."""

    def __init__(
        self,
        context: Context,
        server: CallbackServer,
        request: AuthorizationRequest,
        fall_back: Callable[[], DeviceSignIn] | None,
    ):
        self._context, self._server, self._request, self._fall_back = context, server, request, fall_back
        self._device: DeviceSignIn | None = None
        self._https_told = False
        self._keyboard = open_keyboard(context.terminal.typing_descriptor())
        if self._keyboard:
            context.terminal.prompt("If you end on a page that won't load, paste its address here.")

    def run(self, opener: Opener | None, opens: bool) -> IssuedToken:
        """Return the tokens. Raise as `sign_in` does."""
        try:
            result = self._wait(opener, opens)
        finally:
            if self._keyboard:
                self._keyboard.close()
            self._context.terminal.end_update()
        if isinstance(result, IssuedToken):
            return result
        try:
            issued = _exchange(self._context, self._request, result)
        except FlowUnavailable as error:
            self._server.finish(callback_server.FAILED)
            if self._device is None:
                raise
            self._context.terminal.tell(f"{error.sentence}; going on with the device code.")
            return self._device.wait()
        except Denied:
            self._server.finish(callback_server.DENIED)
            raise
        except BaseException:
            self._server.finish(callback_server.FAILED)
            raise
        self._server.finish(callback_server.SUCCESS)
        return issued

    def _wait(self, opener: Opener | None, opens: bool) -> Callback | IssuedToken:
        monotonic, terminal = self._context.system.monotonic, self._context.terminal
        deadline = monotonic() + PATIENCE
        while (now := monotonic()) < deadline or self._device:
            if callback := self._server.wait(_TICK) or self._pasted():
                return callback
            if opens and (opener is None or opener.failed()):
                opens = False
                self._browser_failed()
            if self._server.saw_https and not self._https_told:
                self._https_told = True
                self._tell_of_https()
            if self._device:
                if issued := self._poll_device(self._device):
                    return issued
            elif not (self._keyboard and self._keyboard.is_begun):
                terminal.progress(f"Waiting for the browser, {clock(deadline - now)} left", now)
        raise CallbackTimeout("nobody came back from the browser", "run authgate.pyz login again, or use --flow device")

    def _browser_failed(self) -> None:
        terminal = self._context.terminal
        if self._fall_back is None:
            terminal.tell("The browser may not have opened; the address above still works.")
            return
        terminal.tell("The browser may not have opened. Use the address above, or a device code:")
        try:
            self._device = self._fall_back()
        except (FlowUnavailable, Unreachable) as error:
            terminal.tell(f"{error.sentence}; going on with the address above.")

    def _poll_device(self, device: DeviceSignIn) -> IssuedToken | None:
        try:
            return device.poll()
        except FlowUnavailable as error:
            self._context.terminal.tell(f"{error.sentence}; going on with the address above.")
            self._device = None
            return None

    def _tell_of_https(self) -> None:
        remedy = "paste the address of the page that won't load" if self._keyboard else "use --flow device"
        self._context.terminal.tell(f"The browser insists on https, which does not work here; {remedy}.")

    def _pasted(self) -> Callback | None:
        line = self._keyboard.line() if self._keyboard else None
        if not line or not line.strip():
            return None
        redirect = self._server.redirect
        callback = read_pasted(line, redirect, self._request.state)
        if callback is None:
            self._context.terminal.prompt(
                "That does not belong to this sign-in. Paste the whole address of the page; it begins with"
                f" http://{redirect.netloc}{redirect.path}?"
            )
        return callback


def _exchange(context: Context, request: AuthorizationRequest, callback: Callback) -> IssuedToken:
    """Exchange the code for the tokens (RFC 6749 section 4.1.3), or raise what the callback's error means."""
    _check(context, request, callback)
    system, server = context.system, context.server
    deadline, pause = system.monotonic() + _RETRY_TIME, _FIRST_PAUSE
    while True:
        with system.uninterrupted():
            response = server.ask_for_token(request.exchange_fields(callback.code))
            wait = retry_after(response.headers, system.now())
            wait = pause if wait is None else max(wait, _FIRST_PAUSE)  # a server may say 0 for ever
            # A rate limit is the one answer that says that the code has not been spent.
            if response.status != 429 or system.monotonic() + wait > deadline:
                token = server.accept(response, "signing in failed", request.nonce)
                return context.store.keep_new(token, "browser")
        context.terminal.tell(f"The server asks for fewer requests (rate limit); trying again in {wait:.0f} s.")
        system.sleep(wait)
        pause = min(2 * pause, _LONGEST_PAUSE)


def _check(context: Context, request: AuthorizationRequest, callback: Callback) -> None:
    """Raise unless the callback holds a code of this server."""
    problem = iss_problem(callback, context.server.metadata.issuer, context.server.metadata.sends_iss)
    error = OAuthError(callback.error, callback.description)
    if problem:
        said = f"; it says {error}" if callback.error else ""
        raise Refused(f"the sign-in cannot be trusted: {problem}{said}", "tell whoever runs the server")
    if callback.error == "access_denied":
        raise Denied("the sign-in was denied", "run authgate.pyz login to try once more")
    if callback.error in ("temporarily_unavailable", "server_error"):
        raise Unreachable(f"signing in failed: {error}", "try again later")
    if callback.error == "unauthorized_client":
        raise FlowUnavailable(
            f"the server does not offer the sign-in by browser to this client: {error}",
            "use --flow device, or have the authorization code flow enabled for the client",
        )
    if callback.error:
        hint = _HINTS.get(callback.error, _OTHER_HINT)
        if "redirect" in callback.description.lower():
            hint = f"register {request.redirect_uri}, byte for byte, for this client, or name the registered one"
            hint += " with --redirect-uri"
        raise Refused(f"signing in failed: {error}", hint, callback.error)
