"""What is fuzzed: a target makes an input and tries it. Success or our own error, and nothing else.

`make(mutator)` returns an input; `check(input)` raises for what must not happen. Inputs that once
made it raise are kept in found.py.
"""

from __future__ import annotations

import io
import json
import socket
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import program
import samples
from authgate.keys import b64url
from program import answer, good, shows
from samples import ANSWERS, CALLBACK, CLIENT, ISSUER, NOW, STATE

from authgate_cli import cli, report, urls
from authgate_cli.commands import COMMANDS
from authgate_cli.errors import AuthGateError
from authgate_cli.oauth import device, jwt, parsing
from authgate_cli.oauth.authorization import iss_problem, read_pasted, read_query
from authgate_cli.oauth.endpoints import authenticated, parse_token_response, parse_tokeninfo, parse_userinfo
from authgate_cli.oauth.messages import Request, Response, http_date, retry_after
from authgate_cli.options import SETTINGS, SWITCHES
from authgate_cli.options import parse as parse_options
from authgate_cli.server import Checked, fetch_metadata
from authgate_cli.settings import Settings, resolve
from authgate_cli.sign_in import qr
from authgate_cli.sign_in.callback_server import CallbackServer
from authgate_cli.store import token_file
from authgate_cli.system import env_file
from authgate_cli.system.browser import detect
from authgate_cli.system.connections import proxy_for
from authgate_cli.system.http import Http
from authgate_cli.system.terminal import Terminal
from authgate_cli.tokens import IssuedToken, TokenSet

METADATA = fetch_metadata(lambda _: Response(200, {}, json.dumps(ANSWERS[samples.DISCOVERY]).encode()), ISSUER)

TOKEN = TokenSet(samples.ACCESS, expires_at=NOW + 60, refresh_token=samples.REFRESH, id_token=samples.JWTS["RS256"])
VERIFIER = "v" * 43
DATES = ("120", samples.HEADERS["retry-after"], samples.HEADERS["date"])


class Target(NamedTuple):
    make: Callable[[Any], Any]
    check: Callable[[Any], None]


def refusal(function, *arguments):
    """Return what a function returns, None when it raises an error of ours."""
    try:
        return function(*arguments)
    except AuthGateError as error:
        shows(error.message, error.hint or "")


def check_discovery(response):
    refusal(fetch_metadata, lambda _: response, ISSUER)


def check_device(response):
    authorization = refusal(device.parse_authorization, response, ISSUER, VERIFIER)
    if authorization:
        shows(authorization.user_code, authorization.verification_uri, authorization.complete_uri or "")
        authenticated(METADATA.token_endpoint, authorization.poll_fields(), CLIENT, None, "")
        if len(authorization.verification_uri) < 80:  # slow, as it has to be
            qr.encode(authorization.verification_uri)


def check_poll(response):
    verdict = refusal(device.interpret_poll, response, NOW)
    if verdict:
        poller = device.new_poller(device.parse_authorization(good("/oauth/device/code"), ISSUER, VERIFIER), 0.0)
        assert poller.advance(verdict, 0.0).due > 0
        shows(getattr(verdict, "why", ""))
    check_token(response)


def check_token(response):
    token = refusal(parse_token_response, response, "it failed", NOW, "openid")
    if token:
        authenticated(METADATA.token_endpoint, {"refresh_token": token.refresh_token}, CLIENT, None, "")
        if token.id_token:
            expected = jwt.Expected(ISSUER, CLIENT, NOW, "n", token.access_token, {"sub": "user-1"})
            if not refusal(jwt.check_id_token, token.id_token, expected):
                token = token._replace(id_token=None)  # as after a refresh
        check_report((token, good("/oauth/userinfo"), good("/oauth/tokeninfo")))


def check_report(answers):
    token, userinfo, tokeninfo = answers
    user, info = refusal(parse_userinfo, userinfo), parse_tokeninfo(tokeninfo)
    if user:
        checked = Checked(IssuedToken(token, "device"), user, info)
        shows(*report.as_text(checked, NOW, False).split("\n"))
        json.loads(report.as_json(checked, Settings(ISSUER, CLIENT), NOW, False))


def make_jwt(m):
    if m.random() < 0.5:
        return m.text(m.choice(list(samples.JWTS.values()))), answer(m, samples.JWKS)
    parts = [m.document(samples.HEADER), m.document(samples.CLAIMS), m.bytes(b"x" * 64)]
    return ".".join(map(b64url, parts)), answer(m, samples.JWKS)


def check_jwt(pair):
    text, response = pair
    parsing.claimed_lifetime(text), parsing.claimed_text(text, "iss")
    out, err = io.StringIO(), io.StringIO()
    status = cli.run(["inspect", "--", text], {}, Terminal(None, out, err, {}))
    assert status in (0, 1)
    shows(*out.getvalue().split("\n"), *err.getvalue().split("\n"))
    token = refusal(jwt.check_id_token, text, jwt.Expected(ISSUER, CLIENT, NOW, "n", samples.ACCESS))
    if token:
        refusal(jwt.KeySet(lambda _: response, ISSUER + samples.JWKS).verify, token)


def check_callback(words):
    query, pasted = words
    found = [read_query(query, STATE), read_pasted(pasted, urls.split(CALLBACK), STATE)]
    for one in filter(None, found):
        shows(one.error, one.description, iss_problem(one, ISSUER, True) or "")


def check_date(text):
    for seconds in (http_date(text), retry_after({"retry-after": text}, NOW)):
        assert seconds is None or -1e12 < seconds < 1e12


