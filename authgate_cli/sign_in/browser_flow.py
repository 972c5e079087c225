"""Sign in with a browser: Authorization Code with PKCE over a loopback callback (RFC 8252).

1. The callback port is opened, the address is printed, and then a browser is opened.
2. The browser requests the callback from the port, or the user pastes its address at the terminal.
   Its state is checked in both cases; anything else is answered, and the waiting goes on.
3. The code is exchanged for the tokens. Then the browser gets the success page, and the port is
   closed.

If the browser seems to have failed, it may still have opened the page, so the port stays open.
Under `auto` a device code is shown as well, and one loop waits for both, so that two token requests
are never made at once.
"""

from __future__ import annotations

from ..errors import OPERATOR, FlowUnavailable, Mismatch, Refused, SignInNeeded, Unreachable
from ..oauth.authorization import AuthorizationRequest, Callback, Denied, iss_problem, new_request, read_pasted
from ..oauth.endpoints import scope_hint
from ..oauth.messages import OAuthError, retry_after
from ..system.keyboard import open_keyboard
from ..system.terminal import minutes_and_seconds
from ..tokens import IssuedToken
from ..urls import Url, split
from ..values import TYPE_CHECKING
from . import callback_server
from .callback_server import CallbackServer, CallbackTimeout, CallbackUnavailable
from .device_flow import DeviceSignIn

if TYPE_CHECKING:
    from ..context import Context
    from ..system.browser import Opener

PATIENCE = 300.0  # seconds for the user to sign in
_TICK = 0.25  # seconds between checks of the keyboard and the opener
_RETRY_TIME = 90.0  # seconds in which the exchange is tried again if the server limits the rate
_FIRST_PAUSE, _LONGEST_PAUSE = 2.0, 30.0  # seconds
# Hints for the error codes of RFC 6749 section 4.1.2.1 and OpenID Connect Core section 3.1.2.6.
_HINTS = {
    "invalid_request": "check CLIENT_ID and the client's settings at the server, or use --flow device",
    "invalid_client": "check CLIENT_ID and AUTHGATE_URL",
    "unsupported_response_type": "use --flow device; the server does not offer browser sign-in",
    "login_required": "sign in at the server's own page first, then run authgate.pyz login again",
    "interaction_required": "sign in at the server's own page first, then run authgate.pyz login again",
    "consent_required": "run authgate.pyz login again and grant the request",
}
_OTHER_HINT = "run authgate.pyz login again, or use --flow device; the server's log may say more"


def sign_in(context: Context, opens: bool) -> IssuedToken:
    """Return the tokens after the user has signed in with a browser; without `opens` the address is only printed.

    Raise FlowUnavailable if the flow cannot be used here, Denied if the user denied it, Refused if the server did.
    """
    endpoint = context.server.metadata.authorization_endpoint
    if endpoint is None:
        raise FlowUnavailable("the server does not offer browser sign-in", "use --flow device")
    server, request = _listen(context)
    try:
        address = request.url(endpoint, context.settings.params)
        _show(context, address, server.redirect, opens)
        loop = _CallbackLoop(context, server, request)
        return loop.run(context.system.open_browser(address) if opens else None, opens)
    finally:
        server.close()


def _listen(context: Context) -> tuple[CallbackServer, AuthorizationRequest]:
    """Open the port of the first callback URL whose port is free."""
    settings, system, failures = context.settings, context.system, []
    for uri in settings.redirect_uris:
        request = new_request(settings.client_id, uri, settings.scope, system.random_bytes)
        try:
            return CallbackServer(split(uri), request.state, settings.issuer, system.monotonic), request
        except CallbackUnavailable as error:
            failures.append(error)
    raise failures[0]


def _show(context: Context, address: str, redirect: Url, opens: bool) -> None:
    terminal, here = context.terminal, context.system.environment()
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


