#!/usr/bin/env python3
"""An AuthGate server for tests and for `make demo`, on a real loopback socket.

    with AuthGateServer() as server:
        sign_in(server.issuer, server.client_id)

`Provider` is the protocol: it turns a request into an answer and knows no socket. `Fault` says how
an answer goes wrong. `AuthGateServer` puts the two on a socket and remembers every request. It
behaves as AuthGate does today, but for two things: a device can also be denied, and a code that is
redeemed twice ends the grant that came of it.

    python tests/support/authgate_server.py --port 8080

runs it in the foreground. Sign in as jane with the password secret.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import hashlib
import hmac
import json
import os
import re
import secrets
import socket
import socketserver
import ssl
import sys
import threading
import time
import uuid
from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from email.message import Message
from email.utils import formatdate
from html import escape
from http.client import responses
from http.server import BaseHTTPRequestHandler
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, unquote_plus, urlencode

from authgate_keys import SIGNERS, Access, Claims, Family, Mint, b64url

PASSWORD = "secret"
DEFAULT_SCOPE = "email profile"
CODE_TTL = 600  # seconds
MAX_STATE = 128  # characters, of state and of nonce
RATE_WINDOW = 60  # seconds
RATE_LIMITS = {"/oauth/token": 20, "/oauth/device/code": 10, "/device/verify": 10, "/login": 5}
USER_CODE_LETTERS = "BCDFGHJKLMNPQRSTVWXZ"  # no vowels, so no words (RFC 8628 §6.1)
SECRET_FIELDS = ("code", "code_verifier", "device_code", "refresh_token", "token", "client_secret")


# ---- requests and answers


@dataclass
class Seen:
    """One request as it arrived; `path` lacks the issuer's, `status` is 0 until it is answered."""

    method: str
    path: str
    query: dict[str, str]
    form: dict[str, str]
    headers: Message  # reads like a dict, with names in any case
    status: int = 0

    def credentials(self, scheme: str) -> str:
        """Return what the Authorization header holds for a scheme, or an empty string."""
        given, _, credentials = self.headers.get("Authorization", "").partition(" ")
        return credentials if given == scheme else ""


class Answer(NamedTuple):
    """What goes back: status, body, and headers beyond the usual ones."""

    status: int
    body: bytes
    headers: dict[str, str]

    def wire(self, now: float, more: int = 0, head_only: bool = False) -> bytes:
        """Write it as HTTP/1.1, promising `more` bytes of body than there are."""
        length = str(len(self.body) + more)
        headers = {"Date": formatdate(now, usegmt=True), "Content-Length": length}
        headers |= {name.title(): value for name, value in self.headers.items()}
        lines = [f"HTTP/1.1 {self.status} {responses.get(self.status, 'Unknown')}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        head = "\r\n".join(lines) + "\r\n\r\n"
        return head.encode("latin-1") + (b"" if head_only else self.body)


NO_HEADERS: dict[str, str] = {}
NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}  # RFC 6749 §5.1


def json_answer(value: Any, status: int = 200, headers: dict[str, str] = NO_HEADERS) -> Answer:
    """Answer with a JSON document."""
    kind = {"Content-Type": "application/json; charset=utf-8"}
    return Answer(status, json.dumps(value).encode(), kind | headers)


def redirect(location: str, headers: dict[str, str] = NO_HEADERS) -> Answer:
    """Send a browser elsewhere."""
    return Answer(302, b"", {"Location": location} | headers)


class OAuthError(Exception):
    """An error that the client is told about (RFC 6749 §5.2)."""

    def __init__(self, error: str, description: str = "", status: int = 400, challenge: str = ""):
        super().__init__(error)
        self.body = {"error": error} | ({"error_description": description} if description else {})
        self.status = status
        self.headers = NO_STORE | ({"WWW-Authenticate": challenge} if challenge else {})

    def answer(self) -> Answer:
        """Answer with the error as JSON."""
        return json_answer(self.body, self.status, self.headers)


def invalid_client() -> OAuthError:
    """Return the error for a client that is unknown or did not prove itself."""
    text = "Client authentication failed"
    return OAuthError("invalid_client", text, 401, 'Basic realm="authgate"')


def invalid_token(description: str) -> OAuthError:
    """Return the error for a token that opens nothing (RFC 6750 §3.1)."""
    return OAuthError("invalid_token", description, 401, 'Bearer error="invalid_token"')


# ---- pages

