"""ID tokens that are not right, through the whole sign-in and the whole refresh.

At a sign-in: exit 1, one reason, and nothing is kept. At a refresh the old refresh token is spent:
the new tokens are kept, without the ID token, unless it is about another person, issuer or client.
"""

import base64
import json
import re
import time
from pathlib import Path

import pytest
from authgate.keys import SIGNERS
from callback_address import callback_address
from storms import few_or_many
from test_browser_flow import get

from authgate_cli.oauth.parsing import decode

DATA = Path(__file__).parents[1] / "data" / "jws"
JWKS = "/.well-known/jwks.json"


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def with_header(token, **fields):
    _, claims, signature = token.split(".")
    return f"{b64(json.dumps({**decode(token).header, **fields}).encode())}.{claims}.{signature}"


def with_signature(token, signature):
    return ".".join([*token.split(".")[:2], b64(signature)])


FORGERIES = {
    "other claims": lambda token: token.replace(
        token.split(".")[1], b64(json.dumps({**decode(token).claims, "name": "Mallory"}).encode())
    ),
    "all zeros": lambda token: with_signature(token, bytes(len(decode(token).signature))),
    "all ones": lambda token: with_signature(token, b"\xff" * len(decode(token).signature)),
    "cut short": lambda token: with_signature(token, decode(token).signature[:-1]),
    "none at all": lambda token: with_signature(token, b""),
    "alg none": lambda token: with_header(with_signature(token, b""), alg="none"),
    "alg None with a signature": lambda token: with_header(token, alg="None"),
    "no alg": lambda token: with_header(token, alg=None),
    "the other kind of algorithm": lambda token: with_header(
        token, alg=("RS" if decode(token).header["alg"].startswith("ES") else "ES") + decode(token).header["alg"][2:]
    ),
    "the other hash": lambda token: with_header(token, alg=decode(token).header["alg"][:2] + "513"),
    "a secret's algorithm, cut short": lambda token: with_header(token, alg="HS25"),
    "a key that is not published": lambda token: with_header(token, kid="mine"),
}


@pytest.fixture
def refusal(authgate, server, robot, callback, token_file):
    """Sign in by browser, insist that it is refused, and return the error."""

    def refusal():
        person = robot(visit=lambda url: get(callback_address(url)))
        result = authgate("login", "--redirect-uri", callback, "--scope", "openid", browser=person)
        error, _ = result.err.splitlines()[-2:]
        assert (result.status, result.out) == (1, "")
        assert error.startswith("authgate: error: the ")
        assert server.count("GET", "/oauth/userinfo") == 0
        assert not token_file.exists()
        assert "Sign-in failed" in person.finish()[1]
        return error

    return refusal


SIGNED = [(forgery, signing) for signing in ("RS256", "PS256", "ES256", "ES384") for forgery in FORGERIES]


@pytest.mark.parametrize(("forgery", "signing"), SIGNED[:: few_or_many(3, 1)])
def test_a_forged_id_token_is_refused_and_nothing_kept(server, refusal, forgery, signing):
    server.signing = signing
    server.misbehave("/oauth/token", edit=lambda told: {**told, "id_token": FORGERIES[forgery](told["id_token"])})

    refusal()


@pytest.mark.parametrize(("signing", "vector"), [("RS256", "rfc7515-a2"), ("ES256", "rfc7515-a3")])
def test_a_signature_by_another_key_of_the_same_name_is_refused(server, refusal, signing, vector):
    published = json.loads((DATA / f"{vector}.json").read_text())["jwk"]
    server.signing = signing
    server.misbehave(JWKS, times=None, edit=lambda told: {"keys": [{**told["keys"][0], **published}]})

    assert "signature" in refusal()


def test_the_keys_are_fetched_once_more_for_an_unknown_key_and_not_for_ever(server, refusal):
    server.signing = "RS256"
    unknown = FORGERIES["a key that is not published"]
    server.misbehave("/oauth/token", edit=lambda told: {**told, "id_token": unknown(told["id_token"])})

    refusal()

    assert server.count("GET", JWKS) == 2


@pytest.mark.parametrize("signing", SIGNERS)
def test_an_id_token_of_every_algorithm_is_accepted(authgate, server, robot, callback, token_file, signing):
    server.signing = signing

    result = authgate("login", "--redirect-uri", callback, "--scope", "openid", browser=robot())

    assert result.status == 0, result.err
    assert stored(token_file, server)["id_token"]
    assert server.count("GET", JWKS) == (signing != "HS256")


@pytest.mark.parametrize("signing", ["RS384", "PS512", "ES512"])
def test_a_signature_that_is_changed_is_refused_whatever_the_algorithm(server, refusal, signing):
    server.signing = signing
    server.misbehave(
        "/oauth/token", edit=lambda told: {**told, "id_token": FORGERIES["other claims"](told["id_token"])}
    )

    assert "signature is wrong" in refusal()


