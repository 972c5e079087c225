"""Check everything that signing in needs, one line for each check, and suggest fixes.

The checks are real: they open the callback ports, write a test file beside the token file, start a
device authorization that nobody completes, and request the authorization page.
"""

from __future__ import annotations

import os
import platform
import ssl
import stat

from .. import report, session
from ..errors import AuthGateError, FlowUnavailable, KeyringUnavailable, StoreFailed, Unreachable, UsageError
from ..oauth.authorization import new_request
from ..oauth.endpoints import scope_hint
from ..oauth.messages import get, http_date, parse_query, quotable_error
from ..options import SECRET_VARIABLES, SETTINGS
from ..server import fetch_metadata
from ..sign_in import choose, device_flow
from ..sign_in.callback_server import CallbackServer
from ..store.keyring_store import KeyringStore
from ..system.access_list import read_access_list, who_else_may_open
from ..system.proxy import proxy_for
from ..system.sockets import no_certificates_hint, tls_context
from ..text import clean, listing
from ..urls import split
from ..values import TYPE_CHECKING, Value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ..context import Context
    from ..oauth.messages import OAuthError, Request, Response


_ANOTHER_PORT = "stop the program that uses the port, or name another registered callback with --redirect-uri"
_SKEW = 60  # seconds; a larger difference between the clocks is a warning


class Check(Value):
    """One line of the report."""

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
    """Return a check that found something unusual."""
    return Check(name, "warning", text, remedy)


def failed(name: str, text: str, remedy: str, exit_status: int = 1) -> Check:
    """Return a check that found a reason why signing in cannot work."""
    return Check(name, "failed", text, remedy, exit_status)


def _bad(name: str, text: str, remedy: str, grave: bool, exit_status: int = 1) -> Check:
    """Return a failure if `grave` (nothing else can be tried), otherwise a warning."""
    return failed(name, text, remedy, exit_status) if grave else warning(name, text, remedy)


def python(context: Context) -> Iterator[Check]:
    """Report the Python version and platform."""
    yield ok("Python", f"{platform.python_version()} on {context.system.environment().platform}")


def tls(context: Context) -> Iterator[Check]:
    """Check that there are CA certificates."""
    count = tls_context(context.environ).cert_store_stats()["x509_ca"] or _certificates_in(context)
    where = next((name for name in ("SSL_CERT_FILE", "SSL_CERT_DIR") if context.environ.get(name)), "the system's own")
    text = f"{ssl.OPENSSL_VERSION}, {count} CA certificates ({where})"
    if count:
        yield ok("TLS", text)
    else:
        yield warning("TLS", text, no_certificates_hint(context.system.environment().platform))


def _certificates_in(context: Context) -> int:
    """Count the certificates of a directory; OpenSSL reads it only when it needs one."""
    directory = context.environ.get("SSL_CERT_DIR") or ssl.get_default_verify_paths().capath
    try:
        return sum(name.endswith(".0") for name in os.listdir(directory)) if directory else 0
    except OSError:
        return 0


def proxy(context: Context) -> Iterator[Check]:
    """Report the proxy that is used for the server."""
    if context.settings.issuer:
        found = proxy_for(split(context.settings.issuer), context.environ)
        yield ok("proxy", f"{found.host}:{found.port}" if found else "none for this server")


def settings(context: Context) -> Iterator[Check]:
    """Report where each setting comes from, and raise what is wrong with them."""
    sources = context.settings.sources
    for variable in (*(option.variable for option in SETTINGS), *SECRET_VARIABLES):
        if variable in sources:
            source = "the environment" if sources[variable] == "environment" else sources[variable]
            hidden = " (not shown)" if variable in SECRET_VARIABLES else ""
            yield ok("setting", f"{variable} from {source}{hidden}")
    for line in context.settings.warnings:
        text, _, remedy = line.partition("; ")
        yield warning("settings file", text, remedy)
    if context.problem:
        raise context.problem


