"""Check everything that signing in needs, a line each, with a remedy."""

from __future__ import annotations

import os
import platform
import ssl
import stat

from .. import report, session
from ..errors import AuthGateError, FlowUnavailable, KeyringUnavailable, StoreFailed, Unreachable, UsageError
from ..oauth import device
from ..oauth.authorization import new_request, new_secret
from ..oauth.messages import get, http_date
from ..server import fetch_metadata
from ..settings import SECRET_VARIABLES, SETTINGS
from ..sign_in import choose
from ..sign_in.callback_server import CallbackServer
from ..store.keyring_store import KeyringStore
from ..system.proxy import proxy_for
from ..system.sockets import tls_context
from ..text import clean
from ..urls import split
from ..values import TYPE_CHECKING, Value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ..context import Context
    from ..oauth.messages import Request, Response


_ANOTHER_PORT = "end the program that has the port, or name another registered callback with --redirect-uri"
_SKEW = 60  # seconds of difference between the clocks that are worth a word


class Check(Value):
    """One line of the doctor's."""

    name: str
    state: str
    text: str
    remedy: str = ""
    exit_status: int = 1


if TYPE_CHECKING:
    Group = Callable[[Context], Iterator[Check]]


def ok(name: str, text: str) -> Check:
    """Return a check that found nothing wrong."""
    return Check(name, "ok", text)


def warning(name: str, text: str, remedy: str = "") -> Check:
    """Return a check that found something to know about."""
    return Check(name, "warning", text, remedy)


def failed(name: str, text: str, remedy: str, exit_status: int = 1) -> Check:
    """Return a check that found why signing in cannot work."""
    return Check(name, "failed", text, remedy, exit_status)


def _bad(name: str, text: str, remedy: str, grave: bool, exit_status: int = 1) -> Check:
    """Return a failure where nothing else can be tried instead, and a warning elsewhere."""
    return failed(name, text, remedy, exit_status) if grave else warning(name, text, remedy)


def python(context: Context) -> Iterator[Check]:
    yield ok("Python", f"{platform.python_version()} on {context.system.environment().platform}")


def tls(context: Context) -> Iterator[Check]:
    count = tls_context(context.environ).cert_store_stats()["x509_ca"] or _certificates_in(context)
    where = next((name for name in ("SSL_CERT_FILE", "SSL_CERT_DIR") if context.environ.get(name)), "the system's own")
    text = f"{ssl.OPENSSL_VERSION}, {count} CA certificates ({where})"
    if count:
        yield ok("TLS", text)
    else:
        yield warning("TLS", text, "install the package ca-certificates, or name a PEM file in SSL_CERT_FILE")


def _certificates_in(context: Context) -> int:
    """Count the certificates of a directory, which OpenSSL reads only when it needs one."""
    directory = context.environ.get("SSL_CERT_DIR") or ssl.get_default_verify_paths().capath
    try:
        return sum(name.endswith(".0") for name in os.listdir(directory)) if directory else 0
    except OSError:
        return 0


def proxy(context: Context) -> Iterator[Check]:
    if context.settings.issuer:
        found = proxy_for(split(context.settings.issuer), context.environ)
        yield ok("proxy", f"{found.host}:{found.port}" if found else "none for this server")


def settings(context: Context) -> Iterator[Check]:
    sources = context.settings.sources
    for variable in (*(option.variable for option in SETTINGS), *SECRET_VARIABLES):
        if variable in sources:
            source = "the environment" if sources[variable] == "environment" else sources[variable]
            hidden = " (not shown)" if variable in SECRET_VARIABLES else ""
            yield ok("setting", f"{variable} from {source}{hidden}")
    for told in context.settings.warnings:
        text, _, remedy = told.partition("; ")
        yield warning("settings file", text, remedy)
    if context.problem:
        raise context.problem


def _settle(context: Context) -> None:
    """Find out whether the settings are complete, and whether the secrets among them may be sent to their server."""
    if context.problem:
        return
    try:
        context.require("AUTHGATE_URL", "CLIENT_ID")
        context.settings.require_trusted_issuer("CLIENT_SECRET")
        if context.settings.access_token:
            session.require_own_issuer(context, session.given_token(context))
    except UsageError as error:
        context.problem = error


def server(context: Context) -> Iterator[Check]:
    if not context.settings.issuer:
        return
    answers: list[Response] = []

    def send(request: Request) -> Response:
        answers.append(context.system.send(request))
        return answers[-1]

    problem = None
    try:
        fetch_metadata(send, context.settings.issuer)
    except AuthGateError as error:
        problem = error
    if answers:
        yield from _clock(context, answers[0].headers.get("date", ""))
    if problem and (isinstance(problem, Unreachable) or not answers):
        raise problem
    yield ok("server", f"{context.settings.issuer} answers")
    if problem:
        yield failed("issuer", problem.message, problem.hint or "", problem.exit_status)
    else:
        yield ok("issuer", "the discovery document is this server's own")


def _clock(context: Context, date: str) -> Iterator[Check]:
    theirs = http_date(date)
    if theirs is None:
        return
    skew = context.system.now() - theirs
    if abs(skew) <= _SKEW:
        yield ok("clock", f"agrees with the server's within {_SKEW} s")
    else:
        direction = "ahead of" if skew > 0 else "behind"
        yield warning("clock", f"{abs(skew):.0f} s {direction} the server's", "set the clock right")


def flow(context: Context) -> Iterator[Check]:
    choice = choose(context.settings.flow, context.system.environment(), context.system.find_browser)
    yield ok("sign-in", f"would use {choice.flow}: {choice.reason}")


