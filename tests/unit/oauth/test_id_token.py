"""An ID token with just one claim wrong is not trusted (OpenID Connect Core section 3.1.3.7)."""

from __future__ import annotations

import hashlib

import pytest
from builders import CLIENT, ISSUER, NOW, jwt

from authgate_cli.errors import Mismatch, Refused
from authgate_cli.oauth.jwt import LEEWAY, Expected, check_id_token
from authgate_cli.oauth.parsing import base64url_encode
from authgate_cli.oauth.signatures import ALGORITHMS

GOOD = {"iss": ISSUER, "sub": "jane", "aud": CLIENT, "exp": NOW + 300, "iat": NOW, "nonce": "the-nonce"}
EXPECTED = Expected(ISSUER, CLIENT, NOW, nonce="the-nonce")


def with_claims(**changes):
    """Return a good ID token with these changes; ... takes a claim out."""
    return jwt({name: value for name, value in {**GOOD, **changes}.items() if value is not ...})


ACCEPTED = {
    "as it should be": {},
    "audience in a list": {"aud": [CLIENT]},
    "with azp": {"azp": CLIENT},
    "several audiences and azp": {"aud": ["other", CLIENT], "azp": CLIENT},
    "expired within the leeway": {"exp": NOW - LEEWAY + 1},
    "expiry with a fraction": {"exp": NOW + 0.5},
    "issued ahead of our clock, within the leeway": {"iat": NOW + LEEWAY},
    "good from a moment on that is within the leeway": {"nbf": NOW + LEEWAY},
    "issued and good long ago": {"iat": -5, "nbf": 0},
    "more claims than expected": {"auth_time": 5, "name": "Jane"},
}


@pytest.mark.parametrize("changes", ACCEPTED.values(), ids=ACCEPTED)
def test_a_good_id_token_is_accepted(changes):
    assert check_id_token(with_claims(**changes), EXPECTED).claims["sub"] == "jane"


REFUSED = {
    "another issuer": ({"iss": "https://evil.example"}, "it is from https://evil.example"),
    "issuer with a slash": ({"iss": ISSUER + "/"}, "it is from"),
    "no issuer": ({"iss": ...}, "it is from"),
    "issuer in a list": ({"iss": [ISSUER]}, "it is from"),
    "another audience": ({"aud": "other"}, "(aud)"),
    "audience within a word": ({"aud": CLIENT + "0"}, "(aud)"),
    "no audience": ({"aud": ...}, "(aud)"),
    "empty audience": ({"aud": []}, "(aud)"),
    "audience of another kind": ({"aud": {CLIENT: True}}, "(aud)"),
    "several audiences without azp": ({"aud": [CLIENT, "other"]}, "(azp)"),
    "azp of another": ({"azp": "other"}, "(azp)"),
    "azp null": ({"azp": None}, "(azp)"),
    "several audiences, azp of another": ({"aud": [CLIENT, "other"], "azp": "other"}, "(azp)"),
    "expired": ({"exp": NOW - LEEWAY}, "(exp)"),
    "no expiry": ({"exp": ...}, "its exp claim"),
    "expiry in words": ({"exp": str(NOW + 300)}, "its exp claim"),
    "expiry true": ({"exp": True}, "its exp claim"),
    "no time of issue": ({"iat": ...}, "its iat claim"),
    "time of issue null": ({"iat": None}, "its iat claim"),
    "time of issue in words": ({"iat": str(NOW)}, "its iat claim"),
    "time of issue true": ({"iat": True}, "its iat claim"),
    "issued in the future": ({"iat": NOW + LEEWAY + 1}, "(iat)"),
    "issued in milliseconds": ({"iat": NOW * 1000}, "(iat)"),
    "good only later": ({"nbf": NOW + LEEWAY + 1}, "(nbf)"),
    "good from no time on": ({"nbf": "now"}, "its nbf claim"),
    "good from null on": ({"nbf": None}, "its nbf claim"),
    "no subject": ({"sub": ...}, "(sub)"),
    "empty subject": ({"sub": ""}, "(sub)"),
    "subject of another kind": ({"sub": 5}, "(sub)"),
    "another nonce": ({"nonce": "another"}, "(nonce)"),
    "no nonce": ({"nonce": ...}, "(nonce)"),
    "nonce of another kind": ({"nonce": ["the-nonce"]}, "(nonce)"),
    "nonce with a lone surrogate": ({"nonce": "\ud800"}, "(nonce)"),
}


@pytest.mark.parametrize(("changes", "reason"), REFUSED.values(), ids=REFUSED)
def test_one_wrong_claim_is_enough(changes, reason):
    with pytest.raises(Refused, match="^the server's ID token cannot be trusted: ") as caught:
        check_id_token(with_claims(**changes), EXPECTED)
    assert reason in caught.value.message


def test_without_openid_no_nonce_is_expected():
    check_id_token(with_claims(nonce=...), EXPECTED._replace(nonce=None))


def test_the_leeway_is_two_minutes():
    assert LEEWAY == 120


def test_after_a_refresh_the_subject_has_to_be_the_same():
    with pytest.raises(Refused, match="another user"):
        check_id_token(with_claims(), EXPECTED._replace(previous={"sub": "john"}))


@pytest.mark.parametrize("previous", ["somebody-else", [CLIENT, "somebody-else"], [], None, [{}]], ids=repr)
def test_after_a_refresh_the_audience_has_to_be_the_same(previous):
    with pytest.raises(Refused, match="other clients than before the refresh"):
        check_id_token(with_claims(), EXPECTED._replace(previous={"sub": "jane", "aud": previous}))


