"""Read a server's discovery document (OpenID Connect Discovery 1.0, RFC 8414).

AuthGate does not list its device and TokenInfo endpoints. If a document names no device endpoint, AuthGate's
path is assumed. The TokenInfo endpoint is assumed only for an AuthGate.
"""

from __future__ import annotations

from ..errors import Refused
from ..text import ADDRESS
from ..urls import Url, is_url, split
from ..values import Value
from .endpoints import BASIC, DEVICE_GRANT, POST
from .messages import Response, check_reachable, quotable_issuer
from .parsing import Json, parse_object

_ENDPOINTS = (
    "authorization_endpoint",
    "token_endpoint",
    "device_authorization_endpoint",
    "userinfo_endpoint",
    "revocation_endpoint",
    "jwks_uri",
)


class Metadata(Value):
    """A server's metadata; an optional endpoint is None if the document does not name it.

    `auth_method` is how the client authenticates, if it has a secret: POST if the document lists it.
    `offers_device` is False if the document does not show that the server has the device grant; only a
    sign-in tries it then.
    """

    issuer: str
    token_endpoint: str
    device_authorization_endpoint: str
    tokeninfo_endpoint: str | None = None
    authorization_endpoint: str | None = None
    userinfo_endpoint: str | None = None
    revocation_endpoint: str | None = None
    jwks_uri: str | None = None
    sends_iss: bool = False
    auth_method: str = BASIC  # the default when the document does not say (OpenID Connect Discovery section 3)
    offers_device: bool = True
    assumes_device: bool = False  # the device endpoint is not named, and this is no AuthGate

    @property
    def is_authgate(self) -> bool:
        """Tell whether this is an AuthGate, by the address of its token endpoint."""
        return self.tokeninfo_endpoint is not None


def metadata_url(issuer: str) -> str:
    """Return the address of an issuer's document, with exactly one slash before `.well-known`."""
    return issuer.removesuffix("/") + "/.well-known/openid-configuration"


def oauth_metadata_url(issuer: str) -> str:
    """Return the address of a plain OAuth server's document, `.well-known` before the path (RFC 8414 section 3.1)."""
    path = split(issuer).path
    return issuer.removesuffix(path) + "/.well-known/oauth-authorization-server" + path.removesuffix("/")


def parse_metadata(response: Response, issuer: str) -> Metadata:
    """Read the answer to the discovery request. Raise Unreachable or Refused if it cannot be used.

    The issuer that it names must be `issuer`; only a slash at the end of `issuer` may be missing from it.
    """
    hint = f"is {issuer} the server's own URL? Its document should be at {metadata_url(issuer)}"
    check_reachable(response, "the server's discovery document cannot be fetched")
    if response.status != 200:
        raise Refused(f"the server has no discovery document (status {response.status})", hint)
    try:
        document = parse_object(response.body)
    except ValueError as error:
        raise Refused(f"the server's discovery document cannot be used: {error}", hint) from None
    stated = document.get("issuer")
    if stated not in (issuer, issuer.removesuffix("/")):  # RFC 8414 section 3.3
        if not isinstance(stated, str):
            raise Refused("the server's discovery document names no issuer", "is this an OpenID server?")
        raise Refused(f"the server at {issuer} says it is {quotable_issuer(stated)}", _difference(stated, issuer))
    named = {
        name: _endpoint(document, name, split(stated)) for name in _ENDPOINTS if document.get(name) not in (None, "")
    }
    if "token_endpoint" not in named:
        raise Refused("the server's discovery document names no token_endpoint", hint)
    authgate, grants = stated.removesuffix("/") + "/oauth", document.get("grant_types_supported")
    is_authgate = named["token_endpoint"] == f"{authgate}/token"
    assumes_device = not is_authgate and "device_authorization_endpoint" not in named
    methods = document.get("token_endpoint_auth_methods_supported")
    return Metadata(
        issuer=stated,
        tokeninfo_endpoint=f"{authgate}/tokeninfo" if is_authgate else None,
        offers_device=not assumes_device and not (isinstance(grants, list) and DEVICE_GRANT not in grants),
        assumes_device=assumes_device,
        sends_iss=document.get("authorization_response_iss_parameter_supported") is True,
        auth_method=POST if isinstance(methods, list) and POST in methods else BASIC,
        **{"device_authorization_endpoint": f"{authgate}/device/code", **named},
    )


def _difference(stated: str, issuer: str) -> str:
    """Return a hint that shows how the issuers differ."""
    shown = quotable_issuer(stated)
    if not is_url(stated):
        return "ask the operator of the server to correct its issuer"
    if shown != stated:
        return "is AUTHGATE_URL right?"  # the issuer is too long to show
    theirs, ours = split(stated), split(issuer)
    if _roughly(theirs) != _roughly(ours):
        return f"if {shown} is the server you mean, set AUTHGATE_URL to that"
    differences = ["a slash at the end"] if theirs.path != ours.path else []
    pairs = ((theirs.host, ours.host), (theirs.scheme, ours.scheme))
    differences += [f"{one} is not {other}" for one, other in pairs if one != other]
    named = f"(the difference: {', '.join(differences) or 'how it is written'})"
    if not theirs.is_safe:
        return f"ask the operator of the server to put https into its own URL {named}"
    return f"set AUTHGATE_URL={shown} {named}"


def _roughly(url: Url) -> tuple[str, int, str]:
    """Return the parts that are equal if the issuers differ only in spelling."""
    port = 443 if (url.scheme, url.port) == ("http", 80) else url.port
    return ("localhost" if url.is_loopback else url.host, port, url.path.rstrip("/"))


def _endpoint(document: Json, name: str, issuer: Url) -> str:
    """Return an endpoint of the document. Raise Refused for an address that no request may go to."""
    address = document[name]
    if not is_url(address):
        raise Refused(f"the server's {name} is not a URL")
    if len(address) > ADDRESS:
        raise Refused(f"the server's {name} has more than {ADDRESS} characters")
    if split(address).is_loopback and not issuer.is_loopback:
        raise Refused(
            f"the server's {name} points to this machine, but the server runs elsewhere",
            "ask the operator of the server to correct its endpoints",
        )
    if not split(address).is_safe:
        raise Refused(
            f"the server's {name} is not https, and a secret would be sent there",
            "ask the operator of the server to put its endpoints on https",
        )
    return address
