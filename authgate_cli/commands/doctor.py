"""Check everything that signing in needs, one line for each check, and suggest fixes.

The checks are real: they open the callback ports, replace the token file with its own content, start a
device authorization that nobody completes, and request the authorization page.
"""

from __future__ import annotations

import glob
import os
import platform
import ssl
import stat
from collections.abc import Callable, Iterable, Iterator
from textwrap import TextWrapper

from .. import report, session
from ..context import Context
from ..errors import AuthGateError, FlowUnavailable, KeyringUnavailable, StoreFailed, Unreachable, UsageError
from ..oauth.authorization import new_request
from ..oauth.endpoints import scope_hint
from ..oauth.messages import Request, Response, get, http_date, parse_query, quotable_error
from ..options import SECRET_VARIABLES
from ..server import fetch_metadata
from ..sign_in import choose, device_flow
from ..sign_in.callback_server import CallbackServer
from ..store.keyring_store import KeyringStore
from ..system.access_list import read_access_list, who_else_may_open
from ..system.connections import named_authorities, no_certificates_hint, proxy_for, tls_context
from ..text import document, escape, listing
from ..urls import split
from ..values import Value

_LARGEST_SKEW = 60  # seconds that the clocks may differ without a warning


class Check(Value):
    """One check; its state is ok, warning (something unusual) or failed. The remedy is not shown with ok."""

    name: str
    state: str
    text: str
    remedy: str = ""
    exit_status: int = 1


def tls(context: Context) -> Iterator[Check]:
    """Report the Python version and platform, and check that there are CA certificates."""
    yield Check("Python", "ok", f"{platform.python_version()} on {context.system.environment().platform}")
    count = tls_context(context.environ).cert_store_stats()["x509_ca"]
    named = named_authorities(context.environ)
    directory = named.get("SSL_CERT_DIR") or ssl.get_default_verify_paths().capath
    if directory and not count:  # OpenSSL reads a directory of certificates only when it needs one
        count = len(glob.glob(os.path.join(glob.escape(directory), "*.0")))
    where = next(iter(named), "the system's own")
    text = f"{ssl.OPENSSL_VERSION}, {count} CA certificates ({where})"
    remedy = no_certificates_hint(context.system.environment().platform)
    yield Check("TLS", "ok" if count else "warning", text, remedy)


def proxy(context: Context) -> Iterator[Check]:
    """Report the proxy that is used for the server."""
    if context.settings.issuer:
        found = proxy_for(split(context.settings.issuer), context.environ)
        yield Check("proxy", "ok", f"{found.host}:{found.port}" if found else "none for this server")


def settings(context: Context) -> Iterator[Check]:
    """Report where each setting comes from, and raise what is wrong with them."""
    for variable, source in context.settings.sources.items():
        where = "the environment" if source == "environment" else source
        hidden = " (not shown)" if variable in SECRET_VARIABLES else ""
        yield Check("setting", "ok", f"{variable} from {where}{hidden}")
    for line in context.warnings:
        text, _, remedy = line.partition("; ")
        yield Check("settings file", "warning", text, remedy)
    if context.problem:
        raise context.problem


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
    theirs = http_date(answers[0].headers.get("date", "")) if answers else None
    if theirs is not None:
        skew = context.system.now() - theirs
        if abs(skew) <= _LARGEST_SKEW:
            yield Check("clock", "ok", f"agrees with the server's within {_LARGEST_SKEW} s")
        else:
            text = f"{abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} the server's"
            yield Check("clock", "warning", text, "correct this machine's clock")
    if problem and (isinstance(problem, Unreachable) or not answers):
        raise problem
    yield Check("server", "ok", f"{context.settings.issuer} answers")
    if problem:
        yield Check("issuer", "failed", problem.message, problem.hint or "", problem.exit_status)
    else:
        yield Check("issuer", "ok", "the discovery document names this issuer")


def client(context: Context) -> Iterator[Check]:
    """Ask the server, as far as that is possible without signing in, whether it knows the client."""
    if context.problem or not context.settings.client_id:
        return
    if context.settings.is_machine:
        context.settings.require_secret()
        yield Check("client", "ok", "has a secret; run authgate.pyz token to see whether the server accepts it")
        return
    yield _device_flow(context)
    yield from _browser_flow(context)