@pytest.mark.parametrize("previous", [CLIENT, [CLIENT]], ids=repr)
def test_the_same_audience_may_be_written_in_another_way(previous):
    check_id_token(with_claims(), EXPECTED._replace(previous={"sub": "jane", "aud": previous}))


def test_the_same_subject_is_accepted():
    check_id_token(with_claims(), EXPECTED._replace(previous={"sub": "jane"}))


def test_a_hostile_issuer_is_made_safe_to_show():
    with pytest.raises(Refused) as caught:
        check_id_token(with_claims(iss="\x1b[2J\nauthgate: error"), EXPECTED)
    assert not set("\x1b\n") & set(caught.value.message)


@pytest.mark.parametrize("token", ["opaque", "e30.e30", "e30.W10.", "..", "e30.e30=."])
def test_what_is_no_jwt_is_refused(token):
    with pytest.raises(Refused, match="cannot be read"):
        check_id_token(token, EXPECTED)


# -- at_hash


def half_hash(name, token="the-access-token"):
    digest = hashlib.new(name, token.encode()).digest()
    return base64url_encode(digest[: len(digest) // 2])


WITH_TOKEN = EXPECTED._replace(access_token="the-access-token")


def test_at_hash_is_the_left_half_of_the_hash():
    # OpenID Connect Core, appendix A.3
    token = jwt({**GOOD, "at_hash": "77QmUPtjPfzWtF2AnpK9RQ"}, alg="RS256")
    check_id_token(token, EXPECTED._replace(access_token="jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y"))


@pytest.mark.parametrize(("alg", "name"), [("HS256", "sha256"), ("RS384", "sha384"), ("ES512", "sha512")])
def test_the_hash_goes_by_the_algorithm(alg, name):
    check_id_token(jwt({**GOOD, "at_hash": half_hash(name)}, alg=alg), WITH_TOKEN)


@pytest.mark.parametrize(
    "at_hash",
    [half_hash("sha256", "another-token"), half_hash("sha384"), half_hash("sha256") + "A", "", 5, "\ud800"],
    ids=["another token", "another hash", "longer", "empty", "number", "lone surrogate"],
)
def test_a_wrong_at_hash_is_refused(at_hash):
    with pytest.raises(Refused, match="at_hash"):
        check_id_token(with_claims(at_hash=at_hash), WITH_TOKEN)


def test_at_hash_may_be_missing():
    check_id_token(with_claims(), WITH_TOKEN)


def test_at_hash_says_nothing_without_an_access_token():
    check_id_token(with_claims(at_hash="whatever"), EXPECTED)


# -- the header


@pytest.mark.parametrize("alg", [*ALGORITHMS, "HS256"])
def test_a_wrong_at_hash_is_refused_whatever_the_algorithm(alg):
    check_id_token(jwt({**GOOD, "at_hash": half_hash(f"sha{alg[2:]}")}, alg=alg), WITH_TOKEN)
    with pytest.raises(Refused, match="at_hash"):
        check_id_token(jwt({**GOOD, "at_hash": half_hash("md5")}, alg=alg), WITH_TOKEN)


OTHER_ALGORITHMS = [
    *("none", "None", "none ", "", " ", "foo", "rs256", "RS256 ", "\tES256", "HS384", "HS512", "hs256", "EdDSA"),
    *("RS1", "RS2560", "ES256K", "ES521", "256", None, 256, True, ["RS256"], {"RS256": 1}),
]


@pytest.mark.parametrize("alg", OTHER_ALGORITHMS, ids=repr)
def test_any_other_algorithm_is_refused(alg):
    with pytest.raises(Refused, match=r"its signature algorithm is not supported: .*\(alg\)$") as caught:
        check_id_token(jwt(GOOD, alg=alg), EXPECTED)
    assert not isinstance(caught.value, Mismatch)


@pytest.mark.parametrize("alg", ["HS256", "RS256"])
def test_an_id_token_without_a_signature_is_refused(alg):
    with pytest.raises(Refused, match="it is not signed$"):
        check_id_token(jwt(GOOD, alg=alg).rpartition(".")[0] + ".", EXPECTED)


@pytest.mark.parametrize("alg", ["HS256", "RS256"])
def test_an_extension_that_must_be_understood_is_refused(alg):
    with pytest.raises(Refused, match="crit"):
        check_id_token(jwt(GOOD, alg=alg, crit=["b64"]), EXPECTED)


# -- what a refresh does with it


MISMATCHES = ("iss", "aud", "azp", "sub")


@pytest.mark.parametrize(("changes", "reason"), REFUSED.values(), ids=REFUSED)
def test_another_issuer_client_or_person_is_a_mismatch_and_nothing_else_is(changes, reason):
    with pytest.raises(Refused) as caught:
        check_id_token(with_claims(**changes), EXPECTED)
    assert isinstance(caught.value, Mismatch) == bool({*changes} & {*MISMATCHES})


def test_who_it_is_about_is_looked_at_before_anything_else():
    """After a refresh a mismatch throws the tokens away, and another fault does not."""
    with pytest.raises(Mismatch):
        check_id_token(
            jwt({**GOOD, "sub": "john", "iat": None}, alg="none"), EXPECTED._replace(previous={"sub": "jane"})
        )


@pytest.mark.parametrize("changes", [{"exp": NOW - 9999}, {"iat": NOW + 9999}, {"nbf": NOW + 9999}], ids=str)
def test_a_wrong_clock_is_said_to_be_a_possible_cause(changes):
    with pytest.raises(Refused) as caught:
        check_id_token(with_claims(**changes), EXPECTED)
    hint = "this machine's clock says 2027-01-15T08:00:00Z; if that is right, the server's clock is wrong"
    assert caught.value.hint == hint
