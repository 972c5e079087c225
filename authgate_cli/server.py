"""Requests to one OAuth server: metadata, keys, tokens, UserInfo, TokenInfo and revocation."""

from __future__ import annotations

from functools import cached_property

from .errors import OPERATOR, AuthGateError, Mismatch, NoSubject, Refused, TokenRefused, Unreachable
from .oauth import endpoints
from .oauth.endpoints import BASIC, POST, Claims
from .oauth.messages import check_data, check_not_redirected, get, get_as, refusal
from .oauth.metadata import metadata_url, oauth_metadata_url, parse_metadata
from .oauth.parsing import claimed_text, claims_of
from .system.threads import Background
from .text import ADDRESS
from .tokens import IssuedToken, TokenSet, with_openid
from .urls import split
from .values import TYPE_CHECKING, Value

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Mapping, Sequence

    from .oauth.jwt import KeySet
    from .oauth.messages import Request, Response
    from .oauth.metadata import Metadata
    from .settings import Settings
    from .system import System
    from .system.terminal import Terminal

_MAX_REDIRECTS = 3


class Checked(Value):
    """A token, and what the server says about it.

    It may be neither accepted nor refused: many servers have no UserInfo for a machine's token.
    """

    issued: IssuedToken
    userinfo: Claims
    tokeninfo: Claims
    is_machine: bool = False

    @property
    def is_proven(self) -> bool:
        """Tell whether the server has shown that it accepts the token."""
        return self.userinfo.accepted or self.tokeninfo.accepted


