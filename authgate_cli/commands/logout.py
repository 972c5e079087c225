"""Revoke the tokens at the server (RFC 7009), and forget them here."""

from __future__ import annotations

from .. import report
from ..errors import AuthGateError, Refused, Unreachable
from ..refresh import locked
from ..server import Server
from ..store.token_file import Owner
from ..text import clean, listing
from ..urls import same_issuer, split
from ..values import TYPE_CHECKING, Value

if TYPE_CHECKING:
    from ..context import Context
    from ..tokens import TokenSet

_MAY_LIVE = "the tokens are deleted here, but may stay valid at the server until they expire"


class Outcome(Value):
    """What became of the tokens of one owner at the server; the access token may be left to expire there."""

    owner: Owner
    offered: bool = True
    expires: bool = False
    failure: AuthGateError | None = None


def run(context: Context) -> int:
    """Sign out. What cannot be revoked is forgotten all the same, and the exit status says so."""
    everything = "all" in context.arguments.flags
    find = _all_tokens if everything else _own_tokens
    if not everything:
        context.require("AUTHGATE_URL", "CLIENT_ID")
    if context.settings.access_token:
        context.terminal.warn("AUTHGATE_TOKEN is still set, and is used until you unset it")
    outcomes: list[Outcome] = []
    if find(context):
        if not everything:
            context.server  # noqa: B018  raises before anything is forgotten
        with locked(context, context.store.all_places):  # nobody may refresh what is being revoked
            found = find(context)  # somebody may have refreshed
            outcomes = [_revoke(context, owner, tokens) for owner, tokens in found.items()]
            _forget(context, everything)
    _look_after_leftovers(context, everything)
    return _report(context, everything, outcomes)


def _own_tokens(context: Context) -> dict[Owner, list[TokenSet]]:
    settings, tokens = context.settings, [stored.token for stored in context.store.load_all()]
    return {Owner(settings.issuer, settings.client_id, settings.account): tokens} if tokens else {}


def _all_tokens(context: Context) -> dict[Owner, list[TokenSet]]:
    """Return the stored tokens by whose they are; those of an unknown issuer are left alone."""
    found: dict[Owner, list[TokenSet]] = {}
    for entry, _ in context.store.entries():
        if entry.issuer is None:
            whose = clean(entry.key, 80)
            context.terminal.warn(f"leaving the stored token of {whose}: it does not say which server issued it")
        else:
            found.setdefault(Owner(entry.issuer, entry.client_id, entry.account), []).append(entry.token)
    return found


def _forget(context: Context, everything: bool) -> None:
    if not everything:
        context.store.forget()
        return
    for entry, place in context.store.entries():
        if entry.issuer is not None:
            place.forget_entry(entry.key)


def _revoke(context: Context, owner: Owner, tokens: list[TokenSet]) -> Outcome:
    try:
        server = _server(context, owner)
        if server.metadata.revocation_endpoint is None:
            return Outcome(owner, offered=False)
        return _revoke_at(server, owner, tokens)
    except AuthGateError as error:
        return Outcome(owner, failure=error)


def _server(context: Context, owner: Owner) -> Server:
    """Return the server of an owner. The secret that is set belongs to the client that is set, at its issuer."""
    settings = context.settings
    if owner.client_id == settings.client_id and same_issuer(owner.issuer, settings.issuer):
        return context.server
    try:
        safe = split(owner.issuer).is_safe
    except ValueError:
        safe = False
    if not safe:
        raise Refused(f"{clean(owner.issuer, 100)} is not a server that tokens may be sent to")
    other = settings._replace(issuer=owner.issuer, client_id=owner.client_id, client_secret=None)
    return Server(context.system, other, context.terminal)


def _revoke_at(server: Server, owner: Owner, tokens: list[TokenSet]) -> Outcome:
    """Revoke the refresh tokens, then the access tokens; the first failure is told.

    A refusal of one says nothing about the next; that the server is away does. Some servers revoke
    no access tokens (RFC 7009 section 2.2.1), which is no failure once the refresh token is gone.
    """
    failure: AuthGateError | None = None
    ended = expires = False
    for kind in ("refresh_token", "access_token"):
        for secret in dict.fromkeys(getattr(token, kind) for token in tokens):
            try:
                if secret:
                    server.revoke(secret, kind)
                    ended = ended or kind == "refresh_token"
            except Refused as error:
                if kind == "access_token" and ended and error.code == "unsupported_token_type":
                    expires = True
                else:
                    failure = failure or error
            except Unreachable as error:
                return Outcome(owner, failure=failure or error)
    return Outcome(owner, expires=expires, failure=failure)


def _look_after_leftovers(context: Context, remove: bool) -> None:
    if remove:
        context.store.remove_leftovers()
    elif left := context.store.leftovers():
        context.terminal.warn(f"{listing(left)} may hold old tokens; authgate.pyz logout --all removes them")


def _report(context: Context, everything: bool, outcomes: list[Outcome]) -> int:
    failures = [(outcome, outcome.failure) for outcome in outcomes if outcome.failure]
    failures.sort(key=lambda failed: failed[1].exit_status)  # the last is told: that a server was away counts most
    for number, (outcome, failure) in enumerate(failures, 1):
        whose = f"{clean(outcome.owner.issuer, 200)}{_account(outcome.owner)}: " if everything else ""
        message = whose + failure.message
        if number == len(failures):
            raise type(failure)(message, _MAY_LIVE)
        context.terminal.warn(message)
    if "json" in context.arguments.flags:
        revoked = bool(outcomes) and all(outcome.offered for outcome in outcomes)
        context.terminal.result(report.document({"signed_out": bool(outcomes), "revoked": revoked}))
        return 0
    lines = [_sentence(outcome, everything) for outcome in outcomes]
    where = "" if everything else f" to {context.settings.server_and_account}"
    context.terminal.result("".join(lines) or f"Not signed in{where}.\n")
    return 0


def _sentence(outcome: Outcome, everything: bool) -> str:
    issuer = clean(outcome.owner.issuer, 200)
    client = f" as client {clean(outcome.owner.client_id, 100)}" if everything else ""
    account = _account(outcome.owner)
    if not outcome.offered:
        rest = f"{issuer} does not offer revocation: the tokens live until they expire"
        return f"Signed out here{client}{account}; {rest}.\n"
    rest = "; the access token cannot be revoked there, and will expire by itself" if outcome.expires else ""
    return f"Signed out of {issuer}{client}{account}{rest}.\n"


def _account(owner: Owner) -> str:
    return f" (account {clean(owner.account, 100)})" if owner.account else ""