STYLE = """
:root { color-scheme: light dark; --ground: #f3f4f7; --card: #fff; --ink: #1b2130; --dim: #5d6678;
  --line: #8a93a6; --accent: #3554d1; --on-accent: #fff; --alarm: #b3261e }
@media (prefers-color-scheme: dark) { :root { --ground: #14171f; --card: #1e222d; --ink: #e8ebf2;
  --dim: #9aa3b5; --line: #6b748a; --accent: #93a8ff; --on-accent: #10142a; --alarm: #ff9d94 } }
* { box-sizing: border-box }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 1rem;
  background: var(--ground); color: var(--ink); font: 1rem/1.5 system-ui, sans-serif }
main { width: min(25rem, 100%); padding: 2rem; background: var(--card); border-radius: 1rem;
  box-shadow: 0 1px 3px #0002, 0 8px 30px #0001 }
h1 { margin: 0 0 .5rem; font-size: 1.35rem; line-height: 1.3 }
p { margin: 0 0 1rem; color: var(--dim); overflow-wrap: anywhere }
p[role=alert] { color: var(--alarm) }
label { display: block; margin-top: 1rem; font-weight: 600 }
input { width: 100%; margin-top: .25rem; padding: .6rem .75rem; font: inherit; color: inherit;
  background: transparent; border: 1px solid var(--line); border-radius: .5rem }
button { margin: 1.25rem .5rem 0 0; padding: .6rem 1.4rem; font: inherit; font-weight: 600;
  color: var(--on-accent); background: var(--accent); border: 1px solid var(--accent);
  border-radius: .5rem; cursor: pointer }
button[value=deny] { color: inherit; background: transparent; border-color: var(--line) }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px }
"""
DECISION = """<button name="decision" value="allow">{}</button>
<button name="decision" value="deny">Deny</button>"""


def page(title: str, content: str, status: int = 200) -> Answer:
    """Lay out an HTML page; `content` is HTML."""
    html = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{escape(title)} · AuthGate</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,"><style>{STYLE}</style></head>
<body><main><h1>{escape(title)}</h1>{content}</main></body></html>"""
    headers = {"Content-Type": "text/html; charset=utf-8", "Cache-Control": "no-store"}
    return Answer(status, html.encode(), headers)


def message(title: str, text: str, status: int = 200) -> Answer:
    """Lay out a page that asks for nothing."""
    return page(title, f"<p>{escape(text)}</p>", status)


def alert(text: str) -> str:
    """Build a line that says what went wrong, or nothing."""
    return f'<p role="alert">{escape(text)}</p>' if text else ""


def form(action: str, hidden: dict[str, str], content: str) -> str:
    """Build a form that is posted."""
    fields = "".join(
        f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">' for name, value in hidden.items()
    )
    return f'<form method="post" action="{escape(action)}">{fields}{content}</form>'


def sign_in_page(action: str, return_to: str, problem: str = "") -> Answer:
    """Ask who it is."""
    fields = """<label for="username">User name</label>
<input id="username" name="username" autocomplete="username" required autofocus>
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required>
<button>Sign in</button>"""
    content = alert(problem) + form(action, {"return_to": return_to}, fields)
    return page("Sign in", content, 401 if problem else 200)


def consent_page(action: str, ask: dict[str, str], name: str) -> Answer:
    """Ask whether a client may have what it asks for."""
    scope = ", ".join((ask.get("scope") or DEFAULT_SCOPE).split())
    text = f"Signed in as {name}. The application {ask['client_id']} asks for: {scope}."
    content = f"<p>{escape(text)}</p>" + form(action, ask, DECISION.format("Allow"))
    return page("Allow access?", content)


def device_page(action: str, user_code: str, problem: str = "") -> Answer:
    """Ask for the code that a device shows."""
    fields = f"""<label for="user_code">Code</label>