class _CallbackLoop:
    """Wait for the callback, and for a device code if the browser seems to have failed."""

    def __init__(self, context: Context, server: CallbackServer, request: AuthorizationRequest):
        self._context, self._server, self._request = context, server, request
        self._device: DeviceSignIn | None = None
        self._keyboard = open_keyboard(context.terminal.typing_descriptor())
        if self._keyboard:
            context.terminal.prompt("If the browser ends on a page that does not load, paste its address here.")

    def run(self, opener: Opener | None, opens: bool) -> IssuedToken:
        """Return the tokens. Raise the same errors as `sign_in`."""
        try:
            result = self._wait(opener, opens)
        finally:
            if self._keyboard:
                self._keyboard.close()
            self._context.terminal.end_update()
        if isinstance(result, IssuedToken):
            return result
        page = callback_server.FAILED
        try:
            issued = _exchange(self._context, self._request, result)
            page = callback_server.SUCCESS
            return issued
        except Denied:
            page = callback_server.DENIED
            raise
        except FlowUnavailable as error:
            if self._device is None:
                raise
            self._context.terminal.tell(f"{error.sentence}; continuing with the device code.")
        finally:
            self._server.finish(page)
        return self._device.wait()

    def _wait(self, opener: Opener | None, opens: bool) -> Callback | IssuedToken:
        monotonic, terminal = self._context.system.monotonic, self._context.terminal
        deadline, https_told = monotonic() + PATIENCE, False
        while (now := monotonic()) < deadline or self._device:
            if callback := self._server.wait(_TICK) or self._pasted():
                return callback
            if opens and (opener is None or opener.failed()):
                opens = False
                self._browser_failed()
            if self._server.saw_https and not https_told:
                https_told = True
                remedy = "paste the address of the page that does not load" if self._keyboard else "use --flow device"
                terminal.tell(f"The browser uses https, but the callback supports only http; {remedy}.")
            if self._device:
                try:
                    if issued := self._device.poll():
                        return issued
                except (FlowUnavailable, Refused, SignInNeeded) as error:
                    if isinstance(error, (Denied, Mismatch)) or now >= deadline:
                        raise
                    terminal.tell(f"{error.sentence}; continuing with the address above.")
                    self._device = None
            elif not (self._keyboard and self._keyboard.is_begun):
                cursor = " " if self._keyboard else ""  # what is typed is shown behind it
                terminal.progress(f"Waiting for the browser, {minutes_and_seconds(deadline - now)} left{cursor}", now)
        raise CallbackTimeout(
            "the sign-in in the browser was not completed in time",
            "run authgate.pyz login again, or use --flow device",
        )

    def _browser_failed(self) -> None:
        terminal = self._context.terminal
        if self._context.settings.flow != "auto":
            terminal.tell("The browser may not have opened; the address above still works.")
            return
        terminal.tell("The browser may not have opened. Use the address above, or a device code:")
        try:
            self._device = DeviceSignIn(self._context)
        except (FlowUnavailable, Refused, Unreachable) as error:
            terminal.tell(f"{error.sentence}; continuing with the address above.")

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
    """Exchange the code for the tokens (RFC 6749 section 4.1.3), or raise the error of the callback."""
    _check(context, request, callback)
    system, server = context.system, context.server
    deadline, pause = system.monotonic() + _RETRY_TIME, _FIRST_PAUSE
    while True:
        with system.uninterrupted():
            response = server.ask_for_token(request.exchange_fields(callback.code))
            wait = retry_after(response.headers, system.now())
            wait = pause if wait is None else max(wait, _FIRST_PAUSE)  # a server may always say 0
            # Only after a rate limit is it certain that the code has not been used.
            if response.status != 429 or system.monotonic() + wait > deadline:
                token = server.accept(response, request.nonce)
                return context.store.save(token, "browser")
        context.terminal.tell(f"Too many requests (rate limited by the server); trying again in {wait:.0f} s.")
        system.sleep(wait)
        pause = min(2 * pause, _LONGEST_PAUSE)


def _check(context: Context, request: AuthorizationRequest, callback: Callback) -> None:
    """Raise the error of the callback, unless it has a code from this server."""
    problem = iss_problem(callback, context.server.metadata.issuer, context.server.metadata.sends_iss)
    error = OAuthError(callback.error, callback.description)
    if problem:
        stated = f"; it says {error}" if callback.error else ""
        raise Refused(f"the sign-in cannot be trusted: {problem}{stated}", OPERATOR)
    if callback.error == "access_denied":
        raise Denied
    if callback.error in ("temporarily_unavailable", "server_error"):
        raise Unreachable(f"signing in failed: {error}", "try again later")
    if callback.error == "unauthorized_client":
        raise FlowUnavailable(
            f"the server does not offer browser sign-in to this client: {error}",
            "use --flow device, or have the authorization code flow enabled for the client",
        )
    if callback.error:
        hint = {**_HINTS, "invalid_scope": scope_hint(context.settings.scope)}.get(callback.error, _OTHER_HINT)
        if "redirect" in callback.description.lower():
            hint = f"register exactly {request.redirect_uri} for this client, or name the registered one"
            hint += " with --redirect-uri"
        raise Refused(f"signing in failed: {error}", hint, callback.error)
