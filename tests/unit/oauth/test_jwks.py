"""A JWT is checked with the one key that its server meant for it, or refused with a reason."""

from __future__ import annotations

import hashlib
import hmac
import json
from pathlib import Path

import pytest

from authgate_cli.errors import OPERATOR, Refused
from authgate_cli.oauth import parsing
from authgate_cli.oauth.jwt import Key, UnknownKey, WrongSignature, choose, parse_keys, verify
from authgate_cli.oauth.parsing import base64url_decode, base64url_encode
from authgate_cli.oauth.signatures import ALGORITHMS, EcKey, RsaKey

DATA = Path(__file__).parents[2] / "data" / "jws"
RSA_EXAMPLE, EC_EXAMPLE = (json.loads((DATA / f"rfc7515-{name}.json").read_text()) for name in ("a2", "a3"))
RSA_JWK = {name: RSA_EXAMPLE["jwk"][name] for name in ("kty", "n", "e")}
EC_JWK = {name: EC_EXAMPLE["jwk"][name] for name in ("kty", "crv", "x", "y")}
OTHERS = [vector["jwk"] for vector in json.loads((DATA / "generated.json").read_text())["vectors"]]
OTHER_RSA, OTHER_EC = OTHERS[0], next(jwk for jwk in OTHERS if jwk.get("crv") == "P-256")


def number(text):
    return int.from_bytes(base64url_decode(text), "big")


RSA = RsaKey(number(RSA_JWK["n"]), number(RSA_JWK["e"]))
EC = EcKey(number(EC_JWK["x"]), number(EC_JWK["y"]))
OF_RSA = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
EC_KEY = Key(None, EC, ("ES256",))


def without(jwk, *names):
    return {name: value for name, value in jwk.items() if name not in names}


def keys(*entries):
    return parse_keys({"keys": list(entries)})


def sign(header, claims=None):
    """Return a JWT signed with the RSA key, whatever its header says."""
    parts = (base64url_encode(json.dumps(part).encode()) for part in (header, claims or {"sub": "jane"}))
    signed = ".".join(parts)
    info = bytes.fromhex("3031300d060960864801650304020105000420") + hashlib.sha256(signed.encode()).digest()
    encoded = b"\x00\x01" + b"\xff" * (256 - len(info) - 3) + b"\x00" + info
    signature = pow(int.from_bytes(encoded, "big"), number(RSA_EXAMPLE["jwk"]["d"]), RSA.modulus)
    return parsing.decode(f"{signed}.{base64url_encode(signature.to_bytes(256, 'big'))}")


def refusal(call, *arguments):
    """Return the class and the message of the refusal."""
    with pytest.raises(Refused) as caught:
        call(*arguments)
    assert caught.value.hint == (OPERATOR if call is parse_keys else None)
    assert "\n" not in caught.value.message
    return type(caught.value), caught.value.message


# -- parse_keys


def test_keys_are_read():
    assert keys(RSA_JWK | {"kid": "a"}, EC_JWK) == (Key("a", RSA, OF_RSA), EC_KEY)


def test_private_members_are_not_read():
    assert keys(RSA_EXAMPLE["jwk"], EC_EXAMPLE["jwk"]) == keys(RSA_JWK, EC_JWK)


def test_a_leading_zero_in_a_modulus_is_put_up_with():
    longer = base64url_encode(b"\0" + base64url_decode(RSA_JWK["n"]))
    assert keys(RSA_JWK | {"n": longer}) == (Key(None, RSA, OF_RSA),)


NOT_UNDERSTOOD = [
    None,
    7,
    "key",
    [],
    {},
    {"kty": "oct", "k": "c2VjcmV0"},
    {"kty": "OKP", "crv": "Ed25519", "x": EC_JWK["x"]},
    {"kty": "rsa", "n": RSA_JWK["n"], "e": "AQAB"},
    {"kty": ["RSA"], "n": RSA_JWK["n"], "e": "AQAB"},
    RSA_JWK | {"kid": 7},
    RSA_JWK | {"kid": ["a"]},
    RSA_JWK | {"n": 7},
    RSA_JWK | {"n": ""},
    RSA_JWK | {"e": None},
    RSA_JWK | {"e": "AQAB="},
    RSA_JWK | {"e": "A+AB"},
    RSA_JWK | {"e": "A"},
    without(RSA_JWK, "n"),
    without(RSA_JWK, "e"),
    without(EC_JWK, "crv"),
    without(EC_JWK, "y"),
    EC_JWK | {"crv": "P-384"},
    EC_JWK | {"crv": "P-521"},
    EC_JWK | {"crv": ["P-256"]},
    EC_JWK | {"crv": "secp256k1"},
    EC_JWK | {"x": base64url_encode(b"\0" + base64url_decode(EC_JWK["x"]))},
    EC_JWK | {"y": base64url_encode(base64url_decode(EC_JWK["y"])[1:])},
]


