"""A stored token is only ever sent to the issuer that gave it."""

from __future__ import annotations

import pytest
from builders import CLIENT, ISSUER, jwt

from authgate_cli.store.token_file import Owner, account_of, find_for_issuer
from authgate_cli.tokens import TokenSet

OTHER = "https://other.example.com"
OWN_KEY = f"{CLIENT}@{ISSUER}"


def token(*, recorded=None, claimed=None):
    """Return a token with a recorded issuer, an `iss` claim, both, or neither (an opaque one)."""
    return TokenSet(jwt({"iss": claimed}) if claimed else "opaque", issuer=recorded)


def look_up(stored):
    return find_for_issuer(stored.get, Owner(ISSUER, CLIENT))


OURS = {
    "recorded": token(recorded=ISSUER),
    "claimed": token(claimed=ISSUER),
    "recorded with a slash": token(recorded=ISSUER + "/"),
    "claimed with a slash": token(claimed=ISSUER + "/"),
}
THEIRS = {
    "recorded": token(recorded=OTHER),
    "claimed": token(claimed=OTHER),
    "recorded, whatever is claimed": token(recorded=OTHER, claimed=ISSUER),
    "a path below ours": token(recorded=ISSUER + "/realms/one"),
    "two slashes": token(recorded=ISSUER + "//"),
    "another scheme": token(recorded=ISSUER.replace("https", "http")),
}


@pytest.mark.parametrize("ours", OURS.values(), ids=OURS)
def test_a_token_of_this_issuer_is_used(ours):
    assert look_up({CLIENT: ours}) == (CLIENT, ours, None)


def test_a_slash_that_only_the_configured_issuer_has_is_put_up_with():
    ours = token(recorded=ISSUER)
    assert find_for_issuer({CLIENT: ours}.get, Owner(ISSUER + "/", CLIENT)).token == ours


@pytest.mark.parametrize("theirs", THEIRS.values(), ids=THEIRS)
def test_a_token_of_another_issuer_is_left_alone(theirs):
    found = look_up({CLIENT: theirs})
    assert (found.token, found.key) == (None, OWN_KEY)
    assert found.warning == f"ignoring a stored token issued by {theirs.issuer or OTHER}"


def test_an_opaque_token_that_names_no_issuer_is_used_with_a_warning():
    opaque = token()
    found = look_up({CLIENT: opaque})
    assert (found.key, found.token) == (CLIENT, opaque)
    assert "does not name its server" in found.warning


def test_an_opaque_token_is_left_alone_where_the_user_has_not_named_the_issuer():
    found = find_for_issuer({CLIENT: token()}.get, Owner(ISSUER, CLIENT), trusted=False)
    assert (found.key, found.token) == (OWN_KEY, None)
    assert "ignoring a stored token that does not name its server" in found.warning


@pytest.mark.parametrize("ours", OURS.values(), ids=OURS)
def test_a_token_that_names_the_issuer_is_used_whoever_named_the_issuer(ours):
    assert find_for_issuer({CLIENT: ours}.get, Owner(ISSUER, CLIENT), trusted=False) == (CLIENT, ours, None)


def test_where_nothing_is_stored_the_shared_place_is_free():
    assert look_up({}) == (CLIENT, None, None)


def test_our_token_stands_beside_that_of_another_issuer():
    ours = token(recorded=ISSUER)
    assert look_up({CLIENT: token(recorded=OTHER), OWN_KEY: ours}) == (OWN_KEY, ours, None)


def test_our_token_is_still_found_when_the_other_one_has_gone():
    ours = token(recorded=ISSUER)
    assert look_up({OWN_KEY: ours}) == (OWN_KEY, ours, None)


def test_our_own_token_comes_before_one_that_names_no_issuer():
    ours = token(recorded=ISSUER)
    assert look_up({CLIENT: token(), OWN_KEY: ours}) == (OWN_KEY, ours, None)


@pytest.mark.parametrize("misplaced", [token(recorded=OTHER), token()], ids=["another issuer's", "nobody's"])
def test_a_token_in_our_own_place_has_to_be_ours_all_the_same(misplaced):
    assert look_up({CLIENT: token(recorded=OTHER), OWN_KEY: misplaced}).token is None


def test_a_hostile_issuer_is_made_safe_to_show():
    warning = look_up({CLIENT: token(claimed="https://\x1b[2J\nauthgate: error")}).warning
    assert "\x1b" not in warning
    assert "\n" not in warning


# -- accounts

ACCOUNTS = {
    "a name": ("jane", CLIENT + "#jane"),
    "an address": ("jane@example.com", CLIENT + "#jane@example.com"),
    "none": ("", CLIENT),
}


@pytest.mark.parametrize(("account", "key"), ACCOUNTS.values(), ids=ACCOUNTS)
def test_an_account_has_a_key_of_its_own(account, key):
    ours, owner = token(recorded=ISSUER)._replace(client_id=CLIENT), Owner(ISSUER, CLIENT, account)
    others = {other: ours for _, other in ACCOUNTS.values() if other != key}
    assert find_for_issuer(others.get, owner) == (key, None, None)
    assert find_for_issuer({**others, key: ours}.get, owner) == (key, ours, None)
    assert account_of(key, CLIENT) == account


@pytest.mark.parametrize(("account", "key"), ACCOUNTS.values(), ids=ACCOUNTS)
def test_an_account_at_another_issuer_has_yet_another(account, key):
    theirs, ours = (token(recorded=one)._replace(client_id=CLIENT) for one in (OTHER, ISSUER))
    owner, both = Owner(ISSUER, CLIENT, account), f"{key}@{ISSUER}"
    assert find_for_issuer({key: theirs}.get, owner)[:2] == (both, None)
    assert find_for_issuer({key: theirs, both: ours}.get, owner) == (both, ours, None)
    assert account_of(both, CLIENT) == account