<input id="user_code" name="user_code" value="{escape(user_code)}" required autofocus
 autocomplete="off" autocapitalize="characters" spellcheck="false">"""
    content = "<p>Approve only a code that your own device shows.</p>" + alert(problem)
    content += form(action, {}, fields + DECISION.format("Approve"))
    return page("Connect a device", content, 400 if problem else 200)


# ---- the protocol


@dataclass
class Client:
    """A registered client; without a secret it is a public one (RFC 6749 §2.1)."""

    redirect_uris: list[str] = field(default_factory=list)
    secret: str | None = None
    grants: set[str] = field(default_factory=lambda: {"authorization_code", "device_code"})


@dataclass
class Code:
    """An authorization code; `family` is set once it is redeemed."""

    ask: dict[str, str]
    auth_time: int
    expires: float
    family: Family | None = None


@dataclass
class Device:
    """A device code; `allowed` is None until somebody has decided."""

    client_id: str
    scope: str
    user_code: str
    expires: float
    allowed: bool | None = None


def matches_challenge(verifier: str, challenge: str) -> bool:
    """Check a PKCE verifier against its S256 challenge (RFC 7636 §4.6)."""
    well_formed = re.fullmatch(r"[A-Za-z0-9._~-]{43,128}", verifier)
    return bool(well_formed) and b64url(hashlib.sha256(verifier.encode()).digest()) == challenge


def basic_credentials(encoded: str) -> tuple[str, str]:
    """Decode client id and secret (RFC 6749 §2.3.1)."""
    try:
        client_id, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except ValueError as error:
        raise invalid_client() from error
    return unquote_plus(client_id), unquote_plus(secret)


def require_grant(client: Client, grant: str) -> None:
    """Refuse a grant that a client is not registered for."""
    if grant not in client.grants:
        raise OAuthError("unauthorized_client", f"{grant} is not enabled for this client")


@dataclass(eq=False, repr=False)
class Provider(Mint):
    """AuthGate without a socket; every option may be changed while it runs."""

    host: str = "127.0.0.1"
    port: int = 0
    path: str = ""  # of the issuer, kept byte for byte
    auto_approve: bool = True  # device codes, at their first poll
    device_interval: int | None = 0
    device_ttl: int | None = 1800
    rate_limits: bool = False
    tls: ssl.SSLContext | None = None
    advertise_device: bool = False
    tokeninfo: bool = True
    userinfo: bool = True
    revocation: bool = True
    send_iss: bool = False
    form_secrets_only: bool = False  # AuthGate today: Basic is read for client_credentials only

    def __post_init__(self) -> None:
        super().__post_init__()
        self.clients: dict[str, Client] = {}
        self.sessions: dict[str, int] = {}  # cookie to auth_time
        self.codes: dict[str, Code] = {}
        self.devices: dict[str, Device] = {}
        self.recent: dict[str, deque[float]] = defaultdict(deque)
        self.confidential_id = str(uuid.uuid4())
        self.confidential_secret = secrets.token_urlsafe(24)
        uris = ["http://127.0.0.1:8088/callback", "http://localhost:8888/callback"]
        self.register(redirect_uris=uris)
        self.register(self.confidential_id, uris, self.confidential_secret, set(GRANTS))

    @property
    def issuer(self) -> str:
        """Return the issuer identifier, which is the URL that a user types."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}{self.path}"

    def url(self, path: str) -> str:
        """Return the absolute address of a path of ours."""
        return self.issuer.rstrip("/") + path

    def local(self, path: str) -> str:
        """Return a path of ours for a browser, by whatever name it has reached us."""
        return self.path.rstrip("/") + path

    # -- what tests arrange

    def register(
        self,
        client_id: str | None = None,
        redirect_uris: Iterable[str] = (),
        secret: str | None = None,
        grants: set[str] | None = None,
    ) -> Client:
        """Add a client, or add to one that exists; without an id to `self.client_id`."""
        client = self.clients.setdefault(client_id or self.client_id, Client())
        client.redirect_uris.extend(redirect_uris)
        client.secret = secret or client.secret
        if grants is not None:
            client.grants = {grant.rpartition(":")[2] for grant in grants}
        return client

    def approve(self, user_code: str) -> None:
        """Say yes to a device."""
        self._waiting_device(user_code).allowed = True

    def deny(self, user_code: str) -> None:
        """Say no to a device."""
        self._waiting_device(user_code).allowed = False

    # -- every request

    def answer(self, seen: Seen) -> Answer:
        """Answer a request; one at a time, so that whatever is spent is spent once."""
        methods = {} if seen.path in self._switched_off() else ROUTES.get(seen.path, {})
        if not methods:
            return Answer(404, b"404 page not found", {"Content-Type": "text/plain"})
        if seen.method not in methods:
            return Answer(405, b"", {"Allow": ", ".join(methods)})
        with self.lock:
            try:
                return self._too_many(seen) or methods[seen.method](self, seen)
            except OAuthError as error:
                return error.answer()

    def _switched_off(self) -> set[str]:
        offers = {
            "/oauth/tokeninfo": self.tokeninfo,
            "/oauth/userinfo": self.userinfo,
            "/oauth/revoke": self.revocation,
        }
        return {path for path, offered in offers.items() if not offered}

    def _too_many(self, seen: Seen) -> Answer | None:
        """Refuse what comes too often; all of loopback counts as one address."""
        limit, recent, now = RATE_LIMITS.get(seen.path), self.recent[seen.path], self.clock()
        if not self.rate_limits or limit is None or seen.method != "POST":
            return None
        while recent and recent[0] <= now - RATE_WINDOW:
            recent.popleft()
        if len(recent) < limit:
            recent.append(now)
            return None
        text = "Too many requests. Please try again later."
        if "text/html" in seen.headers.get("Accept", ""):
            return message("Too many requests", text, 429)
        error = {"error": "rate_limit_exceeded", "error_description": text}
        counts = {"Limit": limit, "Remaining": 0, "Reset": int(recent[0]) + RATE_WINDOW}
        headers = {f"X-RateLimit-{name}": str(count) for name, count in counts.items()}
        return json_answer(error, 429, headers)

    # -- metadata (OpenID Connect Discovery §3, RFC 8414 §2)

    def discovery(self, _: Seen) -> Answer:
        """Describe the server."""
        metadata: Claims = {
            "issuer": self.issuer,
            "authorization_endpoint": self.url("/oauth/authorize"),
            "token_endpoint": self.url("/oauth/token"),
            **self._optional_endpoints(),
            "grant_types_supported": list(GRANTS),
            "response_types_supported": ["code"],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": AUTH_METHODS,
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": [self.signing],
            "scopes_supported": ["openid", "profile", "email", "read", "write"],
            "claims_supported": [*ID_TOKEN_CLAIMS, *self.user],
        }
        if self.send_iss:
            metadata["authorization_response_iss_parameter_supported"] = True
        return json_answer(metadata, headers={"Cache-Control": "public, max-age=3600"})

    def _optional_endpoints(self) -> dict[str, str]:
        offers = {
            "userinfo_endpoint": (self.userinfo, "/oauth/userinfo"),
            "revocation_endpoint": (self.revocation, "/oauth/revoke"),
            "jwks_uri": (self.signing != "HS256", "/.well-known/jwks.json"),
            "device_authorization_endpoint": (self.advertise_device, "/oauth/device/code"),
        }
        return {name: self.url(path) for name, (offered, path) in offers.items() if offered}

    def jwks(self, _: Seen) -> Answer:
        """Publish the keys that check our signatures (RFC 7517 §5)."""
        return json_answer({"keys": SIGNERS[self.signing].jwks()})

    # -- a person signing in

    def login_form(self, seen: Seen) -> Answer:
        """Show the sign-in page."""
        return sign_in_page(self.local("/login"), seen.query.get("return_to", ""))

    def login(self, seen: Seen) -> Answer:
        """Start a browser session and go back to where it was needed."""
        return_to = seen.form.get("return_to", "")
        given = seen.form.get("username"), seen.form.get("password")
        if given != (self.user["preferred_username"], PASSWORD):
            return sign_in_page(self.local("/login"), return_to, "Wrong user name or password.")
        if not return_to.startswith(("/oauth/authorize?", "/device?")):  # never to another site
            return_to = "/device"
        session = secrets.token_urlsafe(24)
        self.sessions[session] = int(self.clock())
        cookie = f"authgate_session={session}; Path=/; HttpOnly; SameSite=Lax"
        return redirect(self.local(return_to), {"Set-Cookie": cookie})

    def _auth_time(self, seen: Seen) -> int | None:
        """Return when the person at the browser signed in, or None."""
        cookie = re.search(r"\bauthgate_session=([\w-]+)", seen.headers.get("Cookie", ""))
        return self.sessions.get(cookie[1]) if cookie else None

    def _login_first(self, return_to: str, ask: dict[str, str]) -> Answer:
        query = urlencode({"return_to": f"{return_to}?{urlencode(ask)}"})
        return redirect(self.local(f"/login?{query}"))

    # -- authorization endpoint (RFC 6749 §4.1)

    def authorize(self, seen: Seen) -> Answer:
        """Ask a person for consent (GET), or take the decision back to the client (POST)."""
        ask = dict(seen.query if seen.method == "GET" else seen.form)
        decision = ask.pop("decision", None) if seen.method == "POST" else None
        auth_time = self._auth_time(seen)
        if auth_time is None:
            return self._login_first("/oauth/authorize", ask)
        # RFC 6749 §4.1.2.1: a client or address that is not known is never redirected to.
        client = self.clients.get(ask.get("client_id", ""))
        if client is None:
            return message("Unknown application", "No application has this client_id.", 400)
        if ask.get("redirect_uri") not in client.redirect_uris:
            text = f"This redirect_uri is not registered: {ask.get('redirect_uri')}"
            return message("Wrong redirect address", text, 400)
        try:
            self._check(ask, client)
        except OAuthError as error:
            return self._back(ask, **error.body)
        if decision is None:
            return consent_page(self.local("/oauth/authorize"), ask, self.user["name"])
        if decision != "allow":
            return self._back(ask, error="access_denied")
        return self._back(ask, code=self._new_code(ask, auth_time))

    def _check(self, ask: dict[str, str], client: Client) -> None:
        for name in ("state", "nonce"):
            if len(ask.get(name, "")) > MAX_STATE:
                raise OAuthError("invalid_request", f"{name} parameter exceeds maximum length")
        if ask.get("response_type") != "code":
            raise OAuthError("unsupported_response_type", "Only code is supported")
        require_grant(client, "authorization_code")
        method = ask.get("code_challenge_method")
        if method != "S256" and (method or client.secret is None):
            raise OAuthError("invalid_request", "PKCE with S256 is required")  # RFC 7636 §4.4.1
        if method and not ask.get("code_challenge"):
            raise OAuthError("invalid_request", "code_challenge is missing")

    def _new_code(self, ask: dict[str, str], auth_time: int) -> str:
        code = secrets.token_urlsafe(32)
        self.issued.add(code)
        self.codes[code] = Code(ask, auth_time, self.clock() + CODE_TTL)
        return code

    def _back(self, ask: dict[str, str], **result: str) -> Answer:
        """Send the browser to the client with state and, when asked to, iss (RFC 9207 §2)."""
        if 0 < len(ask.get("state", "")) <= MAX_STATE:
            result["state"] = ask["state"]
        if self.send_iss:
            result["iss"] = self.issuer
        joint = "&" if "?" in ask["redirect_uri"] else "?"
        return redirect(ask["redirect_uri"] + joint + urlencode(result))

    # -- device authorization (RFC 8628 §3.1 to 3.3)

    def device_code(self, seen: Seen) -> Answer:
        """Hand out a device code."""
        client_id = seen.form.get("client_id")
        if not client_id:
            raise OAuthError("invalid_request", "client_id is required")
        if client_id not in self.clients:
            raise OAuthError("invalid_client", "Unknown client_id")
        require_grant(self.clients[client_id], "device_code")
        code, device = self._new_device(client_id, seen.form.get("scope") or DEFAULT_SCOPE)
        answer = {
            "device_code": code,
            "user_code": device.user_code,
            "verification_uri": self.url("/device"),
            "verification_uri_complete": self.url(f"/device?user_code={device.user_code}"),
            "expires_in": self.device_ttl,
            "interval": self.device_interval,
        }
        return json_answer({name: value for name, value in answer.items() if value is not None})

    def _new_device(self, client_id: str, scope: str) -> tuple[str, Device]:
        code = secrets.token_hex(20)
        self.issued.add(code)
        letters = "".join(secrets.choice(USER_CODE_LETTERS) for _ in range(8))
        expires = self.clock() + (1800 if self.device_ttl is None else self.device_ttl)
        device = Device(client_id, scope, f"{letters[:4]}-{letters[4:]}", expires)
        self.devices[code] = device
        return code, device

    def device_form(self, seen: Seen) -> Answer:
        """Show the page where a person enters the user code."""
        if self._auth_time(seen) is None:
            return self._login_first("/device", seen.query)
        return device_page(self.local("/device/verify"), seen.query.get("user_code", ""))

    def device_verify(self, seen: Seen) -> Answer:
        """Take a person's decision about a device."""
        user_code = seen.form.get("user_code", "")
        if self._auth_time(seen) is None:
            return self._login_first("/device", {"user_code": user_code})
        try:
            device = self._waiting_device(user_code)
        except LookupError:
            problem = "This code is unknown, used or expired."
            return device_page(self.local("/device/verify"), user_code, problem)
        device.allowed = seen.form.get("decision") == "allow"
        if not device.allowed:
            return message("Device denied", "It was not connected. You can close this page.")
        return message("Device connected", "You can close this page and return to your device.")

    def _waiting_device(self, user_code: str) -> Device:
        """Find a device by the code a person typed, however they typed it (RFC 8628 §6.1)."""
        typed = re.sub(r"[^A-Z]", "", user_code.upper())
        with self.lock:
            for device in self.devices.values():
                if device.user_code.replace("-", "") == typed and self.clock() < device.expires:
                    return device
        raise LookupError(f"no device is waiting with the user code {user_code}")

    # -- token endpoint (RFC 6749 §3.2)

    def token(self, seen: Seen) -> Answer:
        """Turn a grant into tokens."""
        grant = GRANTS.get(seen.form.get("grant_type", ""))
        if grant is None:
            raise OAuthError("unsupported_grant_type", f"Supported: {', '.join(GRANTS)}")
        return json_answer(grant(self, seen), headers=NO_STORE)

    def code_grant(self, seen: Seen) -> Claims:
        """Redeem an authorization code (RFC 6749 §4.1.3)."""
        client_id, client = self._authenticated(seen)
        require_grant(client, "authorization_code")
        code = self.codes.get(seen.form.get("code", ""))
        if code is None or code.ask["client_id"] != client_id or code.expires <= self.clock():
            raise OAuthError("invalid_grant", "Authorization code is invalid or expired")
        if code.family:
            self.end(code.family)  # RFC 6749 §4.1.2
            raise OAuthError("invalid_grant", "Authorization code has already been used")
        if seen.form.get("redirect_uri") != code.ask["redirect_uri"]:
            raise OAuthError("invalid_grant", "Redirect URI does not match")
        challenge = code.ask.get("code_challenge")
        if challenge and not matches_challenge(seen.form.get("code_verifier", ""), challenge):
            raise OAuthError("invalid_grant", "PKCE code_verifier validation failed")
        scope = code.ask.get("scope") or DEFAULT_SCOPE
        code.family = self.new_family(client_id, scope, code.auth_time)
        return self.with_id_token(self.tokens(code.family), code.family, code.ask.get("nonce"))

    def device_grant(self, seen: Seen) -> Claims:
        """Answer a poll (RFC 8628 §3.4)."""
        code, (client_id, _) = seen.form.get("device_code", ""), self._credentials(seen)
        if not code or not client_id:
            raise OAuthError("invalid_request", "device_code and client_id are required")
        device = self.devices.get(code)
        if device is None or device.client_id != client_id:
            raise OAuthError("access_denied")
        if device.expires <= self.clock():
            raise OAuthError("expired_token")
        if device.allowed is None and not self.auto_approve:
            raise OAuthError("authorization_pending")
        del self.devices[code]
        if device.allowed is False:
            raise OAuthError("access_denied")
        return self.tokens(self.new_family(client_id, device.scope))

    def refresh_grant(self, seen: Seen) -> Claims:
        """Spend a refresh token (RFC 6749 §6); AuthGate asks for no client secret here."""
        spent, (client_id, _) = seen.form.get("refresh_token", ""), self._credentials(seen)
        if not spent or not client_id:
            raise OAuthError("invalid_request", "refresh_token and client_id are required")
        family = self.families.get(spent)
        if family is None or not self.refreshable(family):
            raise OAuthError("invalid_grant", "Refresh token is invalid or expired")
        if spent != family.refresh_token:  # somebody has used it before (RFC 9700 §4.14.2)
            self.end(family)
            raise OAuthError("invalid_grant", "Refresh token is invalid or expired")
        if family.client_id != client_id:
            raise invalid_client()
        if not set(seen.form.get("scope", "").split()) <= set(family.scope.split()):
            raise OAuthError("invalid_scope", "Requested scope exceeds original grant")
        return self.tokens(family)

    def client_credentials_grant(self, seen: Seen) -> Claims:
        """Give a machine a token of its own (RFC 6749 §4.4)."""
        client_id, client = self._authenticated(seen)
        if client.secret is None:
            raise invalid_client()
        require_grant(client, "client_credentials")
        scope = seen.form.get("scope") or DEFAULT_SCOPE
        if {"openid", "offline_access"} & set(scope.split()):
            raise OAuthError("invalid_scope", "openid and offline_access are not permitted")
        return self.tokens(Family(client_id, f"client:{client_id}", scope, int(self.clock())))

    def _credentials(self, seen: Seen) -> tuple[str, str]:
        """Return client id and secret, from Basic or from the form (RFC 6749 §2.3.1)."""
        form_only = self.form_secrets_only and seen.form["grant_type"] != "client_credentials"
        basic = seen.credentials("Basic")
        if basic and not form_only:
            return basic_credentials(basic)
        return seen.form.get("client_id", ""), seen.form.get("client_secret", "")

    def _authenticated(self, seen: Seen) -> tuple[str, Client]:
        client_id, secret = self._credentials(seen)
        client = self.clients.get(client_id)
        if client is None:
            raise invalid_client()
        if client.secret and not hmac.compare_digest(secret.encode(), client.secret.encode()):
            raise invalid_client()
        return client_id, client

    # -- asking about a token, and giving it up

    def user_info(self, seen: Seen) -> Answer:
        """Tell who signed in (OpenID Connect Core §5.3)."""
        family = self._presented(seen).family
        if family.is_machine():
            raise invalid_token("User not found")
        return json_answer({"sub": family.subject, "iss": self.issuer, **self.profile(family.scope)})

    def token_info(self, seen: Seen) -> Answer:
        """Tell what a token is; only AuthGate has this."""
        if "Authorization" not in seen.headers:
            raise OAuthError("missing_token", status=401)
        family, expires = self._presented(seen)
        info = {
            "active": True,
            "user_id": family.subject,
            "client_id": family.client_id,
            "scope": family.scope,
            "exp": int(expires),
            "iss": self.base_url or self.issuer,
            "subject_type": "client" if family.is_machine() else "user",
        }
        return json_answer(info)

    def _presented(self, seen: Seen) -> Access:
        """Look up the access token of a request (RFC 6750 §2.1)."""
        access = self.access.get(seen.credentials("Bearer"))
        if access is None or access.expires <= self.clock():
            raise invalid_token("Token is invalid or expired")
        return access

    def revoke(self, seen: Seen) -> Answer:
        """Forget one token; the other of the pair lives on (RFC 7009 §2.1)."""
        token = seen.form.get("token", "")
        family = self.families.get(token)
        if family and token == family.refresh_token:
            family.alive = False
        self.access.pop(token, None)
        return Answer(200, b"", {})