class Neighbour:
    """Send the bytes of a request to the open callback port."""

    def __init__(self):
        self.server = None

    def __call__(self, request: bytes) -> None:
        if self.server is None:
            with socket.create_server(("127.0.0.1", 0)) as probe:
                self.place = probe.getsockname()
            redirect = urls.split(CALLBACK)._replace(port=self.place[1])
            self.server = CallbackServer(redirect, "another state", ISSUER, time.monotonic)
        with socket.create_connection(self.place, 10) as connection:
            try:
                connection.sendall(request[:30_000])
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(65536):  # answered or dropped, in any case at once
                    pass
            except (BrokenPipeError, ConnectionResetError):
                pass
        assert self.server.wait(0) is None


class RawAnswers:
    """Answer one request after another with the bytes of the moment."""

    def __init__(self):
        self.listening = None

    def __call__(self, data: bytes) -> None:
        if self.listening is None:
            self.listening = socket.create_server(("127.0.0.1", 0))
            threading.Thread(target=self._serve, daemon=True).start()
        self.data = data
        http = Http(10.0, {}, shows, lambda: NOW, lambda _: None)
        response = refusal(http.send, Request("POST", f"http://127.0.0.1:{self.listening.getsockname()[1]}/", {}, "x"))
        if response:
            retry_after(response.headers, NOW)

    def _serve(self):
        while True:
            connection, _ = self.listening.accept()
            with connection:
                connection.settimeout(10)
                try:
                    request = b""
                    while not request.endswith(b"\r\n\r\nx"):
                        request += connection.recv(65536) or b"\r\n\r\nx"
                    connection.sendall(self.data)
                except OSError:
                    pass


def spoilt_environ(m):
    return {name: m.text(value) if m.random() < 0.1 else value for name, value in samples.ENVIRON.items()}


def check_environment(environ):
    refusal(resolve, {}, {}, environ)
    refusal(resolve, {}, environ, {})
    refusal(proxy_for, urls.split("https://auth.example.com/"), environ)
    detect(environ, terminal=False)


def check_dotenv(data):
    values, _ = env_file.parse(data)
    refusal(resolve, {}, {}, values)


def spoilt_token_file(m):
    """Return the bytes of a token file, spoilt outside or within an entry that is text."""
    document = m.choice(samples.TOKEN_FILES)
    if m.random() < 0.5:
        return m.document(document)
    return m.document({"data": {CLIENT: m.document(samples.ENTRY).decode("utf-8", "replace")}})


def check_token_file(data):
    try:
        document = token_file.parse(data)
    except ValueError:
        return
    token = token_file.get(document, CLIENT) or TokenSet("new", expires_at=NOW, issuer=ISSUER)
    authenticated(METADATA.token_endpoint, {"refresh_token": token.refresh_token}, CLIENT, None, "")
    check_report((token, good("/oauth/userinfo"), good("/oauth/tokeninfo")))
    written = token_file.serialise(token_file.put(document, CLIENT, token._replace(access_token="newer"), NOW))
    again = token_file.get(token_file.parse(written), CLIENT)
    assert again and again.access_token == "newer"
    token_file.serialise(token_file.remove(document, CLIENT, token))


def check_url(url):
    try:
        parts = urls.split(url)
    except ValueError as error:
        shows(str(error))
    else:
        shows(parts.path, parts.query, parts.scheme, parts.host, str(parts.port))


def check_argv(argv):
    """Read a command line that asks for help, so that nothing is done, and judge its settings."""
    out, err = io.StringIO(), io.StringIO()
    assert cli.run(["--help", *argv], {}, Terminal(None, out, err, {})) in (0, 2)
    told = err.getvalue().split("\n")[:-1]
    shows(*told)
    assert all(line.startswith(start) for line, start in zip(told, ("authgate: error: ", "authgate: hint: ", "!")))
    try:
        arguments = parse_options(argv, (*SETTINGS, *SWITCHES), COMMANDS)
    except AuthGateError:
        return
    refusal(resolve, arguments.flags, {}, {})


def answers(*paths):
    """Return a maker of one spoilt answer to a request of one of these paths."""
    return lambda m: answer(m, m.choice(paths))


TARGETS = {
    "discovery": Target(answers(samples.DISCOVERY), check_discovery),
    "device": Target(answers("/oauth/device/code"), check_device),
    "poll": Target(answers("/oauth/token"), check_poll),
    "token": Target(answers("/oauth/token"), check_token),
    "userinfo": Target(lambda m: (TOKEN, answer(m, "/oauth/userinfo"), good("/oauth/tokeninfo")), check_report),
    "tokeninfo": Target(lambda m: (TOKEN, good("/oauth/userinfo"), answer(m, "/oauth/tokeninfo")), check_report),
    "jwt": Target(make_jwt, check_jwt),
    "dates": Target(lambda m: m.text(m.choice(DATES)), check_date),
    "http": Target(lambda m: m.bytes(m.choice(samples.RAW_ANSWERS)), RawAnswers()),
    "neighbour": Target(lambda m: m.bytes(samples.REQUEST), Neighbour()),
    "callback": Target(lambda m: (m.text(samples.QUERY), m.text(f"{CALLBACK}?{samples.QUERY}")), check_callback),
    "url": Target(lambda m: m.text(m.choice((ISSUER + "/a?b#c", CALLBACK, "http://[::1]:80/"))), check_url),
    "environment": Target(spoilt_environ, check_environment),
    "dotenv": Target(lambda m: m.bytes(samples.DOTENV), check_dotenv),
    "token-file": Target(spoilt_token_file, check_token_file),
    "command-line": Target(lambda m: [m.text(word) if m.random() < 0.3 else word for word in samples.ARGV], check_argv),
    "program": Target(program.make, program.check),
}