OTHER_ALGORITHMS = ["none ", "", "rs256", "foo", "NONE", "HS512", "HS384", "hs256", "EdDSA", "RS256\n", 5, ["RS256"]]


@pytest.mark.parametrize("alg", OTHER_ALGORITHMS, ids=repr)
@pytest.mark.parametrize("signing", ["HS256", "RS256"])
def test_any_other_algorithm_is_refused(server, refusal, signing, alg):
    server.signing = signing
    server.misbehave("/oauth/token", edit=lambda told: {**told, "id_token": with_header(told["id_token"], alg=alg)})

    assert "algorithm is not supported" in refusal()


def with_claims(server, token, **changes):
    """Sign a token's claims again with changes; ... takes one out."""
    claims = {**decode(token).claims, **changes}
    return server.sign({name: value for name, value in claims.items() if value is not ...})


LATE, EARLY = time.time() + 3600, time.time() - 3600
MISMATCHES = {
    "another issuer": {"iss": "https://evil.example"},
    "no issuer": {"iss": ...},
    "another audience": {"aud": "somebody-else"},
    "no audience": {"aud": ...},
    "an empty list of audiences": {"aud": []},
    "an audience of another kind": {"aud": {"a": "CLIENT"}},
    "an issuer with a slash more": {"iss": "ISSUER/"},
    "several audiences": {"aud": ["CLIENT", "somebody-else"]},
    "another party": {"azp": "somebody-else"},
    "several audiences and another party": {"aud": ["CLIENT", "somebody-else"], "azp": "somebody-else"},
    "a party of another kind": {"azp": ["CLIENT"]},
}
FAULTS = {
    "expired": {"exp": EARLY},
    "an expiry of another kind": {"exp": "tomorrow"},
    "a time of issue of another kind": {"iat": True},
    "a beginning of another kind": {"nbf": "now"},
    "the hash of another kind": {"at_hash": 5},
    "no expiry": {"exp": ...},
    "no time of issue": {"iat": ...},
    "issued in the future": {"iat": LATE},
    "issued in the year 9999": {"iat": 253402300799},
    "good only later": {"nbf": LATE},
    "the hash of another access token": {"at_hash": "77QmUPtjPfzWtF2AnpK9RQ"},
}


def meant(server, changes):
    """Put client, issuer and times where a table says so."""
    if isinstance(changes, dict):
        return {name: meant(server, value) for name, value in changes.items()}
    if isinstance(changes, list):
        return [meant(server, one) for one in changes]
    if callable(changes):
        return changes()
    if not isinstance(changes, str):
        return changes
    return changes.replace("CLIENT", server.client_id).replace("ISSUER", server.issuer)


@pytest.mark.parametrize(
    "changes",
    [*MISMATCHES.values(), *FAULTS.values(), {"nonce": "another"}, {"nonce": ...}, {"sub": ...}, {"sub": ""}],
    ids=[*MISMATCHES, *FAULTS, "another nonce", "no nonce", "nobody", "an empty subject"],
)
@pytest.mark.parametrize("signing", ["HS256", "RS256"])
def test_one_wrong_claim_ends_a_sign_in_and_nothing_is_kept(server, refusal, signing, changes):
    """OpenID Connect Core section 3.1.3.7, condition by condition."""
    server.signing = signing

    def edit(told):
        return {**told, "id_token": with_claims(server, told["id_token"], **meant(server, changes))}

    server.misbehave("/oauth/token", edit=edit)

    assert "cannot be trusted" in refusal()


@pytest.mark.parametrize(("hours", "problem"), [(5, "it has expired (exp)"), (-5, "issued in the future (iat)")])
def test_a_clock_that_is_hours_off_is_named_before_anybody_else_is_blamed(
    authgate, server, robot, callback, token_file, hours, problem
):
    def late():
        return time.time() + 3600 * hours

    result = authgate("login", "--redirect-uri", callback, "--scope", "openid", browser=robot(), now=late)

    assert (result.status, result.out) == (1, "")
    assert problem in result.err and "hint: this machine's clock says " in result.err
    assert "operator" not in result.err
    assert not token_file.exists()


def seconds(ahead):
    return lambda: time.time() + ahead


ALLOWED = {
    "a list of this client alone": {"aud": ["CLIENT"]},
    "several clients, of which this one asked": {"aud": ["somebody-else", "CLIENT"], "azp": "CLIENT"},
    "this client asked": {"azp": "CLIENT"},
    "no hash of the access token": {"at_hash": ...},
    "no nbf and more than is known": {"acr": "1", "amr": ["pwd"], "sid": "x", "auth_time": "yesterday"},
    "expired within the leeway": {"exp": seconds(-60)},
    "issued within the leeway": {"iat": seconds(60), "nbf": seconds(60)},
    "times with a fraction": {"iat": seconds(-0.5), "exp": seconds(99.5)},
}