AUTH_METHODS = ["client_secret_basic", "client_secret_post", "none"]
ID_TOKEN_CLAIMS = ["iss", "aud", "exp", "iat", "auth_time", "nonce", "at_hash"]
GRANTS: dict[str, Callable[[Provider, Seen], Claims]] = {
    "authorization_code": Provider.code_grant,
    "urn:ietf:params:oauth:grant-type:device_code": Provider.device_grant,
    "refresh_token": Provider.refresh_grant,
    "client_credentials": Provider.client_credentials_grant,
}
ROUTES: dict[str, dict[str, Callable[[Provider, Seen], Answer]]] = {
    "/.well-known/openid-configuration": {"GET": Provider.discovery},
    "/.well-known/jwks.json": {"GET": Provider.jwks},
    "/login": {"GET": Provider.login_form, "POST": Provider.login},
    "/oauth/authorize": {"GET": Provider.authorize, "POST": Provider.authorize},
    "/oauth/device/code": {"POST": Provider.device_code},
    "/device": {"GET": Provider.device_form},
    "/device/verify": {"POST": Provider.device_verify},
    "/oauth/token": {"POST": Provider.token},
    "/oauth/userinfo": {"GET": Provider.user_info, "POST": Provider.user_info},
    "/oauth/tokeninfo": {"GET": Provider.token_info},
    "/oauth/revoke": {"POST": Provider.revoke},
}


