"""RS, PS and ES signatures against published and generated vectors, and against forgeries.

The files in data/jws say where they come from. The forgeries are made here, with the private
keys that RFC 7515 publishes: the private operation on encodings that look almost right, and
ECDSA equations solved for values that a verifier forgets to look at.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from pathlib import Path

import pytest
from storms import few_or_many

from authgate_cli.oauth.parsing import base64url_decode
from authgate_cli.oauth.signatures import ALGORITHMS, CURVES, EcKey, RsaKey, algorithms_of, flaw, verify

DATA = Path(__file__).parents[2] / "data" / "jws"
SIGNED = b"what is signed"
DIGEST = hashlib.sha256(SIGNED).digest()


def number(text):
    return int.from_bytes(base64url_decode(text), "big")


def load(name):
    return json.loads((DATA / name).read_text("utf-8"))


def public_key(jwk):
    if jwk["kty"] == "RSA":
        return RsaKey(number(jwk["n"]), number(jwk["e"]))
    return EcKey(number(jwk["x"]), number(jwk["y"]), jwk["crv"])


def published(name):
    """Return algorithm, key, signed bytes and signature of an RFC's example."""
    example = load(name)
    signed, signature = example["token"].rsplit(".", 1)
    algorithm = json.loads(base64url_decode(signed.split(".")[0]))["alg"]
    return algorithm, public_key(example["jwk"]), signed.encode(), base64url_decode(signature)


def flipped(data, bit):
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


RFC_VECTORS = [
    published(f"rfc{name}.json") for name in ("7515-a2", "7515-a3", "7515-a4", "7520-4.1", "7520-4.2", "7520-4.3")
]
GENERATED = [
    (
        vector.get("alg", "RS256" if vector["jwk"]["kty"] == "RSA" else "ES256"),
        public_key(vector["jwk"]),
        vector["signed"].encode(),
        base64url_decode(vector["signature"]),
    )
    for vector in load("generated.json")["vectors"]
]
VECTORS = RFC_VECTORS + GENERATED
OTHER_NAMES = ("HS256", "HS512", "EdDSA", "ES256K", "RS1", "none", "", "rs256", "RS256 ", "PS", "ES521")


def test_the_vectors_have_every_algorithm():
    assert {algorithm for algorithm, *_ in VECTORS} == set(ALGORITHMS)


@pytest.mark.parametrize(("algorithm", "key", "signed", "signature"), VECTORS)
def test_a_good_signature_is_good_under_its_own_algorithm_only(algorithm, key, signed, signature):
    good = [name for name in (*ALGORITHMS, *OTHER_NAMES) if verify(name, key, signed, signature)]
    assert good == [algorithm]


@pytest.mark.parametrize(("algorithm", "key", "signed", "signature"), VECTORS)
def test_anything_changed_makes_it_wrong(algorithm, key, signed, signature):
    for bit in range(0, len(signature) * 8, 151):
        assert not verify(algorithm, key, signed, flipped(signature, bit))
    assert not verify(algorithm, key, signed + b"\0", signature)
    assert not verify(algorithm, key._replace(**{key._fields[0]: key[0] ^ 4}), signed, signature)
    for wrong_length in (
        b"",
        signature[:-1],
        signature[1:],
        signature + b"\0",
        b"\0" + signature,
        signature * 2,
    ):
        assert not verify(algorithm, key, signed, wrong_length)


def test_a_key_checks_its_own_signatures_only():
    for algorithm in ("RS256", "ES256"):
        vectors = [vector for vector in GENERATED if vector[0] == algorithm]
        assert len(vectors) > 3
        for (_, key, _, _), (_, _, signed, signature) in zip(vectors, vectors[1:] + vectors[:1]):
            assert not verify(algorithm, key, signed, signature)


WYCHEPROOF = load("wycheproof.json")["groups"]


