"""The state of the AuthGate stand-in: its options, clients, sessions and codes.

The other modules turn a request into an answer with it: `metadata`, `authorization`, `device`,
`token_endpoint` and `resources`. None of them knows a socket.
"""

from __future__ import annotations

import re
import secrets
import ssl
import uuid
from collections import defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from .messages import OAuthError, Request, invalid_client
from .tokens import Grant, TokenIssuer

DEFAULT_SCOPE = "email profile"
ALL_GRANTS = {"authorization_code", "device_code", "client_credentials"}


@dataclass
class Client:
    """A registered client; without a secret it is a public one (RFC 6749 §2.1)."""

    redirect_uris: list[str] = field(default_factory=list)
    secret: str | None = None
    grants: set[str] = field(default_factory=lambda: {"authorization_code", "device_code"})
    scopes: str | None = None  # registered; a request for another is refused. None allows everything
    active: bool = True
    method: str | None = None  # client_secret_basic or client_secret_post; elsewhere it is the client's property

    def require_grant(self, grant: str) -> None:
        """Refuse a grant that the client is not registered for."""
        if grant not in self.grants:
            raise OAuthError("unauthorized_client", f"{grant} is not enabled for this client")

    def granted(self, scope: str | None) -> str:
        """Return the scopes that a request is granted: what it asks for, or else all that are registered."""
        if scope and self.scopes is not None and not set(scope.split()) <= set(self.scopes.split()):
            raise OAuthError("invalid_scope", "invalid_scope")
        return scope or self.scopes or DEFAULT_SCOPE


@dataclass
class Code:
    """An authorization code; `grant` is set once it is redeemed."""

    ask: dict[str, str]
    scope: str
    auth_time: int
    expires: float
    grant: Grant | None = None


@dataclass
class Device:
    """A device code; `allowed` is None until somebody has decided."""

    client_id: str
    scope: str
    user_code: str
    expires: float
    challenge: str = ""
    allowed: bool | None = None


@dataclass(eq=False, repr=False)
class Provider(TokenIssuer):
    """An AuthGate without a socket; every option may be changed while it runs."""

    host: str = "127.0.0.1"
    port: int = 0
    path: str = ""  # of the issuer, kept byte for byte
    auto_approve: bool = True  # device codes are approved at their first poll
    device_interval: int | None = 0
    device_ttl: int | None = 1800
    device_pkce: bool = False  # demand it, as Keycloak can; AuthGate ignores it
    rate_limits: bool = False
    tls: ssl.SSLContext | None = None
    advertise_device: bool = False  # other providers do
    tokeninfo: bool = True
    userinfo: bool = True
    revocation: bool = True
    send_iss: bool = False  # other providers do (RFC 9207)
    form_secrets_only: bool = True  # Basic is read for client_credentials only

    def __post_init__(self) -> None:
        super().__post_init__()
        self.clients: dict[str, Client] = {}
        self.sessions: dict[str, int] = {}  # cookie to auth_time
        self.codes: dict[str, Code] = {}
        self.devices: dict[str, Device] = {}
        self.recent: dict[str, deque[float]] = defaultdict(deque)  # the requests to a path of the last minute
        self.confidential_id = str(uuid.uuid4())
        self.confidential_secret = secrets.token_urlsafe(24)
        uris = ["http://127.0.0.1:8088/callback", "http://localhost:8888/callback"]
        self.register(redirect_uris=uris)
        self.register(self.confidential_id, uris, self.confidential_secret, ALL_GRANTS)

    @property
    def issuer(self) -> str:
        """Return the issuer identifier, which is the URL that a user types."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}{self.path}"

    def url(self, path: str) -> str:
        """Return the absolute address of a path."""
        return self.issuer.rstrip("/") + path

    def local(self, path: str) -> str:
        """Return a path for a browser, under whatever name it has reached the server."""
        return self.path.rstrip("/") + path

    # -- what tests arrange

    def register(
        self,
        client_id: str | None = None,
        redirect_uris: Iterable[str] = (),
        secret: str | None = None,
        grants: Iterable[str] | None = None,
        scopes: str | None = None,
    ) -> Client:
        """Add a client, or change one that exists; without an id `self.client_id`."""
        client = self.clients.setdefault(client_id or self.client_id, Client())
        client.redirect_uris.extend(redirect_uris)
        client.secret = secret or client.secret
        client.scopes = scopes or client.scopes
        if grants is not None:
            client.grants = {grant.rpartition(":")[2] for grant in grants}
        return client

    def approve(self, user_code: str) -> None:
        """Say yes to a device."""
        self.waiting_device(user_code).allowed = True

    def deny(self, user_code: str) -> None:
        """Say no to a device."""
        self.waiting_device(user_code).allowed = False

    # -- look up

    def active_client(self, client_id: str | None) -> Client | None:
        """Return a client that is known and active."""
        client = self.clients.get(client_id or "")
        return client if client and client.active else None

    def require_method(self, request: Request) -> None:
        """Refuse a client that does not authenticate by the method that it is registered for."""
        client = self.clients.get(request.form.get("client_id", ""))
        used = "client_secret_basic" if request.credentials("Basic") else "client_secret_post"
        if client and client.method and client.method != used:
            raise invalid_client()

    def auth_time(self, request: Request) -> int | None:
        """Return when the person at the browser signed in, or None."""
        cookie = re.search(r"\bauthgate_session=([\w-]+)", request.headers.get("Cookie", ""))
        return self.sessions.get(cookie[1]) if cookie else None

    def waiting_device(self, user_code: str) -> Device:
        """Return the device with the code that a person typed, however they typed it (RFC 8628 §6.1)."""
        typed = re.sub(r"[^A-Z]", "", user_code.upper())
        with self.lock:
            for device in self.devices.values():
                if device.user_code.replace("-", "") == typed and self.clock() < device.expires:
                    return device
        raise LookupError(f"no device is waiting with the user code {user_code}")