# ---- misbehaviour


@dataclass
class Fault:
    """How answers go wrong; `AuthGateServer.misbehave` says what each field means."""

    times: int | None = 1
    status: int | None = None
    body: bytes | Claims | None = None
    headers: dict[str, str] | None = None
    delay: float = 0.0
    drop: str | None = None
    raw: bytes | None = None
    trickle: float | None = None
    after: bool = False
    when: Callable[[Seen], bool] | None = None
    edit: Callable[[Claims], Claims] | None = None

    def take(self, seen: Seen) -> bool:
        """Tell whether this request is one to spoil, and count it."""
        if self.times == 0 or (self.when and not self.when(seen)):
            return False
        if self.times is not None:
            self.times -= 1
        return True

    def spoil(self, seen: Seen, genuine: Callable[[Seen], Answer]) -> Answer:
        """Return the answer to give; the genuine one is asked for only where it is wanted."""
        if (self.status, self.body, self.raw) == (None, None, None):
            answer = self._edited(genuine(seen))
        else:
            if self.after:
                genuine(seen)
            answer = self._replacement()
        return answer._replace(headers=answer.headers | (self.headers or {}))

    def _edited(self, answer: Answer) -> Answer:
        if self.edit is None:
            return answer
        return answer._replace(body=json.dumps(self.edit(json.loads(answer.body))).encode())

    def _replacement(self) -> Answer:
        status = 200 if self.status is None else self.status
        if isinstance(self.body, dict):
            return json_answer(self.body, status)
        return Answer(status, self.body or b"", {"Content-Type": "text/plain; charset=utf-8"})