@pytest.mark.parametrize("algorithm", sorted({group["alg"] for group in WYCHEPROOF}))
def test_the_vectors_of_wycheproof_are_judged_as_it_says(algorithm):
    wrong = [
        (group["file"], test["id"], test["comment"])
        for group in WYCHEPROOF
        for test in group["tests"][:: few_or_many(3, 1)]
        if group["alg"] == algorithm
        and test["valid"]
        != verify(algorithm, public_key(group["jwk"]), *map(base64url_decode, (test["signed"], test["signature"])))
    ]
    assert wrong == []


# -- RS256

RSA_JWK = load("rfc7515-a2.json")["jwk"]
RSA = public_key(RSA_JWK)
RSA_PRIVATE = number(RSA_JWK["d"])
INFO = bytes.fromhex("3031300d060960864801650304020105000420")


def raised_privately(encoded):
    """Return what the owner of the key would get by signing these 256 bytes as they are."""
    return pow(int.from_bytes(encoded, "big"), RSA_PRIVATE, RSA.modulus).to_bytes(256, "big")


def padded(info, start=b"\x00\x01", fill=b"\xff", separator=b"\x00", end=b""):
    """Pad as EMSA-PKCS1-v1_5 does, but for what the caller wants otherwise."""
    rest = 256 - len(start) - len(separator) - len(info) - len(end)
    return start + fill * rest + separator + info + end


def test_the_forger_can_sign():
    assert verify("RS256", RSA, SIGNED, raised_privately(padded(INFO + DIGEST)))


OID_SHA1 = bytes.fromhex("3021300906052b0e03021a05000414")
OID_SHA512 = bytes.fromhex("3051300d060960864801650304020305000440")
NO_NULL = bytes.fromhex("302f300b06096086480165030402010420")
LONG_OUTER = bytes.fromhex("308131300d060960864801650304020105000420")
LONG_OUTER_2 = bytes.fromhex("30820031300d060960864801650304020105000420")
LONG_DIGEST = bytes.fromhex("3032300d06096086480165030402010500048120")
SHORT_FILL = b"\x00\x01" + b"\xff" * 8 + b"\x00" + INFO + DIGEST

FORGED = {
    "no zero before the hash": padded(INFO + DIGEST, separator=b""),
    "two zeros before the hash": padded(INFO + DIGEST, separator=b"\x00\x00"),
    "no zero at the start": padded(INFO + DIGEST, start=b"\x01"),
    "block type 0": padded(INFO + DIGEST, start=b"\x00\x00", fill=b"\x00"),
    "block type 2": padded(INFO + DIGEST, start=b"\x00\x02"),
    "short fill and garbage behind": SHORT_FILL + b"\xaa" * (256 - len(SHORT_FILL)),
    "short fill and zeros behind": SHORT_FILL.ljust(256, b"\0"),
    "no fill at all": (b"\x00\x01\x00" + INFO + DIGEST).ljust(256, b"\0"),
    "one byte of garbage behind": padded(INFO + DIGEST, end=b"\x00"),
    "a byte of the fill changed": padded(INFO + DIGEST).replace(b"\xff\xff", b"\xff\xfe", 1),
    "short and pushed to the right": SHORT_FILL.rjust(256, b"\0"),
    "wrong digest": padded(INFO + hashlib.sha256(b"other").digest()),
    "digest cut short": padded(INFO + DIGEST[:-1]),
    "digest alone": padded(DIGEST),
    "SHA-1": padded(OID_SHA1 + hashlib.sha1(SIGNED).digest()),
    "SHA-512": padded(OID_SHA512 + hashlib.sha512(SIGNED).digest()),
    "SHA-512's name on SHA-256": padded(INFO[:14] + b"\x03" + INFO[15:] + DIGEST),
    "parameters missing instead of NULL": padded(NO_NULL + DIGEST),
    "BER long length": padded(LONG_OUTER + DIGEST),
    "BER longer length": padded(LONG_OUTER_2 + DIGEST),
    "BER long length of the digest": padded(LONG_DIGEST + DIGEST),
    "parameters with garbage": padded(INFO.replace(b"\x05\x00", b"\x05\x01") + DIGEST),
}


@pytest.mark.parametrize("encoded", FORGED.values(), ids=FORGED)
def test_no_other_encoding_is_accepted(encoded):
    assert len(encoded) == 256
    assert not verify("RS256", RSA, SIGNED, raised_privately(encoded))


