"""The authorization code grant: build the authorization URL with PKCE, and read the callback.

RFC 6749 section 4.1, RFC 7636, RFC 9207 and OpenID Connect Core section 3.1.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from urllib.parse import parse_qsl, quote, urlencode

from ..errors import SignInNeeded
from ..urls import Url, is_url, split
from ..values import Value
from .messages import parse_query, quotable_error, quotable_issuer
from .parsing import base64url_encode


def new_secret(random_bytes: Callable[[int], bytes]) -> str:
    """Return 43 random unreserved characters, for a verifier (RFC 7636 section 4.1), a state or a nonce."""
    return base64url_encode(random_bytes(32))


def challenge(verifier: str) -> str:
    """Return the S256 challenge of a verifier (RFC 7636 section 4.2)."""
    return base64url_encode(hashlib.sha256(verifier.encode()).digest())


class AuthorizationRequest(Value):
    """The request of one sign-in; each has its own state, nonce and verifier."""

    client_id: str
    redirect_uri: str
    scope: str
    state: str
    verifier: str
    nonce: str | None

    def url(self, endpoint: str, extra: Mapping[str, str] = {}) -> str:
        """Return the address to open in the browser.

        With `offline_access` it asks for consent: some servers refuse the one without the other.
        """
        fields = {
            **extra,
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": self.redirect_uri,
            "scope": self.scope or None,
            "state": self.state,
            "nonce": self.nonce,
            "code_challenge": challenge(self.verifier),
            "code_challenge_method": "S256",
            "prompt": "consent" if "offline_access" in self.scope.split() else extra.get("prompt"),
        }
        return with_query(endpoint, fields)

    def exchange_fields(self, code: str) -> dict[str, str | None]:
        """Return the form fields that exchange a code for tokens (RFC 6749 section 4.1.3, RFC 7636 section 4.5)."""
        return {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.redirect_uri,
            "code_verifier": self.verifier,
        }


def new_request(
    client_id: str, redirect_uri: str, scope: str, random_bytes: Callable[[int], bytes]
) -> AuthorizationRequest:
    """Return a request with a new state, nonce and verifier."""
    return AuthorizationRequest(
        client_id,
        redirect_uri,
        scope,
        state=new_secret(random_bytes),
        verifier=new_secret(random_bytes),
        nonce=new_secret(random_bytes) if "openid" in scope.split() else None,
    )


def with_query(endpoint: str, fields: Mapping[str, str | None]) -> str:
    """Add fields to the query of an endpoint; those that are None are left out (RFC 6749 section 3.1).

    The address is passed to a browser, and BROWSER may name a command that runs a shell. So everything
    that came from the server is percent-encoded, and its query is written as name=value pairs: nothing
    is left that a shell would run. Left out are the fragment (section 3.1) and the fields that we set.
    """
    url = split(endpoint)
    path = re.sub("%(?![0-9A-Fa-f]{2})", "%25", quote(url.path, safe="/%:@+,="))
    # latin-1 keeps any bytes unchanged.
    pairs = parse_qsl(url.query, keep_blank_values=True, encoding="latin-1")
    theirs = [(name, value) for name, value in pairs if name and name not in fields]
    ours = [(name, value) for name, value in fields.items() if value is not None]
    query = [urlencode(theirs, quote_via=quote, encoding="latin-1"), urlencode(ours, quote_via=quote)]
    return f"{url.scheme}://{quote(url.netloc, safe=':[]')}{path}?{'&'.join(filter(None, query))}"


class Denied(SignInNeeded):
    """The user denied the request; this is final, no other flow is tried."""

    def __init__(self) -> None:
        super().__init__("the sign-in was denied", "run authgate.pyz login to try again")


class Callback(Value):
    """The answer of the server that the browser delivers: a code, or an error (RFC 6749 section 4.1.2)."""

    code: str = ""
    error: str = ""
    description: str = ""
    issuer: str | None = None


def read_query(query: str, state: str) -> Callback | None:
    """Parse the query of a callback; return None unless it belongs to this sign-in."""
    try:
        fields = parse_query(query)
    except ValueError:
        return None
    if not hmac.compare_digest(fields.get("state", "").encode(errors="replace"), state.encode()):
        return None
    error = quotable_error(fields, (state, fields.get("code", "")))
    if not error.code and not fields.get("code"):
        return None
    return Callback(
        code="" if error.code else fields["code"],
        error=error.code,
        description=error.description,
        issuer=fields.get("iss"),
    )


def read_pasted(text: str, redirect: Url, state: str) -> Callback | None:
    """Parse a pasted address; return None unless it is the callback of this sign-in.

    Some browsers leave the scheme out when an address is copied, and some change it to https.
    """
    address = text.strip().strip("'\"<>")
    scheme, separator, rest = address.partition("://")
    if separator and scheme.lower() not in ("http", "https"):
        return None
    callback = f"{redirect.scheme}://{rest if separator else address}"
    if not is_url(callback):
        return None
    url = split(callback)
    if (url.host, url.port, url.path or "/") != (redirect.host, redirect.port, redirect.path or "/"):
        return None
    return read_query(url.query, state)


def iss_problem(callback: Callback, issuer: str, sends_iss: bool) -> str | None:
    """Return why a callback is not from this issuer (RFC 9207 section 2.4), or None if it may be."""
    if callback.issuer is None:
        return "the answer has no iss parameter, although the server says that it sends one" if sends_iss else None
    if callback.issuer != issuer:
        return f"the answer is from another server ({quotable_issuer(callback.issuer, (callback.code,))})"
    return None
