"""Decode a JWT from the command line, stdin or the store, and with --verify check it against the server's keys."""

from __future__ import annotations

import json

from .. import report, session
from ..context import Context
from ..errors import Refused, SignInNeeded, UsageError
from ..oauth.jwt import LEEWAY, UnknownKey, WrongSignature
from ..oauth.messages import quotable, quotable_issuer
from ..oauth.parsing import LATEST, Json, Jwt, decode, is_time
from ..text import NAME, WORD, clean, columns
from ..tokens import rfc3339
from ..urls import same_issuer

_ASK_SERVER = "run authgate.pyz status to ask the server"
_ROTATED = f"the server may have replaced its keys since it issued the token; {_ASK_SERVER}"
_TAMPERED = (
    "the token was changed after it was signed, or the server has reused the key ID for another key;"
    " do not use the token"
)
_TIMES = ("exp", "iat", "nbf", "auth_time")


def run(context: Context) -> int:
    """Print header and claims; with --verify raise Refused unless every check passes."""
    try:
        token = decode(_token(context))
    except ValueError as error:
        hint = "run authgate.pyz status to have the server check a token that is not a JWT"
        raise Refused(f"this is not a JWT: {error}", hint) from None
    proven = _verified(context, token) if "verify" in context.arguments.flags else None
    claims = report.claims(token.claims, "show-tokens" in context.arguments.flags) or {}
    fields = {"header": token.header, "claims": claims, "verified": proven is not None, "proven": proven or []}
    lines = ["Header", *_fields(token.header), "Claims", *_fields(claims)]
    if proven is None:
        lines.append("None of this has been verified; use --verify.")
    else:
        lines += [f"Proven: {one}" for one in proven]
        lines.append("Not proven: that it has not been revoked, and that it is meant for you (aud)")
    return context.result("\n".join(lines) + "\n", fields)


def _verified(context: Context, token: Jwt) -> list[str]:
    """Return what has been proven. Raise Refused for the first check that fails."""
    context.require("AUTHGATE_URL")
    issuer, claims, now = context.settings.issuer, token.claims, context.system.now()
    if "iss" not in claims:
        raise Refused("nothing can be verified: the token does not name its issuer (iss)", _ASK_SERVER)
    if not same_issuer(str(claims["iss"]), issuer):
        theirs = quotable_issuer(claims["iss"])
        raise Refused(f"the token is from another server: {theirs}", f"AUTHGATE_URL is {issuer}")
    algorithm = token.header.get("alg")
    if isinstance(algorithm, str) and algorithm.startswith("HS"):
        problem = f"only the server can check a token signed with {quotable(algorithm, WORD)}"
        raise Refused(f"nothing can be verified: {problem}", _ASK_SERVER)
    try:
        key = context.server.keys.verify(token)
    except Refused as error:
        error.hint = error.hint or {UnknownKey: _ROTATED, WrongSignature: _TAMPERED}.get(type(error), _ASK_SERVER)
        raise
    clock = f"this machine's clock says {rfc3339(now)}"
    expires, begins = claims.get("exp", LATEST), claims.get("nbf", 0)
    if not is_time(expires) or expires + LEEWAY <= now:
        raise Refused(f"the signature is valid, but the token has expired (exp {_when(expires)})", clock)
    if not is_time(begins) or begins - LEEWAY > now:
        raise Refused(f"the signature is valid, but the token is not valid yet (nbf {_when(begins)})", clock)
    signer = f"the signature is valid: {algorithm} with the key {clean(key.kid or '(unnamed)', NAME)} of {issuer}"
    return [signer, "it has not expired" if "exp" in claims else "it has no expiry time (exp)"]


def _token(context: Context) -> str:
    operands = context.arguments.operands
    if len(operands) > 1:
        raise UsageError("inspect takes one token")
    if operands == ("-",):
        if typed := context.terminal.read_all().strip():
            return typed
        raise UsageError("there is no token on stdin", "authgate.pyz token | authgate.pyz inspect -")
    if operands:
        return operands[0].strip()
    if context.settings.access_token:
        return context.settings.access_token
    context.require("AUTHGATE_URL", "CLIENT_ID")
    stored = session.stored_token(context)
    if stored is None:
        raise SignInNeeded("there is no stored token to inspect", "run authgate.pyz login, or name a TOKEN")
    return stored.token.access_token


def _fields(fields: Json) -> list[str]:
    names = {name: clean(name, WORD) for name in fields}
    width = max(map(columns, names.values()), default=0)
    lines = []
    for name, value in fields.items():
        text = clean(value if isinstance(value, str) else json.dumps(value))
        when = f"  ({_when(value)})" if name in _TIMES else ""
        lines.append(f"  {names[name]}{' ' * (width - columns(names[name]))}  {text}{when}")
    return lines


def _when(value: object) -> str:
    return rfc3339(value) if is_time(value) else "not a time"