@pytest.mark.parametrize("value", [0, 1, RSA.modulus - 1, RSA.modulus, RSA.modulus + 1, 2**2048 - 1])
def test_trivial_numbers_are_no_signatures(value):
    assert not verify("RS256", RSA, SIGNED, value.to_bytes(256, "big"))


def test_a_number_above_the_modulus_is_refused():
    """Of a signature s below 2**2048 - n, n + s is as long and does the same to the equation."""
    messages = [bytes([count]) for count in range(50)]
    pairs = ((m, raised_privately(padded(INFO + hashlib.sha256(m).digest()))) for m in messages)
    message, good = next(one for one in pairs if int.from_bytes(one[1], "big") + RSA.modulus < 2**2048)
    above = int.from_bytes(good, "big") + RSA.modulus
    assert verify("RS256", RSA, message, good)
    assert not verify("RS256", RSA, message, above.to_bytes(256, "big"))


def test_exponent_one_would_sign_everything():
    forged = padded(INFO + DIGEST)
    assert pow(int.from_bytes(forged, "big"), 1, RSA.modulus).to_bytes(256, "big") == forged
    assert not verify("RS256", RSA._replace(exponent=1), SIGNED, forged)


ODD = (1 << 2047) + 1
RSA_KEYS = [
    (RsaKey(ODD, 3), None),
    (RsaKey(ODD, 65537), None),
    (RsaKey(ODD, 2**64 - 1), None),
    (RsaKey((1 << 8191) + 1, 3), None),
    (RsaKey(ODD, 2**64 + 1), "it is not a valid RSA key"),
    (RsaKey(ODD, 0), "it is not a valid RSA key"),
    (RsaKey(ODD, 1), "it is not a valid RSA key"),
    (RsaKey(ODD, 2), "it is not a valid RSA key"),
    (RsaKey(ODD, 65536), "it is not a valid RSA key"),
    (RsaKey(ODD, -3), "it is not a valid RSA key"),
    (RsaKey(ODD + 1, 3), "it is not a valid RSA key"),
    (RsaKey(0, 3), "it is an RSA key of only 0 bits"),
    (RsaKey((1 << 1023) + 1, 3), "it is an RSA key of only 1024 bits"),
    (RsaKey((1 << 2046) + 1, 3), "it is an RSA key of only 2047 bits"),
    (RsaKey((1 << 8192) + 1, 3), "it is an RSA key of 8193 bits, which is too long"),
]


@pytest.mark.parametrize(("key", "problem"), RSA_KEYS)
def test_only_sound_rsa_keys_are_used(key, problem):
    assert flaw(key) == problem


def test_a_good_signature_of_a_short_key_is_refused():
    p, q = 2**521 - 1, 2**607 - 1  # Mersenne primes: a key of 1128 bits that need not be kept in a file
    modulus, private = p * q, pow(65537, -1, (p - 1) * (q - 1))
    size = (modulus.bit_length() + 7) // 8
    encoded = b"\x00\x01" + padded(INFO + DIGEST)[256 - size + 2 :]
    signature = pow(int.from_bytes(encoded, "big"), private, modulus)
    assert pow(signature, 65537, modulus).to_bytes(size, "big") == encoded
    assert not verify("RS256", RsaKey(modulus, 65537), SIGNED, signature.to_bytes(size, "big"))


def test_an_rsa_key_is_no_secret_for_hs256():
    secret = RSA.modulus.to_bytes(256, "big")
    tag = hmac.new(secret, SIGNED, hashlib.sha256).digest()
    for algorithm in ("HS256", "none", *ALGORITHMS):
        assert not verify(algorithm, RSA, SIGNED, tag)


# -- PS256, PS384 and PS512


def mask(seed, length, name):
    """MGF1 (RFC 8017 appendix B.2.1)."""
    blocks = (hashlib.new(name, seed + count.to_bytes(4, "big")).digest() for count in range(10))
    return b"".join(blocks)[:length]