def _device_flow(context: Context) -> Check:
    try:
        if not context.server.metadata.offers_device:
            raise FlowUnavailable("not offered: the server does not name it", "use --flow browser")
        device_flow.begin(context)
    except FlowUnavailable as error:
        state = "failed" if context.settings.flow == "device" else "warning"  # the other flow may work
        return Check("device flow", state, error.message, error.hint or "")
    return Check("device flow", "ok", "the server offers it to this client")


def _browser_flow(context: Context) -> Iterator[Check]:
    name, settings = "browser flow", context.settings
    bad = "failed" if settings.flow == "browser" else "warning"  # the other flow may work
    endpoint = context.server.metadata.authorization_endpoint
    if endpoint is None:
        yield Check(name, bad, "the server does not offer it", "use --flow device")
        return
    remedies = {
        "invalid_scope": scope_hint(settings.scope),
        "unauthorized_client": "use --flow device, or have the sign-in by browser enabled for the client",
    }
    for uri in settings.redirect_uris:
        request = new_request(settings.client_id, uri, settings.scope, context.system.random_bytes)
        response = context.system.send(get(request.url(endpoint, settings.params)))
        try:
            fields = parse_query(split(response.headers.get("location", "")).query)
        except ValueError:
            fields = {}
        error = quotable_error(fields, response.secrets)  # RFC 6749 section 4.1.2.1
        if error.code or response.status in (400, 401, 403, 404):
            said = error if error.code else f"status {response.status}"
            register = f"register exactly {uri} for this client at the server, or see --redirect-uri"
            text = f"the server rejects the client or the callback URL ({said})"
            yield Check(name, bad, text, remedies.get(error.code, register))
        else:
            yield Check(name, "ok", f"the server did not reject {uri}; the sign-in itself was not tried")


def flow_and_callback(context: Context) -> Iterator[Check]:
    """Report which way of signing in would be chosen, and check that the callback ports can be opened."""
    choice = choose(context.settings.flow, context.system.environment(), context.system.find_browser)
    yield Check("sign-in", "ok", f"would use {choice.flow}: {choice.reason}")
    uris, taken = context.settings.redirect_uris, {}
    for uri in uris:
        try:
            CallbackServer(split(uri), "", "", context.system.monotonic).close()
            yield Check("callback", "ok", f"{uri} is free")
        except AuthGateError as error:
            taken[uri] = error
    bad = "failed" if len(taken) == len(uris) and context.settings.flow == "browser" else "warning"
    for uri, why in taken.items():
        yield Check("callback", bad, f"{uri}: {why.message}", why.hint or "", why.exit_status)


def keyring(context: Context) -> list[Check]:
    """Check that the keyring works, if it is used."""
    if context.settings.store == "file":
        return [Check("keyring", "ok", "not used (--store file)")]
    store = next((place for place in context.store.places if isinstance(place, KeyringStore)), None)
    if store is None:
        return [Check("keyring", "ok", "the Python package keyring is not installed; using the token file")]
    try:
        name = store.describe()
        store.find()
        return [Check("keyring", "ok", name)]
    except StoreFailed as error:
        if context.settings.store == "keyring":
            raise
        state = "ok" if isinstance(error, KeyringUnavailable) else "warning"
        return [Check("keyring", state, f"{error.message}; using the token file", error.hint or "")]


