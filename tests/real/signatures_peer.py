"""Sign with PyPI's `cryptography` for test_signatures_agree.py.

Reads lines of [algorithm, seed]. Writes the public key as a JWK, a signed JWT, the same with a bit
of its signature changed, and whether `cryptography` takes that for good.
"""

import base64
import json
import random
import sys

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

HASHES = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}
CURVES = {
    "256": (ec.SECP256R1(), "P-256", 32),
    "384": (ec.SECP384R1(), "P-384", 48),
    "512": (ec.SECP521R1(), "P-521", 66),
}
SIZES = (2048, 2049, 2055, 2056, 3072, 4096)
rsa_keys = [rsa.generate_private_key(e, size) for size, e in zip(SIZES, (3, 65537, 65537, 65537, 3, 65537))]


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def spoilt(data, rng):
    data = bytearray(data)
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(data)


def answer(algorithm, seed):
    """Return the key, the good JWT, the changed one, and whether that is good as well."""
    rng, bits = random.Random(seed), algorithm[2:]
    chosen = HASHES[bits]
    parts = {"alg": algorithm, "kid": "k"}, {"sub": seed}
    signed = ".".join(b64(json.dumps(part).encode()) for part in parts).encode()
    if algorithm.startswith("ES"):
        curve, name, size = CURVES[bits]
        key = ec.generate_private_key(curve)
        public = key.public_key().public_numbers()
        x, y = (b64(number.to_bytes(size, "big")) for number in (public.x, public.y))
        jwk = {"kty": "EC", "crv": name, "x": x, "y": y}
        r, s = decode_dss_signature(key.sign(signed, ec.ECDSA(chosen)))
        signature = r.to_bytes(size, "big") + s.to_bytes(size, "big")

        def verify(signature):
            r, s = (int.from_bytes(half, "big") for half in (signature[:size], signature[size:]))
            key.public_key().verify(encode_dss_signature(r, s), signed, ec.ECDSA(chosen))
    else:
        key = rng.choice(rsa_keys)
        public = key.public_key().public_numbers()
        jwk = {"kty": "RSA", "n": b64(public.n.to_bytes((public.n.bit_length() + 7) // 8, "big"))}
        jwk["e"] = b64(public.e.to_bytes((public.e.bit_length() + 7) // 8, "big"))
        way = padding.PSS(padding.MGF1(chosen), chosen.digest_size) if algorithm[0] == "P" else padding.PKCS1v15()
        signature = key.sign(signed, way, chosen)

        def verify(signature):
            key.public_key().verify(signature, signed, way, chosen)

    wrong = spoilt(signature, rng)
    try:
        verify(wrong)
        good = True
    except InvalidSignature:
        good = False
    tokens = [f"{signed.decode()}.{b64(each)}" for each in (signature, wrong)]
    return [{**jwk, "kid": "k"}, *tokens, good]


for line in sys.stdin:
    print(json.dumps(answer(*json.loads(line))), flush=True)