def pss(
    name="sha256",
    salt=None,
    marker=b"\x01",
    start=b"",
    trailer=b"\xbc",
    mask_name=None,
    digest=None,
    top=0,
    zeros=bytes(8),
):
    """Encode as EMSA-PSS does (RFC 8017 section 9.1.1) for 2048 bits, but for what the caller wants otherwise."""
    digest = hashlib.new(name, SIGNED).digest() if digest is None else digest
    salt = b"s" * len(digest) if salt is None else salt
    found = hashlib.new(name, zeros + digest + salt).digest()
    length = 256 - len(found) - 1
    block = start + bytes(length - len(start) - len(marker) - len(salt)) + marker + salt
    masked = bytearray(one ^ other for one, other in zip(block, mask(found, length, mask_name or name)))
    masked[0] = masked[0] & 0x7F | top
    return bytes(masked) + found + trailer


@pytest.mark.parametrize(("algorithm", "name"), [("PS256", "sha256"), ("PS384", "sha384"), ("PS512", "sha512")])
def test_the_forger_can_sign_by_pss_too(algorithm, name):
    good = raised_privately(pss(name))
    assert [each for each in ALGORITHMS if verify(each, RSA, SIGNED, good)] == [algorithm]


FORGED_PSS = {
    "a shorter salt": pss(salt=b"s" * 31),
    "a longer salt": pss(salt=b"s" * 33),
    "no salt": pss(salt=b""),
    "the longest salt": pss(salt=b"s" * 222),
    "another trailer": pss(trailer=b"\xcc"),
    "no trailer": pss(trailer=b"\x00"),
    "another marker": pss(marker=b"\x02"),
    "no marker": pss(marker=b""),
    "padding that is not zero": pss(start=b"\x00\x01"),
    "a bit above the length": pss(top=0x80),
    "another mask": pss(mask_name="sha1"),
    "another hash": pss("sha384"),
    "a wrong digest": pss(digest=hashlib.sha256(b"other").digest()),
    "a prefix that is not zero": pss(zeros=b"\x01" * 8),
    "PKCS1": padded(INFO + DIGEST),
    "zeros": bytes(256),
}


@pytest.mark.parametrize("encoded", FORGED_PSS.values(), ids=FORGED_PSS)
def test_no_other_pss_encoding_is_accepted(encoded):
    number_above = int.from_bytes(encoded, "big") >= RSA.modulus
    assert number_above or not verify("PS256", RSA, SIGNED, raised_privately(encoded))


