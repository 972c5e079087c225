"""Sign in with a browser: Authorization Code with PKCE over a loopback callback (RFC 8252).

The address is printed before anything is opened. While we wait, the address of the page that
failed to load in a browser elsewhere may be pasted; its state is checked like any other. The
page that says success is sent when the tokens are in hand, and nothing listens after that.
"""

from __future__ import annotations

from ..errors import CallbackTimeout, CallbackUnavailable, Denied, FlowUnavailable, Refused, Unreachable
from ..oauth.authorization import iss_problem, new_request, read_pasted, read_query
from ..oauth.messages import OAuthError
from ..tokens import IssuedToken
from ..urls import split
from ..values import TYPE_CHECKING
from . import pages
from .callback_server import CallbackServer

if TYPE_CHECKING:
    from ..context import Context
    from ..oauth.authorization import AuthorizationRequest, Callback
    from ..system.browser import Opened
    from ..system.terminal import Terminal
    from ..urls import Url
    from .callback_server import PendingRequest

PATIENCE = 300.0  # seconds for the person to come back
_TICK = 0.25  # seconds between looks at the browser program


def sign_in(context: Context, open_page: bool, browser_required: bool) -> IssuedToken:
    """Return the tokens of the person who came back.

    `open_page` False only prints the address. With `browser_required` a browser that fails to open is no
    reason to give up, as the address can be visited by hand. Raise FlowUnavailable when this way
    leads nowhere, Denied when the person said no, Refused when the server did.
    """
    if context.server.metadata.authorization_endpoint is None:
        raise FlowUnavailable("the server does not offer the sign-in by browser", "use --flow device")
    callback_server, redirect_uri = _listen(context)
    try:
        request = new_request(
            context.settings.client_id, redirect_uri, context.settings.scope, context.system.random_bytes
        )
        address = request.url(context.server.metadata.authorization_endpoint, context.settings.params)
        opened = _invite(context, address, split(redirect_uri), open_page)
        if open_page and opened is None and not browser_required:
            raise CallbackUnavailable("no browser could be opened")
        callback, delivery = _wait(context, callback_server, request, None if browser_required else opened)
        try:
            issued = _redeem(context, request, callback)
        except Denied:
            _answer(delivery, 200, pages.DENIED)
            raise
        except BaseException:
            _answer(delivery, 400, pages.FAILED)
            raise
        _answer(delivery, 200, pages.SUCCESS)
        return issued
    finally:
        callback_server.close(pages.ALREADY_USED, pages.HEADERS)


def _listen(context: Context) -> tuple[CallbackServer, str]:
    """Open the first callback whose port is free."""
    failure: CallbackUnavailable | None = None
    for uri in context.settings.redirect_uris:
        try:
            return CallbackServer(split(uri), context.system.monotonic), uri
        except CallbackUnavailable as error:
            failure = failure or error
    assert failure is not None
    raise failure


def _invite(context: Context, url: str, redirect: Url, open_page: bool) -> Opened | None:
    terminal, here = context.terminal, context.system.environment()
    open_page = open_page and here.browser is not None
    terminal.prompt(
        "Opening your browser to sign in. If nothing happens, open this address yourself:"
        if open_page
        else "To sign in, open this address in a browser:"
    )
    terminal.prompt(f"\n    {url}\n")
    if here.ssh:
        host = "localhost" if redirect.host == "localhost" else redirect.host
        forward = f"{redirect.port}:{f'[{host}]' if ':' in host else host}:{redirect.port}"
        terminal.prompt(f"From a browser on your own machine: ssh -L {forward} {here.ssh_login or 'this-host'}")
    if terminal.typing_descriptor() is not None:
        terminal.prompt("If the page there fails to load at the end, paste its address here.")
    return context.system.open_browser(url) if open_page else None


def _wait(
    context: Context, callback_server: CallbackServer, request: AuthorizationRequest, opened: Opened | None
) -> tuple[Callback, PendingRequest | None]:
    """Wait for the callback of this attempt, from the listener or pasted, whichever is first."""
    system, terminal = context.system, context.terminal
    redirect, deadline = split(request.redirect_uri), system.monotonic() + PATIENCE
    typing = terminal.typing_descriptor()
    while (left := deadline - system.monotonic()) > 0:
        found = _delivered(callback_server.wait(min(left, _TICK), typing), request.state)
        if found:
            return found
        if typing is not None and terminal.has_input(typing):
            line = terminal.typed_line(typing)
            typing = None if line is None else typing
            callback = _pasted(line or "", redirect, request.state, terminal)
            if callback is not None:
                return callback, None
        if opened is not None and opened.failed():
            raise CallbackUnavailable("the browser could not be opened")
    raise CallbackTimeout("nobody came back from the browser", "run authgate.pyz login again, or use --flow device")


def _delivered(deliveries: list[PendingRequest], state: str) -> tuple[Callback, PendingRequest] | None:
    """Return the first callback of this attempt; whoever else has come is answered."""
    found: tuple[Callback, PendingRequest] | None = None
    for delivery in deliveries:
        callback = read_query(delivery.query, state)
        if callback and not found:
            found = callback, delivery
        else:
            _answer(delivery, 400, pages.ALREADY_USED if callback else pages.NOT_OURS)
    return found


def _pasted(line: str, redirect: Url, state: str, terminal: Terminal) -> Callback | None:
    callback = read_pasted(line, redirect, state) if line.strip() else None
    if line.strip() and callback is None:
        terminal.prompt(
            "That does not belong to this sign-in. Paste the whole address of the page; it begins with"
            f" http://{redirect.netloc}{redirect.path}?"
        )
    return callback


def _redeem(context: Context, request: AuthorizationRequest, callback: Callback) -> IssuedToken:
    problem = iss_problem(callback, context.server.metadata.issuer, context.server.metadata.sends_iss)
    error = OAuthError(callback.error, callback.description)
    if problem:
        said = f"; it says {error}" if callback.error else ""
        raise Refused(f"the sign-in cannot be trusted: {problem}{said}", "tell whoever runs the server")
    if callback.error == "access_denied":
        raise Denied("the sign-in was denied", "run authgate.pyz login to try once more")
    if callback.error in ("temporarily_unavailable", "server_error"):
        raise Unreachable(f"signing in failed: {error}", "try again later")
    if callback.error:
        raise Refused(f"signing in failed: {error}", None, callback.error)
    with context.system.uninterrupted():
        token = context.server.grant(request.exchange(callback.code), "signing in failed", request.nonce)
        return context.store.keep_new(token, "browser")


def _answer(delivery: PendingRequest | None, status: int, page: str) -> None:
    if delivery is not None:
        delivery.answer(status, page, pages.HEADERS)