@pytest.mark.parametrize("changes", ALLOWED.values(), ids=ALLOWED)
def test_what_the_conditions_allow_is_accepted(authgate, server, robot, callback, token_file, changes):
    def edit(told):
        return {**told, "id_token": with_claims(server, told["id_token"], **meant(server, changes))}

    server.misbehave("/oauth/token", edit=edit)

    result = authgate("login", "--redirect-uri", callback, "--scope", "openid", browser=robot())

    assert result.status == 0, result.err
    assert result.out.startswith("User: ")
    assert stored(token_file, server)["id_token"]


# The last is encrypted, which takes a key that nobody has given us (section 3.1.3.7, rule 1).
@pytest.mark.parametrize("id_token", ["a b", "x.y", 5, {"a": 1}, "e30.e30.", "e30.e30.e30.e30.e30"], ids=repr)
def test_an_id_token_that_cannot_be_read_ends_a_sign_in(server, refusal, id_token):
    server.misbehave("/oauth/token", edit=lambda told: {**told, "id_token": id_token})

    refusal()


def stored(token_file, server):
    return json.loads(json.loads(token_file.read_text())["data"][server.client_id])


@pytest.fixture
def refresh(authgate, server, token_file):
    """Refresh a stored token; `spoil` makes another ID token of the one that comes."""
    server.signing = "RS256"
    given = server.issue("openid")

    def refresh(spoil, left=-60):
        entry = {**given, "expires_at": time.time() + left, "issuer": server.issuer}
        token_file.touch(0o600)
        token_file.write_text(json.dumps({"data": {server.client_id: json.dumps(entry)}}))

        def edit(told):
            family = server.families[told["refresh_token"]]
            return {**told, "id_token": spoil(server.with_id_token(told, family)["id_token"])}

        server.misbehave("/oauth/token", edit=edit)
        before = token_file.read_bytes()
        result = authgate("token")
        return result, given, stored(token_file, server), token_file.read_bytes() == before

    return refresh


SURVIVED = {
    **FORGERIES,
    **{f"alg {alg!r}": lambda token, alg=alg: with_header(token, alg=alg) for alg in OTHER_ALGORITHMS},
    "a space": lambda token: token + " ",
    "a number": lambda token: 5,
    "an object": lambda token: {"a": token},
    "two parts": lambda token: token.rpartition(".")[0],
}


@pytest.mark.parametrize("spoil", SURVIVED.values(), ids=SURVIVED)
def test_a_refresh_survives_an_id_token_that_is_not_right(refresh, spoil):
    result, given, kept, _ = refresh(spoil)

    assert (result.status, result.out.strip()) == (0, kept["access_token"])
    assert kept["refresh_token"] != given["refresh_token"]
    assert kept["id_token"] == given["id_token"]
    (line,) = result.err.splitlines()
    assert line.startswith("authgate: warning: ") and line.endswith("; the new ID token is discarded")


@pytest.mark.parametrize("changes", FAULTS.values(), ids=FAULTS)
def test_a_refresh_survives_any_other_fault_of_the_claims(refresh, server, changes):
    result, given, kept, _ = refresh(lambda token: with_claims(server, token, **changes))

    assert (result.status, result.out.strip()) == (0, kept["access_token"])
    assert kept["refresh_token"] != given["refresh_token"]
    assert kept["id_token"] == given["id_token"]
    assert "the new ID token is discarded" in result.err


CHANGES = {
    **MISMATCHES,
    "another person": {"sub": "mallory"},
    "one more client": {"aud": ["CLIENT", "somebody-else"], "azp": "CLIENT"},
}


@pytest.mark.parametrize("changes", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize(
    ("forged", "left"), [(False, -60), (True, -60), (False, 30)], ids=["signed", "forged", "early"]
)
def test_a_refresh_does_not_survive_an_id_token_about_somebody_else(refresh, server, changes, forged, left):
    def spoil(token):
        wrong = with_claims(server, token, **meant(server, changes))
        return with_signature(wrong, bytes(256)) if forged else wrong

    result, _, _, untouched = refresh(spoil, left)

    assert (result.status, result.out) == (1, "")
    assert "cannot be trusted" in result.err
    assert untouched


def test_a_good_id_token_of_a_refresh_is_kept(refresh):
    result, given, kept, _ = refresh(lambda token: token)

    assert (result.status, result.err) == (0, "")
    assert kept["id_token"] not in ("", given["id_token"])


@pytest.mark.parametrize("secret", ["code", "code_verifier", "access_token"])
@pytest.mark.parametrize("field", ["kid", "alg", "iss"])
def test_no_error_about_an_id_token_shows_a_secret(server, refusal, field, secret):
    server.signing = "RS256"

    def edit(told):
        [asked] = [seen for seen in server.requests if seen.path == "/oauth/token"]
        said = " ".join(re.findall(".{1,9}", {**asked.form, **told}[secret]))  # spaces hide it from a simple search
        token = told["id_token"]
        return {
            **told,
            "id_token": with_claims(server, token, iss=said) if field == "iss" else with_header(token, **{field: said}),
        }

    server.misbehave("/oauth/token", edit=edit)

    assert "****" in refusal()