def test_a_bit_above_the_length_is_refused_where_the_modulus_has_room_for_it():
    """Of 2049 bits one byte of the modulus is not the encoding's."""
    p = 2**1279 - 1  # a Mersenne prime
    q = next(q for q in range((1 << 2049) // p - 1 | 1, 0, -2) if pow(2, q - 1, q) == 1 and q % 65537 != 1)
    key, private = RsaKey(p * q, 65537), pow(65537, -1, (p - 1) * (q - 1))
    assert key.modulus.bit_length() == 2049
    good = int.from_bytes(pss_of_2048_bits(), "big")
    for encoded, expected in ((good, True), (good + (1 << 2048), False)):
        if encoded < key.modulus:
            signature = pow(encoded, private, key.modulus).to_bytes(257, "big")
            assert verify("PS256", key, SIGNED, signature) is expected


def pss_of_2048_bits():
    """Encode for a modulus of 2049 bits: all eight bits of the first byte are used."""
    salt = b"s" * 32
    found = hashlib.sha256(bytes(8) + DIGEST + salt).digest()
    block = bytes(223 - 33) + b"\x01" + salt
    return bytes(one ^ other for one, other in zip(block, mask(found, 223, "sha256"))) + found + b"\xbc"


# -- ES256

EC_JWK = load("rfc7515-a3.json")["jwk"]
EC = public_key(EC_JWK)
EC_PRIVATE = number(EC_JWK["d"])
PRIME = 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
BASE_X = 0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296
BASE_Y = 0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5
BASE = EcKey(BASE_X, BASE_Y)
E = int.from_bytes(DIGEST, "big")


def pair(r, s):
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def ecdsa(private, once_x=BASE_X, once=1):
    """Sign with a one-time number whose multiple of the base point has the given x."""
    r = once_x % ORDER
    return r, pow(once, -1, ORDER) * (E + r * private) % ORDER


def square_root(x):
    """Return y of the point with this x, None if there is none."""
    square = (x**3 - 3 * x + 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B) % PRIME
    y = pow(square, (PRIME + 1) // 4, PRIME)
    return y if y * y % PRIME == square else None


def plus(a, b):
    """Add two points as the textbook does; never opposite ones."""
    rise, run = (3 * a.x**2 - 3, 2 * a.y) if a == b else (b.y - a.y, b.x - a.x)
    slope = rise * pow(run, -1, PRIME) % PRIME
    x = (slope**2 - a.x - b.x) % PRIME
    return EcKey(x, (slope * (a.x - x) - a.y) % PRIME)


def times(factor, point):
    result = None
    for bit in bin(factor)[2:]:
        result = result and plus(result, result)
        if bit == "1":
            result = plus(result, point) if result else point
    return result


def negative(point):
    return EcKey(point.x, PRIME - point.y)


R, S = ecdsa(EC_PRIVATE)


def test_the_signer_can_sign():
    assert verify("ES256", EC, SIGNED, pair(R, S))


def test_both_of_the_two_signatures_are_good():
    assert verify("ES256", EC, SIGNED, pair(R, ORDER - S))  # JWS asks for no low s


RANGE = [
    pair(r, s)
    for r, s in [
        (0, 0),
        (0, S),
        (R, 0),
        (ORDER, S),
        (R, ORDER),
        (0, 1),
        (1, 0),
        (1, 1),
        (ORDER, ORDER),
        (ORDER - 1, ORDER - 1),
        (ORDER - R, S),
        (PRIME, S),
        (2**256 - 1, 2**256 - 1),
        (R | 1 << 255, S),
        (R, S ^ 1 << 255),
        (S, R),
    ]
]


@pytest.mark.parametrize("signature", RANGE)
def test_r_and_s_are_looked_at(signature):
    assert not verify("ES256", EC, SIGNED, signature)


def test_r_plus_the_order_is_refused():
    """Solve for the key whose valid r is small, so that r + n fits into 32 bytes too."""
    r, y = next((x, y) for x in range(1, 100) for y in [square_root(x)] if y)
    # With R = (r, y) and s = r, the key Q = R - (e / r) G makes (r, r) a signature of e.
    key = plus(EcKey(r, y), times(ORDER - E * pow(r, -1, ORDER) % ORDER, BASE))
    assert verify("ES256", key, SIGNED, pair(r, r))
    assert not verify("ES256", key, SIGNED, pair(r + ORDER, r))
    assert not verify("ES256", key, SIGNED, pair(r, r + ORDER))


def test_x_between_order_and_prime_wraps():
    """r is x modulo the order, which differ once in 2**128 times; solve for such a key as well."""
    x, y = next((x, y) for x in range(ORDER, ORDER + 100) for y in [square_root(x)] if y)
    r = x - ORDER
    key = plus(EcKey(x, y), times(ORDER - E * pow(r, -1, ORDER) % ORDER, BASE))
    assert verify("ES256", key, SIGNED, pair(r, r))


@pytest.mark.parametrize("signature", [pair(R, S) + b"\0", b"\0" + pair(R, S), pair(R, S)[:63], b"", b"\0" * 64])
def test_a_signature_is_64_bytes(signature):
    assert not verify("ES256", EC, SIGNED, signature)


@pytest.mark.parametrize("zeros", range(34))
def test_a_small_s_is_still_32_bytes(zeros):
    """Solve for the key that makes s = 1, so that leading zeros can be left out or added."""
    key = times((1 - E) * pow(BASE.x, -1, ORDER) % ORDER, BASE)
    signature = BASE.x.to_bytes(32, "big") + b"\0" * zeros + b"\x01"
    assert verify("ES256", key, SIGNED, signature) == (zeros == 31)


def test_der_is_refused():
    def integer(value):
        data = value.to_bytes(value.bit_length() // 8 + 1, "big")
        return b"\x02" + bytes([len(data)]) + data

    body = integer(R) + integer(S)
    assert not verify("ES256", EC, SIGNED, b"\x30" + bytes([len(body)]) + body)


def test_infinity_is_not_a_signature():
    """Choose r so that u1 G + u2 Q is the point at infinity: e + r d = 0."""
    r = -E * pow(EC_PRIVATE, -1, ORDER) % ORDER
    for s in (1, 2, S, ORDER - 1):
        assert not verify("ES256", EC, SIGNED, pair(r, s))


@pytest.mark.parametrize("private", [1, 2, 3, 4, 5, ORDER - 1, ORDER - 2, ORDER - 3, (ORDER + 1) // 2])
@pytest.mark.parametrize("once", [1, 2, 3, ORDER - 1])
def test_keys_near_the_base_point(private, once):
    """Adding here meets equal and opposite points, where the usual formula divides by zero."""
    key = times(private, BASE) if private < ORDER // 2 + 2 else negative(times(ORDER - private, BASE))
    r, s = ecdsa(private, times(min(once, ORDER - once), BASE).x, once)
    assert verify("ES256", key, SIGNED, pair(r, s))
    assert not verify("ES256", key, SIGNED, pair(r, s ^ 1))


@pytest.mark.parametrize(
    "key",
    [
        EcKey(0, 0),  # how some write infinity
        EcKey(EC.x, EC.y ^ 1),
        EcKey(EC.x ^ 1, EC.y),
        EcKey(EC.y, EC.x),
        EcKey(EC.x + PRIME, EC.y),
        EcKey(EC.x, EC.y + PRIME),
        EcKey(EC.x - PRIME, EC.y),
        EcKey(EC.x, EC.y - PRIME),
        EcKey(-1, 2),
        EcKey(PRIME, PRIME),
        EcKey(1, 1),
        EcKey(1, 0),
    ],
)
def test_a_point_off_the_curve_is_refused(key):
    assert flaw(key) == "it is not a point on P-256"
    assert not verify("ES256", key, SIGNED, pair(R, S))


def test_a_key_on_another_curve_is_refused():
    """Shift b, and points of small order appear: the invalid-curve attack starts with such a key."""
    key = EcKey(2, 0)  # order 2 on y² = x³ - 3x - 2
    assert flaw(key)
    assert not any(verify("ES256", key, SIGNED, pair(r, s)) for r in (2, BASE_X % ORDER) for s in (1, E % ORDER))


def test_the_negative_of_the_key_is_another_key():
    assert flaw(negative(EC)) is None
    assert not verify("ES256", negative(EC), SIGNED, pair(R, S))


# -- ES384 and ES512


@pytest.mark.parametrize("name", CURVES)
def test_the_base_point_is_on_its_curve_and_no_point_beside_it(name):
    key = EcKey(*CURVES[name].base, name)
    assert flaw(key) is None
    assert flaw(key._replace(y=key.y ^ 1)) == f"it is not a point on {name}"


@pytest.mark.parametrize(("algorithm", "name"), [("ES256", "P-256"), ("ES384", "P-384"), ("ES512", "P-521")])
def test_a_signature_by_the_private_key_1_is_good_on_its_own_curve_only(algorithm, name):
    curve = CURVES[name]
    digest = int.from_bytes(hashlib.new("sha" + algorithm[2:], SIGNED).digest(), "big")
    r = curve.base[0] % curve.order
    s = (digest + r) % curve.order
    signature = r.to_bytes(curve.size, "big") + s.to_bytes(curve.size, "big")
    assert [each for each in ALGORITHMS if verify(each, EcKey(*curve.base, name), SIGNED, signature)] == [algorithm]
    assert not verify(algorithm, EcKey(*curve.base, name), SIGNED + b"x", signature)


def test_a_key_has_the_algorithms_of_its_type():
    assert algorithms_of(RSA) == ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
    assert [algorithms_of(EcKey(1, 1, name)) for name in CURVES] == [("ES256",), ("ES384",), ("ES512",)]