@pytest.mark.parametrize("entry", NOT_UNDERSTOOD)
def test_a_key_that_is_not_understood_is_passed_over(entry):
    assert keys(entry, EC_JWK) == (EC_KEY,)


def test_an_empty_set_is_a_set():
    assert keys() == ()


@pytest.mark.parametrize("document", [{}, {"keys": None}, {"keys": {}}, {"keys": "a"}, RSA_JWK, {"Keys": []}])
def test_a_document_without_a_list_of_keys_is_refused(document):
    message = "the server's key set cannot be used: it has no list of keys"
    assert refusal(parse_keys, document) == (Refused, message)


SMALL = base64url_encode(((1 << 1023) + 1).to_bytes(128, "big"))
UNFIT = [
    (RSA_JWK | {"use": "enc"}, "it is not for signatures (use)"),
    (RSA_JWK | {"use": "SIG"}, "it is not for signatures (use)"),
    (RSA_JWK | {"use": ["sig"]}, "it is not for signatures (use)"),
    (RSA_JWK | {"use": ""}, "it is not for signatures (use)"),
    (RSA_JWK | {"key_ops": ["sign"]}, "it is not for checking signatures (key_ops)"),
    (RSA_JWK | {"key_ops": []}, "it is not for checking signatures (key_ops)"),
    (RSA_JWK | {"key_ops": "verify"}, "it is not for checking signatures (key_ops)"),
    (RSA_JWK | {"key_ops": {"verify": 1}}, "it is not for checking signatures (key_ops)"),
    (RSA_JWK | {"alg": "RS512"}, "it is not for RS256"),
    (RSA_JWK | {"alg": "PS256"}, "it is not for RS256"),
    (RSA_JWK | {"alg": "rs256"}, "it is for rs256 only (alg)"),
    (RSA_JWK | {"alg": "RSA-OAEP"}, "it is for RSA-OAEP only (alg)"),
    (RSA_JWK | {"alg": "ES256"}, "it is for ES256 only (alg)"),
    (RSA_JWK | {"alg": "HS256\n"}, "it is for HS256 only (alg)"),
    (RSA_JWK | {"n": SMALL}, "it is an RSA key of only 1024 bits"),
    (RSA_JWK | {"e": "AQ"}, "it is not a valid RSA key"),
    (EC_JWK | {"x": EC_JWK["y"]}, "it is not a point on P-256"),
    (EC_JWK | {"alg": "RS256"}, "it is for RS256 only (alg)"),
    (EC_JWK | {"use": "enc", "alg": "ECDH-ES"}, "it is not for signatures (use)"),
]


@pytest.mark.parametrize(("jwk", "reason"), UNFIT)
def test_a_key_that_is_not_meant_or_not_fit_for_this_is_not_chosen(jwk, reason):
    algorithm = "RS256" if jwk["kty"] == "RSA" else "ES256"
    named = keys(jwk | {"kid": "a"})
    assert refusal(choose, named, {"alg": algorithm, "kid": "a"}) == (
        Refused,
        f"the token's key a cannot be used: {reason}",
    )
    assert refusal(choose, named, {"alg": algorithm}) == (
        Refused,
        f"the server has no key for {algorithm}, and the token names none (kid)",
    )


@pytest.mark.parametrize(
    "meant",
    [
        {},
        {"use": "sig"},
        {"use": None, "alg": None, "key_ops": None, "kid": None},
        {"key_ops": ["verify"]},
        {"key_ops": ["sign", "verify"]},
        {"alg": "RS256"},
        {"use": "sig", "alg": "RS256", "key_ops": ["verify"], "x5c": ["…"], "x5t": 7, "more": {}},
    ],
)
def test_a_key_that_may_be_used_is_chosen(meant):
    assert choose(keys(RSA_JWK | meant), {"alg": "RS256"}).public == RSA


# -- choose


@pytest.mark.parametrize(
    ("entries", "header", "expected"),
    [
        ([RSA_JWK], {"alg": "RS256"}, RSA),
        ([EC_JWK], {"alg": "ES256"}, EC),
        ([RSA_JWK, EC_JWK], {"alg": "ES256"}, EC),
        ([RSA_JWK | {"kid": "a"}], {"alg": "RS256"}, RSA),
        ([OTHER_RSA | {"kid": "a"}, RSA_JWK | {"kid": "b"}], {"alg": "RS256", "kid": "b"}, RSA),
        ([OTHER_RSA, RSA_JWK | {"kid": ""}], {"alg": "RS256", "kid": ""}, RSA),
        ([EC_JWK | {"kid": "a"}, RSA_JWK | {"kid": "a"}], {"alg": "RS256", "kid": "a"}, RSA),
        ([OTHER_RSA | {"kid": "a", "use": "enc"}, RSA_JWK | {"kid": "a"}], {"alg": "RS256", "kid": "a"}, RSA),
        ([OTHER_RSA | {"use": "enc"}, RSA_JWK], {"alg": "RS256"}, RSA),
    ],
)
def test_the_one_fitting_key_is_chosen(entries, header, expected):
    assert choose(keys(*entries), header).public == expected