def _settle(context: Context) -> None:
    """Set `context.problem` if the settings are incomplete or a secret may not be sent to their server."""
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
    """Check that the server answers, that the clocks agree, and that the document names the issuer."""
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
        yield ok("issuer", "the discovery document names this issuer")


def _clock(context: Context, date: str) -> Iterator[Check]:
    theirs = http_date(date)
    if theirs is None:
        return
    skew = context.system.now() - theirs
    if abs(skew) <= _SKEW:
        yield ok("clock", f"agrees with the server's within {_SKEW} s")
    else:
        direction = "ahead of" if skew > 0 else "behind"
        yield warning("clock", f"{abs(skew):.0f} s {direction} the server's", "correct this machine's clock")


def flow(context: Context) -> Iterator[Check]:
    """Report which way of signing in would be chosen, and why."""
    choice = choose(context.settings.flow, context.system.environment(), context.system.find_browser)
    yield ok("sign-in", f"would use {choice.flow}: {choice.reason}")


def callback(context: Context) -> Iterator[Check]:
    """Check that the callback ports can be opened."""
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
            raise UsageError(
                "the client-credentials flow needs a client secret", "set CLIENT_SECRET in the environment or in .env"
            )
        yield ok("client", "has a secret; run authgate.pyz token to see whether the server accepts it")
        return
    yield _device_flow(context)
    yield from _browser_flow(context)


def _device_flow(context: Context) -> Check:
    grave = context.settings.flow == "device"
    if not context.server.metadata.offers_device:
        return _bad("device flow", "not offered: the server does not name it", "use --flow browser", grave)
    try:
        device_flow.begin(context)
    except FlowUnavailable as error:
        return _bad("device flow", error.message, error.hint or "", grave)
    return ok("device flow", "the server offers it to this client")


def _browser_flow(context: Context) -> Iterator[Check]:
    settings, endpoint = context.settings, context.server.metadata.authorization_endpoint
    grave = settings.flow == "browser"
    if endpoint is None:
        yield _bad("browser flow", "the server does not offer it", "use --flow device", grave)
        return
    for uri in settings.redirect_uris:
        request = new_request(settings.client_id, uri, settings.scope, context.system.random_bytes)
        response = context.system.send(get(request.url(endpoint, settings.params)))
        error = _redirected_error(response)
        if error.code or response.status in (400, 401, 403, 404):
            said = error if error.code else f"status {response.status}"
            remedy = f"register exactly {uri} for this client at the server, or see --redirect-uri"
            if error.code == "invalid_scope":
                remedy = scope_hint(settings.scope)
            elif error.code == "unauthorized_client":
                remedy = "use --flow device, or have the sign-in by browser enabled for the client"
            yield _bad("browser flow", f"the server rejects the client or the callback URL ({said})", remedy, grave)
        else:
            yield ok("browser flow", f"the server did not reject {uri}; the sign-in itself was not tried")


def _redirected_error(response: Response) -> OAuthError:
    """Return the error that a redirect carries (RFC 6749 section 4.1.2.1), or an empty one."""
    try:
        fields = parse_query(split(response.headers.get("location", "")).query)
    except ValueError:
        fields = {}
    return quotable_error(fields, response.secrets)


def keyring(context: Context) -> Iterator[Check]:
    """Check that the keyring works, if it is used."""
    if context.settings.store == "file":
        yield ok("keyring", "not used (--store file)")
        return
    place = next((place for place in context.store.places if isinstance(place, KeyringStore)), None)
    if place is None:
        yield ok("keyring", "the Python package keyring is not installed; using the token file")
        return
    try:
        name = place.describe()
        place.find()
        yield ok("keyring", name)
    except StoreFailed as error:
        if context.settings.store == "keyring":
            raise
        text, missing = f"{error.message}; using the token file", isinstance(error, KeyringUnavailable)
        yield ok("keyring", text) if missing else warning("keyring", text, error.hint or "")


