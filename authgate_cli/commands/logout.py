"""Revoke the tokens at the server (RFC 7009), and delete them here."""

from __future__ import annotations

from ..context import Context
from ..errors import AuthGateError, Refused, UsageError
from ..refresh import locked
from ..server import Server
from ..settings import is_issuer
from ..store.private_file import leftovers
from ..store.token_file import Entry, Owner
from ..text import ISSUER, NAME, clean, listing
from ..tokens import TokenSet
from ..urls import same_issuer
from ..values import Value

_MAY_LIVE = "the tokens were deleted here, but may stay valid at the server until they expire"


class Outcome(Value):
    """The outcome at the server for one owner; `expires` means that the access token could not be revoked."""

    owner: Owner
    offered: bool = True
    expires: bool = False
    failure: AuthGateError | None = None


def run(context: Context) -> int:
    """Revoke the tokens, then delete them, under the refresh lock.

    Tokens that cannot be revoked are deleted all the same; then the exit status is that of the failure.
    """
    everything = "all" in context.arguments.flags
    find = _all_tokens if everything else _own_tokens
    if not everything:
        try:
            context.require("AUTHGATE_URL", "CLIENT_ID")
        except UsageError:
            if context.settings.issuer or context.settings.client_id or context.store.entries():
                raise
    if context.settings.access_token:
        context.terminal.warn("AUTHGATE_TOKEN is still set and will still be used; unset it as well")
    outcomes: list[Outcome] = []
    if owners := find(context):
        if any(_is_configured(context, owner) for owner in owners):
            context.server  # noqa: B018  raises before anything is deleted
        with locked(context, context.store.all_places):  # no process may refresh what is being revoked
            owners = find(context)  # another process may have refreshed
            outcomes = [_revoke(context, owner, tokens) for owner, tokens in owners.items()]
            if not everything:
                context.store.forget()
            for entry, place in context.store.entries():
                was_revoked = entry.issuer is not None if everything else _is_own(context, entry)
                if was_revoked:
                    place.forget_entry(entry)
    if everything:
        context.store.file.remove_leftovers()
    elif left := leftovers(context.store.file.path):
        hint = "run authgate.pyz logout --all to remove them"
        context.terminal.warn(f"{listing(left)} may still contain old tokens; {hint}")
    return _report(context, everything, outcomes)


def _own_tokens(context: Context) -> dict[Owner, list[TokenSet]]:
    """Return the tokens of the client of the settings; it may have one in each map of the token file."""
    tokens = [stored.token for stored in context.store.load_all()]
    tokens += [entry.token for entry, _ in context.store.entries() if _is_own(context, entry)]
    return {_owner(context): tokens} if tokens else {}


def _is_own(context: Context, entry: Entry) -> bool:
    owner = _owner(context)
    if (entry.client_id, entry.account) != owner[1:]:
        return False
    if entry.issuer is None:  # another key names another issuer
        return context.settings.issuer_is_trusted and entry.key == owner.keys[0]
    return same_issuer(entry.issuer, owner.issuer)


def _owner(context: Context) -> Owner:
    settings = context.settings
    return Owner(settings.issuer, settings.client_id, settings.account)


def _all_tokens(context: Context) -> dict[Owner, list[TokenSet]]:
    """Return the stored tokens grouped by owner; those without an issuer are left alone."""
    owners: dict[Owner, list[TokenSet]] = {}
    for entry, _ in context.store.entries():
        if entry.issuer is None:
            whose = clean(entry.key, NAME)
            context.terminal.warn(f"the stored token of {whose} does not name its server; it was not deleted")
        else:
            owners.setdefault(Owner(entry.issuer, entry.client_id, entry.account), []).append(entry.token)
    return owners


def _is_configured(context: Context, owner: Owner) -> bool:
    """Tell whether this is the client and the issuer of the settings."""
    settings = context.settings
    return owner.client_id == settings.client_id and same_issuer(owner.issuer, settings.issuer)


def _revoke(context: Context, owner: Owner, tokens: list[TokenSet]) -> Outcome:
    try:
        server = _server(context, owner)
        if server.metadata.revocation_endpoint is None:
            return Outcome(owner, offered=False)
    except AuthGateError as error:
        return Outcome(owner, failure=error)
    failure, expires = server.revoke_all(tokens)
    return Outcome(owner, expires=expires, failure=failure)


def _server(context: Context, owner: Owner) -> Server:
    """Return the server of an owner. The client secret is only for the client and issuer of the settings."""
    if _is_configured(context, owner):
        return context.server
    if not is_issuer(owner.issuer):
        raise Refused(f"{clean(owner.issuer, ISSUER)} is not a server that tokens may be sent to")
    other = context.settings._replace(issuer=owner.issuer, client_id=owner.client_id, client_secret=None)
    return Server(context.system, other, context.terminal)


def _report(context: Context, everything: bool, outcomes: list[Outcome]) -> int:
    failures = [
        (f"{clean(outcome.owner.issuer, ISSUER)}{_account(outcome.owner)}: " if everything else "", outcome.failure)
        for outcome in outcomes
        if outcome.failure
    ]
    failures.sort(key=lambda failed: failed[1].exit_status)  # the last is raised: an unreachable server counts most
    for whose, failure in failures[:-1]:
        context.terminal.warn(whose + failure.message)
    for whose, failure in failures[-1:]:
        raise type(failure)(whose + failure.message, _MAY_LIVE)
    revoked = bool(outcomes) and all(outcome.offered for outcome in outcomes)
    where = f" to {context.settings.server_and_account}" if context.settings.issuer and not everything else ""
    lines = [_sentence(outcome, everything) for outcome in outcomes] or [f"Not signed in{where}."]
    text = "".join(f"{line}\n" for line in lines)
    return context.result(text, {"signed_out": bool(outcomes), "revoked": revoked})


def _sentence(outcome: Outcome, everything: bool) -> str:
    owner, issuer = outcome.owner, clean(outcome.owner.issuer, ISSUER)
    whose = (f" as client {clean(owner.client_id, NAME)}" if everything else "") + _account(owner)
    if not outcome.offered:
        return f"Signed out here{whose}; {issuer} does not offer revocation: the tokens live until they expire."
    rest = "; the access token cannot be revoked there and stays valid until it expires" if outcome.expires else ""
    return f"Signed out of {issuer}{whose}{rest}."


def _account(owner: Owner) -> str:
    return f" (account {clean(owner.account, NAME)})" if owner.account else ""