class Server:
    """The server of the settings."""

    def __init__(self, system: System, settings: Settings, terminal: Terminal):
        self._system, self._settings, self._terminal = system, settings, terminal
        self._method = ""  # of client authentication

    @cached_property
    def metadata(self) -> Metadata:
        """Return the server's metadata, fetched once in a run. Raise Unreachable or Refused."""
        metadata = fetch_metadata(self._system.send, self._settings.issuer)
        if metadata.issuer != self._settings.issuer:
            self._terminal.explain(f"the server calls itself {metadata.issuer}, without the slash at the end")
        return metadata

    @cached_property
    def keys(self) -> KeySet:
        """Return the keys that the server signs with. Raise Unreachable or Refused."""
        from .oauth.jwt import KeySet  # for the report of a stored token nothing is verified

        return KeySet(self._system.send, self.metadata.jwks_uri)

    def ask(self, endpoint: str, fields: Mapping[str, str | None]) -> Response:
        """Send a form, authenticated as this client. Raise Unreachable.

        An endpoint that is only assumed does not get the secret.

        The secret goes into the form if the server offers that (AuthGate accepts only that in most
        grants), otherwise into a Basic header. If the server rejects the client, the other method is
        tried once and then used for the whole run: some clients are registered for one method only.
        That is safe: a server that rejects the client has not used up its code or token.
        """
        is_assumed = self.metadata.assumes_device and endpoint == self.metadata.device_authorization_endpoint
        client_id, secret = self._settings.client_id, None if is_assumed else self._settings.client_secret
        self._method = self._method or self.metadata.auth_method
        response = self._system.send(endpoints.authenticated(endpoint, fields, client_id, secret, self._method))
        if secret is None or not endpoints.refuses_client(response):
            return response
        other = BASIC if self._method == POST else POST
        again = self._system.send(endpoints.authenticated(endpoint, fields, client_id, secret, other))
        if endpoints.refuses_client(again):
            return response
        self._method = other
        return again

    def ask_for_token(self, fields: Mapping[str, str | None]) -> Response:
        """Send a grant to the token endpoint. Raise Unreachable."""
        extra = {name: self._settings.params.get(name) for name in ("resource", "audience")}
        return self.ask(self.metadata.token_endpoint, {**extra, **fields})

    def grant(self, fields: Mapping[str, str | None], previous: TokenSet | None = None) -> TokenSet:
        """Ask the token endpoint and return the checked tokens. Raise Unreachable or Refused; see `accept`."""
        return self.accept(self.ask_for_token(fields), previous=previous)

    def accept(self, response: Response, nonce: str | None = None, previous: TokenSet | None = None) -> TokenSet:
        """Return the checked tokens of a token endpoint's answer (RFC 6749 section 5, OpenID Connect Core 3.1.3.7).

        `previous` is the token that was refreshed: its values are kept where the answer has none,
        and a new ID token must be about the same user (section 12.2). Raise Unreachable or Refused.
        """
        settings = self._settings
        what = "the token could not be refreshed" if previous else "signing in failed"
        if previous:
            check_not_redirected(response, what)
        # A new sign-in has no earlier token, only a requested scope.
        before = previous or TokenSet("", scope=settings.scope or None, requested_scope=settings.scope)
        token = endpoints.parse_token_response(response, what, self._system.now(), before.scope)
        try:
            if token.id_token:
                self.keys.check_id_token(
                    token.id_token,
                    issuer=self.metadata.issuer,
                    client_id=settings.client_id,
                    now=self._system.now(),
                    nonce=nonce,
                    access_token=token.access_token,
                    previous=claims_of(before.id_token),
                    secrets=(*response.secrets, token.access_token),
                )
        except (Refused, Unreachable) as error:
            # The old refresh token has been used up, so the new one is kept, unless the ID token is about
            # another user, issuer or client.
            if previous is None or isinstance(error, Mismatch):
                raise
            self._terminal.warn(f"{error.message}; the new ID token is discarded")
            token = token._replace(id_token=None)
        return token._replace(
            refresh_token=token.refresh_token or before.refresh_token,
            id_token=token.id_token or before.id_token,
            issuer=self.metadata.issuer,
            client_id=settings.client_id,
            requested_scope=before.requested_scope,
            grant_type=before.grant_type,
        )

    def check(self, issued: IssuedToken) -> Checked:
        """Ask UserInfo and TokenInfo about a token. Raise TokenRefused, Unreachable or Refused."""
        token = issued.token
        self.metadata  # noqa: B018  once, before two threads use it
        asking = Background(lambda: self.userinfo(token.access_token))  # both at once: a network may be slow
        tokeninfo = self.tokeninfo(token.access_token)
        is_client = (tokeninfo.claims or {}).get("subject_type") == "client"
        is_machine = is_client or self._settings.is_machine or token.grant_type == "client_credentials"
        try:
            userinfo: Claims = asking.result()
        except (TokenRefused, NoSubject) as error:
            no_user = f"a machine's token has no user: {error.code}"  # whatever UserInfo says about it proves nothing
            userinfo = Claims(reason=no_user if is_machine else self._without_user(issued, error, tokeninfo))
        if tokeninfo.refused and not userinfo.accepted:
            raise TokenRefused(tokeninfo.reason, tokeninfo.reason)
        if userinfo.subject and claimed_text(token.id_token, "sub") not in (None, userinfo.subject):
            raise Mismatch("UserInfo and the ID token are about different users (sub)", OPERATOR)
        checked = Checked(issued, userinfo, tokeninfo, is_machine)
        if is_machine and not checked.is_proven:
            return checked._replace(userinfo=userinfo._replace(reason=f"{userinfo.reason}; not checked"))
        hint = self.openid_hint(issued)
        if userinfo.reason == "insufficient_scope" and hint:
            self._terminal.warn(f"UserInfo is not available to this token; {hint}")
        scope = (tokeninfo.claims or {}).get("scope")
        if token.scope is None and isinstance(scope, str):
            return checked._replace(issued=issued._replace(token=token._replace(scope=scope)))
        return checked

    def _without_user(self, issued: IssuedToken, refusal: TokenRefused | NoSubject, tokeninfo: Claims) -> str:
        """Return why UserInfo names nobody. Raise its refusal if that shows that the token is not valid.

        A 403 does not, for a token that the server has just issued, or that TokenInfo accepts.
        """
        known = tokeninfo.accepted or issued.source not in ("stored", "environment")
        if isinstance(refusal, TokenRefused) and refusal.forbidden and known:
            return refusal.code
        if isinstance(refusal, NoSubject):
            refusal.hint = self.openid_hint(issued)
        raise refusal

    def openid_hint(self, issued: IssuedToken) -> str | None:
        """Return how to ask for the scope openid; None if the token has it or was not obtained here."""
        settings, token = self._settings, issued.token
        had = (token.requested_scope or token.scope or settings.scope).split()
        if "openid" in had or issued.source == "environment" or settings.is_machine:
            return None
        return f"its UserInfo may require the scope openid; try {with_openid(settings.scope)}"

    def userinfo(self, access_token: str) -> Claims:
        """Ask UserInfo about a token, if the server offers it. Raise TokenRefused, Unreachable or Refused."""
        if self.metadata.userinfo_endpoint is None:
            return Claims(reason="the server does not offer it")
        return endpoints.parse_userinfo(self._system.send(get_as(self.metadata.userinfo_endpoint, access_token)))

    def tokeninfo(self, access_token: str) -> Claims:
        """Ask AuthGate's TokenInfo about a token; a failure is returned as the reason, never raised."""
        if self.metadata.tokeninfo_endpoint is None:
            return Claims(reason="this server is not an AuthGate")
        try:
            return endpoints.parse_tokeninfo(self._system.send(get_as(self.metadata.tokeninfo_endpoint, access_token)))
        except AuthGateError as error:
            return Claims(reason=error.message)

    def revoke_all(self, tokens: Sequence[TokenSet], kept: Container[object] = ()) -> tuple[AuthGateError | None, bool]:
        """Revoke the refresh tokens, then the access tokens, apart from those in `kept`.

        Return the first failure, and whether access tokens stay valid: some servers cannot revoke those
        (RFC 7009 section 2.2.1), which is no failure once the refresh token is revoked. After a refusal
        the next token is tried, but not if the server cannot be reached.
        """
        failure: AuthGateError | None = None
        ended = expires = False
        for kind in ("refresh_token", "access_token"):
            for secret in dict.fromkeys(getattr(token, kind) for token in tokens):
                try:
                    if secret and secret not in kept:
                        self._revoke(secret, kind)
                        ended = ended or kind == "refresh_token"
                except Refused as error:
                    if kind == "access_token" and ended and error.code == "unsupported_token_type":
                        expires = True
                    else:
                        failure = failure or error
                except Unreachable as error:
                    return failure or error, expires
        return failure, expires

    def _revoke(self, token: str, kind: str) -> None:
        """Revoke a token (RFC 7009); `kind` is `refresh_token` or `access_token`. Raise Unreachable or Refused."""
        response = self.ask(str(self.metadata.revocation_endpoint), {"token": token, "token_type_hint": kind})
        what = "the tokens could not be revoked"
        check_not_redirected(response, what)
        if response.status != 200 or response.body:  # a page in the body is not from the server
            check_data(response, what)
        if response.status != 200:
            raise refusal(response, "the server did not revoke the tokens")