# ---- the socket


class Connection(BaseHTTPRequestHandler):
    """One keep-alive connection; the base class does no more than parse requests."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # a trickled byte is a packet of its own
    server: CallbackServer

    def respond(self) -> None:
        """Answer one request, well or badly."""
        house, seen = self.server.house, self._seen()
        fault = house.notice(seen)
        if fault.drop or fault.raw is not None:
            self.close_connection = True
        if fault.drop == "before":
            return
        answer = fault.spoil(seen, house.answer)
        if house.stopping.wait(fault.delay) or fault.drop == "after":
            return
        if fault.raw is not None:
            self._send(fault.raw, fault.trickle)
            return
        house.note_answer(seen, answer)
        more = 1000 if fault.drop == "body" else 0
        self._send(answer.wire(house.clock(), more, self.command == "HEAD"), fault.trickle)

    do_GET = do_POST = do_HEAD = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = respond

    def _seen(self) -> Seen:
        # Not self.path, where the base class has merged slashes.
        path, _, query = self.requestline.split()[1].partition("?")
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length)
        if len(body) < length:
            raise ConnectionError("the client went away in the middle of its request")
        is_form = self.headers.get_content_type() == "application/x-www-form-urlencoded"
        return Seen(
            self.command,
            self.server.house.inner_path(path),
            dict(parse_qsl(query, keep_blank_values=True)),
            dict(parse_qsl(body.decode("latin-1"), keep_blank_values=True)) if is_form else {},
            self.headers,
        )

    def _send(self, data: bytes, trickle: float | None) -> None:
        """Send at once, or byte by byte with a pause after each."""
        if trickle is None:
            self.wfile.write(data)
            return
        for byte in data:
            self.wfile.write(bytes([byte]))
            if self.server.house.stopping.wait(trickle):
                return

    def log_message(self, *_: Any) -> None:
        """Say nothing: the requests are on record."""


class CallbackServer(socketserver.ThreadingTCPServer):
    """A listening socket and the connections that came of it."""

    daemon_threads = True
    request_queue_size = 128
    allow_reuse_address = os.name == "posix"  # on Windows that would share the port

    def __init__(self, house: AuthGateServer, address: str):
        self.house = house
        self.connections: set[Any] = set()
        self.address_family = socket.AF_INET6 if ":" in address else socket.AF_INET
        super().__init__((address, house.port), Connection)

    def get_request(self) -> tuple[Any, Any]:
        """Accept a connection; a TLS handshake is left to the connection's own thread."""
        connection, address = super().get_request()
        if self.house.tls:
            connection = self.house.tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        self.connections.add(connection)
        self.house.accepted += 1
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        """Close a connection that is done."""
        self.connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Let clients go away as they like; anything else is a bug and shows."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)

    def stop(self) -> None:
        """Stop listening and end every connection, idle ones too."""
        self.shutdown()
        self.server_close()
        for connection in list(self.connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class AuthGateServer(Provider):
    """A provider on a loopback socket, which keeps records and can be told to misbehave."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.requests: list[Seen] = []
        self.pages_visited: list[str] = []
        self.accepted = 0  # connections
        self.stopping = threading.Event()
        self._faults: dict[str, list[Fault]] = defaultdict(list)
        self._listeners: list[CallbackServer] = []

    def start(self) -> AuthGateServer:
        """Listen; started again after a stop it has the same port."""
        self.stopping.clear()
        for address in ("127.0.0.1", "::1") if self.host == "localhost" else (self.host,):
            try:
                self._listen(address)
            except OSError:
                if address == self.host or address == "127.0.0.1":
                    raise  # without IPv6, localhost is 127.0.0.1 alone
        return self

    def _listen(self, address: str) -> None:
        listener = CallbackServer(self, address)
        self.port = listener.server_address[1]
        self._listeners.append(listener)
        threading.Thread(target=listener.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        """Close everything, whoever is still waiting for an answer."""
        self.stopping.set()
        while self._listeners:
            self._listeners.pop().stop()

    def __enter__(self) -> AuthGateServer:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def inner_path(self, path: str) -> str:
        """Take the issuer's path off; what lies outside it is marked and not found."""
        prefix = self.local("/")
        return path[len(prefix) - 1 :] if path.startswith(prefix) else f"outside:{path}"

    # -- faults

    def misbehave(self, path: str, **fault: Any) -> None:
        """Spoil the next `times` answers (None: all of them) to requests of a path.

        when: a predicate over Seen that picks the requests.
        status, body (bytes, or a dict for JSON): answer this instead and do nothing;
            with after=True do what was asked first.
        headers: on top of the answer's own.
        edit: a function from the genuine JSON object to the one that is sent.
        delay: seconds between doing what was asked and answering.
        drop: close "before" doing what was asked, "after" it, or in the middle of the "body".
        raw: send these bytes and no others, then close.
        trickle: seconds after every single byte.
        """
        with self.lock:
            self._faults[path].append(Fault(**fault))

    def clear_misbehaviour(self) -> None:
        """Behave from now on."""
        with self.lock:
            self._faults.clear()

    # -- records

    def notice(self, seen: Seen) -> Fault:
        """Record a request and return what is to go wrong with it."""
        with self.lock:
            self.requests.append(seen)
            return next((fault for fault in self._faults[seen.path] if fault.take(seen)), Fault())

    def note_answer(self, seen: Seen, answer: Answer) -> None:
        """Record an answer that is about to be sent."""
        seen.status = answer.status
        if answer.headers.get("Content-Type", "").startswith("text/html"):
            self.pages_visited.append(seen.path)

    def count(self, method: str, path: str, **fields: str) -> int:
        """Count the requests so far that had these form fields."""
        return sum(
            (seen.method, seen.path) == (method, path) and fields.items() <= seen.form.items()
            for seen in list(self.requests)
        )

    def secrets(self) -> set[str]:
        """Return every secret issued or seen, to search output and logs for."""
        found = {*self.issued, *(client.secret for client in self.clients.values())}
        for seen in list(self.requests):
            found.update(seen.form.get(name) for name in SECRET_FIELDS)
            found.add(seen.headers.get("Authorization", "").partition(" ")[2])
        return {secret for secret in found if secret}


def main() -> None:
    """Run in the foreground until Ctrl-C."""
    parser = argparse.ArgumentParser(description="AuthGate stand-in; sign in as jane / secret.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8080, help="0 picks a free one")
    parser.add_argument("--path", default="", help="of the issuer, such as /tenant/a")
    parser.add_argument("--client-id", default=str(uuid.uuid4()), help="of the public client")
    parser.add_argument("--signing", default="HS256", choices=sorted(SIGNERS))
    parser.add_argument("--access-ttl", type=int, default=3600, metavar="SECONDS")
    parser.add_argument("--device-interval", type=int, default=5, metavar="SECONDS")
    parser.add_argument("--rate-limits", action="store_true")
    parser.add_argument("--manual", action="store_true", help="device codes wait for a person")
    options = vars(parser.parse_args())
    server = AuthGateServer(auto_approve=not options.pop("manual"), **options)
    with contextlib.suppress(KeyboardInterrupt), server:
        print(f"export AUTHGATE_URL={server.issuer} CLIENT_ID={server.client_id}", flush=True)
        while True:
            time.sleep(3600)


if __name__ == "__main__":
    main()
