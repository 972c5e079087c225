"""What `doctor` looks at. A group of checks goes on to the next even when it fails."""

from __future__ import annotations

import os
import platform
import ssl
import stat
from email.utils import parsedate_to_datetime

from ..edges.keyring_store import KeyringStore
from ..edges.proxy import proxy_for
from ..edges.sockets import tls_context
from ..errors import AuthGateError, FlowUnavailable, StoreFailed
from ..flows.choose import choose
from ..protocol import device, discovery, token_response
from ..protocol.authorization import new_request
from ..protocol.messages import get
from ..settings import SECRET_VARIABLES, SETTINGS
from ..text import clean
from ..urls import split
from ..values import TYPE_CHECKING, Value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ..app import App

_SKEW = 60  # seconds of difference between the clocks that are worth a word


class Check(Value):
    """One line of the doctor's."""

    name: str
    state: str
    text: str
    remedy: str = ""
    exit_status: int = 1


if TYPE_CHECKING:
    Group = Callable[[App], Iterator[Check]]


def ok(name: str, text: str) -> Check:
    """Return a check that found nothing wrong."""
    return Check(name, "ok", text)


def warning(name: str, text: str, remedy: str = "") -> Check:
    """Return a check that found something to know about."""
    return Check(name, "warning", text, remedy)


def failed(name: str, text: str, remedy: str, exit_status: int = 1) -> Check:
    """Return a check that found why signing in cannot work."""
    return Check(name, "failed", text, remedy, exit_status)


def python(app: App) -> Iterator[Check]:
    yield ok("Python", f"{platform.python_version()} on {app.edges.surroundings.platform}")


def tls(app: App) -> Iterator[Check]:
    context = tls_context(app.environ)
    count = context.cert_store_stats()["x509_ca"] or _certificates_in(app)
    where = next((name for name in ("SSL_CERT_FILE", "SSL_CERT_DIR") if app.environ.get(name)), "the system's own")
    text = f"{ssl.OPENSSL_VERSION}, {count} CA certificates ({where})"
    if count:
        yield ok("TLS", text)
    else:
        yield warning("TLS", text, "install the package ca-certificates, or name a PEM file in SSL_CERT_FILE")


def _certificates_in(app: App) -> int:
    """Count the certificates of a directory, which OpenSSL reads only when it needs one."""
    directory = app.environ.get("SSL_CERT_DIR") or ssl.get_default_verify_paths().capath
    try:
        return sum(name.endswith(".0") for name in os.listdir(directory)) if directory else 0
    except OSError:
        return 0


def proxy(app: App) -> Iterator[Check]:
    if app.settings.issuer:
        found = proxy_for(split(app.settings.issuer), app.environ)
        yield ok("proxy", f"{found.host}:{found.port}" if found else "none for this server")


def settings(app: App) -> Iterator[Check]:
    if app.problem:
        raise app.problem
    sources = app.settings.sources
    for option in SETTINGS:
        if option.variable in sources:
            yield ok("setting", f"{option.variable} from {_origin(sources[option.variable])}")
    for variable in SECRET_VARIABLES:
        if variable in sources:
            yield ok("setting", f"{variable} from {_origin(sources[variable])} (not shown)")
    app.settings.require("AUTHGATE_URL", "CLIENT_ID")


def _origin(source: str) -> str:
    return f"the {source}" if source == "environment" else source


def server(app: App) -> Iterator[Check]:
    if not app.settings.issuer:
        return
    response = app.edges.send(get(discovery.discovery_url(app.settings.issuer)))
    yield ok("server", f"{app.settings.issuer} answers")
    yield from _clock(app, response.headers.get("date", ""))
    discovery.parse(response, app.settings.issuer)
    yield ok("issuer", "the discovery document is this server's own")


def _clock(app: App, date: str) -> Iterator[Check]:
    try:
        skew = app.edges.now() - parsedate_to_datetime(date).timestamp()
    except (TypeError, ValueError, OverflowError):
        return
    if abs(skew) <= _SKEW:
        yield ok("clock", f"agrees with the server's within {_SKEW} s")
    else:
        direction = "ahead of" if skew > 0 else "behind"
        yield warning("clock", f"{abs(skew):.0f} s {direction} the server's", "set the clock right")


def flow(app: App) -> Iterator[Check]:
    choice = choose(app.settings.flow, app.edges.surroundings)
    yield ok("sign-in", f"would use {choice.flow}: {choice.reason}")


def callback(app: App) -> Iterator[Check]:
    for uri in app.settings.redirect_uris:
        try:
            app.edges.listen(split(uri)).close()
            yield ok("callback", f"{uri} is free")
        except AuthGateError as error:
            yield warning("callback", f"{uri}: {error.message}", error.hint or "")


def client(app: App) -> Iterator[Check]:
    """Ask the server, as far as that is possible without signing in, whether it knows the client."""
    if not (app.settings.issuer and app.settings.client_id):
        return
    metadata, client_id, secret = app.session.metadata, app.settings.client_id, app.settings.client_secret
    request = token_response.authenticated(
        metadata.device_authorization_endpoint,
        {"scope": app.settings.scope or None},
        client_id,
        secret,
        metadata.auth_methods,
    )
    try:
        device.parse_authorization(app.edges.send(request))
        yield ok("device flow", "the server offers it to this client")
    except FlowUnavailable as error:
        yield warning("device flow", error.message, error.hint or "")
    if metadata.authorization_endpoint is None:
        yield warning("browser flow", "the server does not offer it")
        return
    for uri in app.settings.redirect_uris:
        attempt = new_request(client_id, uri, app.settings.scope, app.edges.random_bytes)
        response = app.edges.send(get(attempt.url(metadata.authorization_endpoint)))
        if response.status in (400, 401, 403, 404):
            remedy = f"register {uri}, byte for byte, for this client at the server, or see --redirect-uri"
            yield warning("browser flow", f"the server refuses client or callback (status {response.status})", remedy)
        else:
            yield ok("browser flow", f"the server has nothing to say against {uri} so far")


def keyring(app: App) -> Iterator[Check]:
    if app.settings.store == "file":
        yield ok("keyring", "not used (--store file)")
        return
    here = app.edges.surroundings
    place = KeyringStore("doctor", "", app.edges.now, here.terminal or here.display, app.terminal.tell, "")
    try:
        yield ok("keyring", place.describe())
        place.find()
    except StoreFailed as error:
        if app.settings.store == "keyring":
            raise
        yield ok("keyring", f"{error.message}; the token file is used")


def token_file(app: App) -> Iterator[Check]:
    path = app.settings.token_file
    if app.settings.store == "keyring" or not (path and app.settings.client_id):
        return
    for place in app.store.places:
        if place.name == "file":
            mode = stat.S_IMODE(os.lstat(path).st_mode) if os.path.lexists(path) else None
            place.check_writable()
            place.find()
            yield ok("token file", f"{clean(path)}, " + ("not there yet" if mode is None else f"mode {mode:04o}"))


GROUPS: tuple[Group, ...] = (
    python, tls, proxy, settings, server, client, flow, callback, keyring, token_file,
)  # fmt: skip