def callback(context: Context) -> Iterator[Check]:
    uris, taken = context.settings.redirect_uris, {}
    for uri in uris:
        try:
            CallbackServer(split(uri), "", "", context.system.monotonic).close()
            yield ok("callback", f"{uri} is free")
        except AuthGateError as error:
            taken[uri] = error
    grave = context.settings.flow == "browser" and len(taken) == len(uris)
    for uri, why in taken.items():
        yield _bad("callback", f"{uri}: {why.message}", why.hint or _ANOTHER_PORT, grave, why.exit_status)


def client(context: Context) -> Iterator[Check]:
    """Ask the server, as far as that is possible without signing in, whether it knows the client."""
    settings = context.settings
    if context.problem or not (settings.issuer and settings.client_id):
        return
    if settings.flow == "client-credentials":
        if not settings.client_secret:
            raise UsageError("client credentials need a secret", "set CLIENT_SECRET in the environment or in .env")
        yield ok("client", "has a secret; authgate.pyz token shows whether the server accepts it")
        return
    yield _device_flow(context)
    yield from _browser_flow(context)


def _device_flow(context: Context) -> Check:
    settings, verifier = context.settings, new_secret(context.system.random_bytes)
    client = settings.client_id, settings.client_secret
    request = device.authorization_request(context.server.metadata, *client, settings.scope, verifier, settings.params)
    try:
        device.parse_authorization(context.system.send(request), settings.issuer, verifier)
    except FlowUnavailable as error:
        return _bad("device flow", error.message, error.hint or "", settings.flow == "device")
    return ok("device flow", "the server offers it to this client")


def _browser_flow(context: Context) -> Iterator[Check]:
    settings, endpoint = context.settings, context.server.metadata.authorization_endpoint
    grave = settings.flow == "browser"
    if endpoint is None:
        yield _bad("browser flow", "the server does not offer it", "use --flow device", grave)
        return
    for uri in settings.redirect_uris:
        attempt = new_request(settings.client_id, uri, settings.scope, context.system.random_bytes)
        status = context.system.send(get(attempt.url(endpoint, settings.params))).status
        if status in (400, 401, 403, 404):
            remedy = f"register {uri}, byte for byte, for this client at the server, or see --redirect-uri"
            yield _bad("browser flow", f"the server refuses client or callback (status {status})", remedy, grave)
        else:
            yield ok("browser flow", f"the server has nothing to say against {uri} so far")


def keyring(context: Context) -> Iterator[Check]:
    if context.settings.store == "file":
        yield ok("keyring", "not used (--store file)")
        return
    place = next((place for place in context.store.places if isinstance(place, KeyringStore)), None)
    if place is None:
        yield ok("keyring", "the Python package keyring is not installed; the token file is used")
        return
    try:
        name = place.describe()
        place.find()
        yield ok("keyring", name)
    except StoreFailed as error:
        if context.settings.store == "keyring":
            raise
        told = f"{error.message}; the token file is used"
        yield (
            ok("keyring", told) if isinstance(error, KeyringUnavailable) else warning("keyring", told, error.hint or "")
        )


def token_file(context: Context) -> Iterator[Check]:
    path = context.settings.token_file
    if context.settings.access_token:
        yield ok("token file", "not used (AUTHGATE_TOKEN is set)")
        return
    if context.settings.store == "keyring" or not (path and context.settings.client_id):
        return
    for place in context.store.places:
        if place.name == "file":
            mode = stat.S_IMODE(os.lstat(path).st_mode) if os.path.lexists(path) else None
            place.check_writable()
            place.find()
            if mode is not None and mode & 0o077 and os.name == "posix":
                remedy = "if somebody may have read it: authgate.pyz logout, and sign in again"
                closed = os.lstat(path).st_mode & 0o077 == 0
                now = "and has 0600 now" if closed else "which chmod does not change here"
                yield warning("token file", f"{clean(path)} had mode {mode:04o}, {now}", remedy)
            else:
                yield ok("token file", f"{clean(path)}, " + ("not there yet" if mode is None else f"mode {mode:04o}"))


# Each by the name of the check that stands for it when it cannot go on.
GROUPS: dict[str, Group] = {
    "Python": python,
    "TLS": tls,
    "proxy": proxy,
    "settings": settings,
    "server": server,
    "client": client,
    "sign-in": flow,
    "callback": callback,
    "keyring": keyring,
    "token file": token_file,
}


_NOT_ASKED = warning("client", "not checked, as the server has to be well for that")


def run(context: Context) -> int:
    """Print the checks; the exit status is that of the first one that failed."""
    _settle(context)
    results: list[Check] = []
    for name, group in GROUPS.items():
        results += [_NOT_ASKED] if name == "client" and not _server_is_well(results) else _tried(context, name, group)
    exit_status = next((one.exit_status for one in results if one.state == "failed"), 0)
    if "json" in context.arguments.flags:
        told = [{"name": one.name, "state": one.state, "text": one.text, "remedy": one.remedy} for one in results]
        ok = all(one.state != "failed" for one in results)
        context.terminal.result(report.document({"ok": ok, "checks": told}), exit_status)
    else:
        context.terminal.result("".join(_line(one) for one in results), exit_status)
    return exit_status


def _tried(context: Context, name: str, group: Group) -> list[Check]:
    """Return what a group finds, up to and including what ends it."""
    found = []
    try:
        for check in group(context):
            found.append(check)  # list() would lose them all when one raises
    except AuthGateError as error:
        found.append(failed(name, error.message, error.hint or "", error.exit_status))
    return found


def _server_is_well(results: list[Check]) -> bool:
    return not any(one.state == "failed" for one in results if one.name in ("server", "issuer"))


def _line(check: Check) -> str:
    remedy = f"\n{'':10}{check.remedy}" if check.remedy else ""
    return f"{check.state:9} {check.name}: {check.text}{remedy}\n"