def token_file(context: Context) -> Iterator[Check]:
    """Check that the token file can be read and written; a loose mode is tightened."""
    path = context.settings.token_file
    if context.settings.access_token:
        yield ok("token file", "not used (AUTHGATE_TOKEN is set)")
        return
    if context.settings.store == "keyring" or not (path and context.settings.client_id):
        return
    place = context.store.places[-1]
    mode = stat.S_IMODE(os.lstat(path).st_mode) if os.path.lexists(path) else None
    place.check_writable()
    place.find()
    if mode is not None and os.name == "nt":
        yield _by_access_list(path)
    elif mode is not None and mode & 0o077:
        now = "it is now 0600" if os.lstat(path).st_mode & 0o077 == 0 else "chmod cannot change it here"
        remedy = "if someone else may have read it, run authgate.pyz logout and sign in again"
        yield warning("token file", f"{clean(path)} had mode {mode:04o}; {now}", remedy)
    else:
        yield ok("token file", f"{clean(path)}, " + ("does not exist yet" if mode is None else f"mode {mode:04o}"))


def _by_access_list(path: str) -> Check:
    try:
        others = who_else_may_open(read_access_list(path))
    except OSError as error:
        return warning("token file", f"{clean(path)}, whose access list cannot be read ({error.strerror})", "")
    if others:
        remedy = "keep it in your user folder, or remove them in the security settings of the file"
        return warning("token file", f"{clean(path)} can be opened by {listing(others)} too", remedy)
    return ok("token file", f"{clean(path)}, private to your account")


def stored_token(context: Context) -> Iterator[Check]:
    """Report whose the stored token is, and whether it can still be used."""
    if context.problem or context.settings.access_token or not context.settings.client_id:
        return
    try:
        stored = session.stored_token(context)
    except StoreFailed:
        return  # reported by the check of the store
    if stored is None:
        yield ok("stored token", f"none; run {context.settings.login_command}")
        return
    token, now, said = stored.token, context.system.now(), report.id_claims(stored.token)
    label, when = report.lifetime(token, now)
    whose = report.person(said) if said else "owner unknown (no ID token)"
    text = f"{whose}; {label.lower()} {when}; {'can' if token.refresh_token else 'cannot'} be refreshed"
    if token.refresh_token or token.seconds_left(now) > 0:
        yield ok("stored token", text)
    else:
        yield warning("stored token", text, f"run {context.settings.login_command}")


# The name is that of the check that reports an error of the group.
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
    "stored token": stored_token,
}
_NOT_ASKED = warning("client", "not checked, because the server check failed")


def run(context: Context) -> int:
    """Print the checks; the exit status is that of the first one that failed."""
    _settle(context)
    results: list[Check] = []
    for name, group in GROUPS.items():
        results += [_NOT_ASKED] if name == "client" and not _server_works(results) else _tried(context, name, group)
    exit_status = next((one.exit_status for one in results if one.state == "failed"), 0)
    if "json" in context.arguments.flags:
        checks = [{"name": one.name, "state": one.state, "text": one.text, "remedy": one.remedy} for one in results]
        passed = all(one.state != "failed" for one in results)
        context.terminal.result(report.document({"ok": passed, "checks": checks}), exit_status)
    else:
        context.terminal.result("".join(_line(one) for one in results), exit_status)
    return exit_status


def _tried(context: Context, name: str, group: Group) -> list[Check]:
    """Return the checks of a group, including the error that ends it."""
    found = []
    try:
        for check in group(context):
            found.append(check)  # list() would lose all of them if one raises
    except AuthGateError as error:
        found.append(failed(name, error.message, error.hint or "", error.exit_status))
    return found


def _server_works(results: list[Check]) -> bool:
    return not any(one.state == "failed" for one in results if one.name in ("server", "issuer"))


def _line(check: Check) -> str:
    remedy = f"\n{'':10}{check.remedy}" if check.remedy else ""
    return f"{check.state:9} {check.name}: {check.text}{remedy}\n"