A = {"kid": "a"}
REFUSED = [
    ([], {"alg": "RS256"}, Refused, "the server has no key for RS256, and the token names none (kid)"),
    ([EC_JWK], {"alg": "RS256"}, Refused, "the server has no key for RS256, and the token names none (kid)"),
    (
        [RSA_JWK, OTHER_RSA],
        {"alg": "RS256"},
        Refused,
        "the server has several keys for RS256, and the token names none (kid)",
    ),
    (
        [RSA_JWK, RSA_JWK],
        {"alg": "RS256"},
        Refused,
        "the server has several keys for RS256, and the token names none (kid)",
    ),
    (
        [RSA_JWK | A, OTHER_RSA | A],
        {"alg": "RS256", "kid": "a"},
        Refused,
        "the token's key a is in the server's key set more than once",
    ),
    (
        [EC_JWK | A, EC_JWK | A],
        {"alg": "ES256", "kid": "a"},
        Refused,
        "the token's key a is in the server's key set more than once",
    ),
    (
        [EC_JWK | A],
        {"alg": "RS256", "kid": "a"},
        Refused,
        "the token's key a cannot be used: it is not for RS256",
    ),
    (
        [RSA_JWK | A],
        {"alg": "ES256", "kid": "a"},
        Refused,
        "the token's key a cannot be used: it is not for ES256",
    ),
    ([], {"alg": "RS256", "kid": "a"}, UnknownKey, "the token's key a is not among the server's RS256 keys"),
    (
        [RSA_JWK],
        {"alg": "RS256", "kid": "a"},
        UnknownKey,
        "the token's key a is not among the server's RS256 keys",
    ),
    (
        [RSA_JWK | A],
        {"alg": "RS256", "kid": "A"},
        UnknownKey,
        "the token's key A is not among the server's RS256 keys",
    ),
    (
        [RSA_JWK | A],
        {"alg": "RS256", "kid": "\x1b[31mb\r\nc"},
        UnknownKey,
        "the token's key [31mb c is not among the server's RS256 keys",
    ),
    (
        [RSA_JWK | A],
        {"alg": "RS256", "kid": 7},
        Refused,
        "the token's key ID is not a string (kid)",
    ),
    (
        [RSA_JWK],
        {"alg": "RS256", "kid": None},
        Refused,
        "the token's key ID is not a string (kid)",
    ),
]


@pytest.mark.parametrize(("entries", "header", "kind", "message"), REFUSED)
def test_a_choice_that_would_be_a_guess_is_refused(entries, header, kind, message):
    assert refusal(choose, keys(*entries), header) == (kind, message)


@pytest.mark.parametrize(
    ("algorithm", "shown"),
    [
        *((name, name) for name in ("none", "None", "HS256", "HS512", "ES256K", "ES521", "EdDSA", "rs256", "RS1")),
        ("x" * 61, "x" * 59 + "…"),
        ("\x1b]0;RS256\a", "]0;RS256"),
        (None, "it names none"),
        (256, "it names none"),
        (["RS256"], "it names none"),
    ],
)
def test_other_algorithms_are_not_supported(algorithm, shown):
    message = f"the token cannot be verified: its signature algorithm is not supported: {shown} (alg)"
    every_kind = keys(RSA_JWK, EC_JWK, RSA_JWK | {"alg": algorithm, "kid": "b"})
    assert refusal(choose, every_kind, {"alg": algorithm}) == (Refused, message)
    assert refusal(verify, sign({"alg": algorithm, "kid": "b"}), every_kind) == (Refused, message)


@pytest.mark.parametrize("algorithm", OF_RSA)
def test_an_rsa_key_that_names_no_algorithm_is_for_all_of_its_type(algorithm):
    assert choose(keys(RSA_JWK, EC_JWK), {"alg": algorithm}).public == RSA
    assert choose(keys(RSA_JWK | {"alg": algorithm}), {"alg": algorithm}).public == RSA
    for other in set(ALGORITHMS) - {algorithm}:
        assert refusal(choose, keys(RSA_JWK | {"alg": algorithm}), {"alg": other})[0] is Refused


def test_the_keys_of_one_name_are_told_apart_by_their_algorithms():
    both = keys(RSA_JWK | A | {"alg": "PS256"}, OTHER_RSA | A | {"alg": "RS256"})
    assert choose(both, {"alg": "PS256", "kid": "a"}).public == RSA