def token_file(context: Context) -> list[Check]:
    """Check that the token file can be read and written; a loose mode is tightened."""
    path = context.settings.token_file
    if context.settings.access_token:
        return [Check("token file", "ok", "not used (AUTHGATE_TOKEN is set)")]
    if context.settings.store == "keyring" or not (path and context.settings.client_id):
        return []
    store = context.store.places[-1]
    mode = stat.S_IMODE(os.lstat(path).st_mode) if os.path.lexists(path) else None
    store.find()
    try:
        store.check_writable()
    except StoreFailed as error:
        if context.settings.is_machine:
            return [Check("token file", "warning", f"{error.message}; every run requests a token", error.hint or "")]
        raise
    if mode is None:
        return [Check("token file", "ok", f"{path}, does not exist yet")]
    if os.name == "nt":
        try:
            others = who_else_may_open(read_access_list(path))
        except OSError as error:
            text = f"{path}, whose access list cannot be read ({error.strerror})"
            return [Check("token file", "warning", text)]
        if not others:
            return [Check("token file", "ok", f"{path}, private to your account")]
        remedy = "keep it in your user folder, or remove them in the security settings of the file"
        return [Check("token file", "warning", f"{path} can be opened by {listing(others)} too", remedy)]
    if mode & 0o077:
        now = "it is now 0600" if os.lstat(path).st_mode & 0o077 == 0 else "chmod cannot change it here"
        remedy = "if someone else may have read it, run authgate.pyz logout and sign in again"
        return [Check("token file", "warning", f"{path} had mode {mode:04o}; {now}", remedy)]
    return [Check("token file", "ok", f"{path}, mode {mode:04o}")]


def stored_token(context: Context) -> list[Check]:
    """Report whose the stored token is, and whether it can still be used."""
    if context.problem or context.settings.access_token:
        return []
    try:
        stored = session.stored_token(context)
    except StoreFailed:
        return []  # reported by the check of the store
    remedy = f"run {context.settings.login_command}"
    if stored is None:
        return [Check("stored token", "ok", f"none; {remedy}")]
    token, now, said = stored.token, context.system.now(), report.id_claims(stored.token)
    label, when = report.lifetime(token, now)
    whose = report.person(said) if said else "owner unknown (no ID token)"
    text = f"{whose}; {label.lower()} {when}; {'can' if token.refresh_token else 'cannot'} be refreshed"
    usable = token.refresh_token or token.seconds_left(now) > 0
    return [Check("stored token", "ok" if usable else "warning", text, remedy)]


# The name is that of the check that reports an error of the group.
GROUPS: dict[str, Callable[[Context], Iterable[Check]]] = {
    "TLS": tls,
    "proxy": proxy,
    "settings": settings,
    "server": server,
    "client": client,
    "sign-in": flow_and_callback,
    "keyring": keyring,
    "token file": token_file,
    "stored token": stored_token,
}


def run(context: Context) -> int:
    """Print the checks; the exit status is that of the first one that failed."""
    try:
        if context.problem is None:
            context.require_server()
            context.settings.require_trusted_issuer("CLIENT_SECRET")
            if context.settings.access_token:
                session.require_own_issuer(context, session.given_token(context))
    except (UsageError, StoreFailed) as error:
        context.problem = error  # the check of the settings raises it
    checks: list[Check] = []
    for name, group in GROUPS.items():
        if name == "client" and any(check.state == "failed" for check in checks if check.name in ("server", "issuer")):
            checks.append(Check("client", "warning", "not checked, because the server check failed"))
            continue
        try:
            for check in group(context):
                checks.append(check)  # extend() would lose those before an error
        except AuthGateError as error:
            checks.append(Check(name, "failed", error.message, error.hint or "", error.exit_status))
    checks = [check._replace(remedy="") if check.state == "ok" else check for check in checks]
    exit_status = next((check.exit_status for check in checks if check.state == "failed"), 0)
    text = "".join(_lines(check, context.terminal.result_columns) for check in checks)
    if "json" in context.arguments.flags:
        fields = [{name: getattr(check, name) for name in ("name", "state", "text", "remedy")} for check in checks]
        text = document({"ok": exit_status == 0, "checks": fields})
    context.terminal.result(text, exit_status)
    return exit_status


def _lines(check: Check, columns: int | None) -> str:
    """Return a check and its remedy as lines, with invisible characters escaped; fold them on a terminal."""
    texts = [f"{check.state:9} {check.name}: {check.text}", *([f"{'':10}{check.remedy}"] if check.remedy else [])]
    lines = [escape(text) for text in texts]
    if columns:
        folding = TextWrapper(max(columns, 40), subsequent_indent=" " * 10, break_long_words=False)
        folding.break_on_hyphens = False  # of a path or a URL
        lines = [folding.fill(line) for line in lines]
    return "".join(f"{line}\n" for line in lines)
