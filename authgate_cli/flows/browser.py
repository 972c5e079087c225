"""Sign in with a browser: Authorization Code with PKCE over a loopback callback (RFC 8252).

The address is printed before anything is opened. While we wait, the address of the page that
failed to load in a browser elsewhere may be pasted; its state is checked like any other. The
page that says success is sent when the tokens are in hand, and nothing listens after that.
"""

from __future__ import annotations

from ..errors import CallbackUnavailable, Denied, FlowUnavailable, NobodyCame, Refused, Unreachable
from ..protocol import callback as callbacks
from ..protocol.authorization import new_request
from ..protocol.oauth_error import OAuthError
from ..urls import split
from ..values import TYPE_CHECKING
from . import pages

if TYPE_CHECKING:
    from ..edges.browser import Opened
    from ..edges.loopback import Delivery, Listener
    from ..edges.terminal import Terminal
    from ..protocol.authorization import AuthorizationRequest
    from ..protocol.callback import Callback
    from ..tokens import TokenSet
    from ..urls import Url
    from .attempt import Attempt

PATIENCE = 300.0  # seconds for the person to come back
_TICK = 0.25  # seconds between looks at the browser program


def sign_in(attempt: Attempt, open_page: bool, insist: bool) -> TokenSet:
    """Return the tokens of the person who came back.

    `open_page` False only prints the address. With `insist` a browser that fails to open is no
    reason to give up, as the address can be visited by hand. Raise FlowUnavailable when this way
    leads nowhere, Denied when the person said no, Refused when the server did.
    """
    if attempt.metadata.authorization_endpoint is None:
        raise FlowUnavailable("the server does not offer the sign-in by browser", "use --flow device")
    listener, redirect_uri = _listen(attempt)
    try:
        request = new_request(
            attempt.settings.client_id, redirect_uri, attempt.settings.scope, attempt.edges.random_bytes
        )
        opened = _invite(attempt, request.url(attempt.metadata.authorization_endpoint), split(redirect_uri), open_page)
        if open_page and opened is None and not insist:
            raise CallbackUnavailable("no browser could be opened")
        callback, delivery = _wait(attempt, listener, request, None if insist else opened)
        try:
            token = _redeem(attempt, request, callback)
        except Denied:
            _answer(delivery, 200, pages.DENIED)
            raise
        except BaseException:
            _answer(delivery, 400, pages.FAILED)
            raise
        _answer(delivery, 200, pages.SUCCESS)
        return token
    finally:
        listener.close(pages.ALREADY_USED, pages.HEADERS)


def _listen(attempt: Attempt) -> tuple[Listener, str]:
    """Open the first callback whose port is free."""
    failure: CallbackUnavailable | None = None
    for uri in attempt.settings.redirect_uris:
        try:
            return attempt.edges.listen(split(uri)), uri
        except CallbackUnavailable as error:
            failure = failure or error
    assert failure is not None
    raise failure


def _invite(attempt: Attempt, url: str, redirect: Url, open_page: bool) -> Opened | None:
    terminal, here = attempt.edges.terminal, attempt.edges.look_around()
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
    return attempt.edges.open_browser(url) if open_page else None


def _wait(
    attempt: Attempt, listener: Listener, request: AuthorizationRequest, opened: Opened | None
) -> tuple[Callback, Delivery | None]:
    """Wait for the callback of this attempt, from the listener or pasted, whichever is first."""
    edges, terminal = attempt.edges, attempt.edges.terminal
    redirect, deadline = split(request.redirect_uri), edges.monotonic() + PATIENCE
    typing = terminal.typing_descriptor()
    while (left := deadline - edges.monotonic()) > 0:
        found = _delivered(listener.wait(min(left, _TICK), typing), request.state)
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
    raise NobodyCame("nobody came back from the browser", "run authgate.pyz login again, or use --flow device")


def _delivered(deliveries: list[Delivery], state: str) -> tuple[Callback, Delivery] | None:
    """Return the first callback of this attempt; whoever else has come is answered."""
    found: tuple[Callback, Delivery] | None = None
    for delivery in deliveries:
        callback = callbacks.read_query(delivery.query, state)
        if callback and not found:
            found = callback, delivery
        else:
            _answer(delivery, 400, pages.ALREADY_USED if callback else pages.NOT_OURS)
    return found


def _pasted(line: str, redirect: Url, state: str, terminal: Terminal) -> Callback | None:
    callback = callbacks.read_pasted(line, redirect, state) if line.strip() else None
    if line.strip() and callback is None:
        terminal.prompt(
            "That does not belong to this sign-in. Paste the whole address of the page; it begins with"
            f" http://{redirect.netloc}{redirect.path}?"
        )
    return callback


def _redeem(attempt: Attempt, request: AuthorizationRequest, callback: Callback) -> TokenSet:
    problem = callbacks.iss_problem(callback, attempt.metadata.issuer, attempt.metadata.sends_iss)
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
    with attempt.edges.uninterrupted():
        response = attempt.edges.send(attempt.token_request(request.exchange(callback.code)))
        return attempt.accept(response, request.nonce)


def _answer(delivery: Delivery | None, status: int, page: str) -> None:
    if delivery is not None:
        delivery.answer(status, page, pages.HEADERS)