@pytest.mark.parametrize("name", ["rfc7515-a4", "rfc7520-4.3"])
def test_a_key_on_p_521_is_read(name):
    jwk = json.loads((DATA / f"{name}.json").read_text())["jwk"]
    (key,) = keys(jwk)
    assert (key.public.curve, key.algorithms, key.unfit) == ("P-521", ("ES512",), None)
    assert keys(jwk | {"x": jwk["x"][4:]}) == ()


def test_an_algorithm_has_to_be_named():
    assert refusal(choose, keys(RSA_JWK), {})[1].endswith("not supported: it names none (alg)")


# -- verify

WRONG = (WrongSignature, "the token's signature is wrong")


@pytest.mark.parametrize(("example", "public"), [(RSA_EXAMPLE, RSA), (EC_EXAMPLE, EC)])
def test_the_examples_of_rfc_7515(example, public):
    token = parsing.decode(example["token"])
    assert verify(token, keys(RSA_JWK, EC_JWK)).public == public
    assert refusal(verify, token, keys(OTHER_RSA, OTHER_EC)) == WRONG
    assert refusal(verify, token._replace(signature=b""), keys(RSA_JWK, EC_JWK)) == WRONG
    assert refusal(verify, token._replace(signed=token.signed + b"A"), keys(RSA_JWK, EC_JWK)) == WRONG


def test_claims_of_another_token_are_refused():
    mine, hers = (sign({"alg": "RS256"}, {"sub": name}) for name in ("me", "her"))
    assert verify(hers, keys(RSA_JWK)).public == RSA
    assert refusal(verify, hers._replace(signature=mine.signature), keys(RSA_JWK)) == WRONG


def test_the_named_key_is_the_only_one_tried():
    both = keys(OTHER_RSA | {"kid": "a"}, RSA_JWK | {"kid": "b"})
    assert verify(sign({"alg": "RS256", "kid": "b"}), both) == both[1]
    assert refusal(verify, sign({"alg": "RS256", "kid": "a"}), both) == WRONG
    assert refusal(verify, sign({"alg": "RS256", "kid": "c"}), both)[0] is UnknownKey


def test_an_unknown_key_is_a_refusal_for_whoever_cannot_fetch_again():
    assert issubclass(UnknownKey, Refused)
    assert UnknownKey.exit_status == 1


def test_a_public_key_is_never_a_secret():
    header, claims = (base64url_encode(json.dumps(part).encode()) for part in ({"alg": "HS256"}, {"sub": "eve"}))
    for secret in (base64url_decode(RSA_JWK["n"]), RSA_JWK["n"].encode(), json.dumps(RSA_JWK).encode()):
        tag = hmac.new(secret, f"{header}.{claims}".encode(), hashlib.sha256).digest()
        token = parsing.decode(f"{header}.{claims}.{base64url_encode(tag)}")
        for jwk in (RSA_JWK, RSA_JWK | {"alg": "HS256"}, {"kty": "oct", "k": base64url_encode(secret)}):
            assert "HS256" in refusal(verify, token, keys(jwk))[1]


def test_a_token_without_a_signature_is_refused():
    header = base64url_encode(b'{"alg":"none"}')
    token = parsing.decode(f"{header}.{base64url_encode(b'{}')}.")
    assert refusal(verify, token, keys(RSA_JWK))[1].endswith("not supported: none (alg)")


@pytest.mark.parametrize("name", ["jwk", "jku", "x5u", "x5c"])
def test_a_key_that_a_token_brings_along_is_not_used(name):
    brought = {"jwk": RSA_JWK}.get(name, "https://evil.example/keys")
    header = {"alg": "RS256", "kid": "a", name: brought}
    assert refusal(verify, sign(header), keys(OTHER_RSA | {"kid": "a"})) == WRONG
    assert refusal(verify, sign(header), keys())[0] is UnknownKey
    assert verify(sign(header), keys(RSA_JWK | {"kid": "a"})).public == RSA


@pytest.mark.parametrize("critical", [["exp"], ["b64"], [], None, "b64"])
def test_an_extension_that_must_be_understood_is_refused(critical):
    token = sign({"alg": "RS256", "crit": critical, "b64": True})
    message = "the token cannot be verified: it asks for an extension that is not supported (crit)"
    assert refusal(verify, token, keys(RSA_JWK)) == (Refused, message)


@pytest.mark.parametrize(("jwk", "_reason"), [case for case in UNFIT if case[0]["kty"] == "RSA"])
def test_a_good_signature_by_a_key_not_meant_for_it_is_refused(jwk, _reason):
    assert verify(sign({"alg": "RS256"}), keys(RSA_JWK))
    assert refusal(verify, sign({"alg": "RS256"}), keys(jwk))[0] is Refused
