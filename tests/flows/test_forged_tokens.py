"""ID tokens that somebody forged, through the whole sign-in: exit 1, one reason, and nothing is kept."""

import base64
import json
from pathlib import Path

import pytest
from callback_address import callback_address
from test_browser_flow import get

from authgate_cli.oauth.jwt import decode

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
    "the other algorithm": lambda token: with_header(
        token, alg={"RS256": "ES256", "ES256": "RS256"}[decode(token).header["alg"]]
    ),
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
        assert not token_file.exists()
        assert "Sign-in failed" in person.finish()[1]
        return error

    return refusal


@pytest.mark.parametrize("forgery", FORGERIES.values(), ids=FORGERIES)
@pytest.mark.parametrize("signing", ["RS256", "ES256"])
def test_a_forged_id_token_is_refused_and_nothing_kept(server, refusal, forgery, signing):
    server.signing = signing
    server.misbehave("/oauth/token", edit=lambda told: {**told, "id_token": forgery(told["id_token"])})

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