def fetch_metadata(send: Callable[[Request], Response], issuer: str) -> Metadata:
    """Fetch the server's metadata (OpenID Connect Discovery 1.0 section 4). Raise Unreachable or Refused.

    If the server has no OpenID document, the one of a plain OAuth server is fetched (RFC 8414 section 3).
    """
    response = _fetch(send, metadata_url(issuer), issuer)
    if response.status == 404:
        plain = _fetch(send, oauth_metadata_url(issuer), issuer)
        response = response if plain.status == 404 else plain
    return parse_metadata(response, issuer)


def _fetch(send: Callable[[Request], Response], url: str, issuer: str) -> Response:
    """Fetch a document. Only here are redirects followed, and only to https on the same host."""
    for _ in range(_MAX_REDIRECTS + 1):
        response, here = send(get(url)), split(url)
        if response.status not in (301, 302, 303, 307, 308):
            return response
        url = response.headers.get("location", "")
        if url.startswith("/") and not url.startswith("//"):
            url = f"{here.scheme}://{here.netloc}{url}"
        try:
            there = split(url)
        except ValueError:
            there = None
        if there is None or there.host != here.host or there.scheme != "https" or len(url) > ADDRESS:
            raise Refused(
                "the server redirects its discovery document to another host, to plain http or to a very long address",
                f"set AUTHGATE_URL to the server's own URL instead of {issuer}",
            )
    raise Refused("the server's discovery document is behind too many redirects", "is AUTHGATE_URL right?")
