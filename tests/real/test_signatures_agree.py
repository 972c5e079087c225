"""Signatures made by PyPI's `cryptography` are judged alike by it and by us, good ones and spoilt ones."""

from __future__ import annotations

import json
import random
import subprocess

import pytest
from client import ROOT

from authgate_cli.oauth import jwt, parsing

PEER = ROOT / "tests" / "real" / "signatures_peer.py"
PYTHON = ROOT / ".venv-signatures" / "bin" / "python"
ROUNDS = 40  # of each algorithm


@pytest.fixture(scope="module")
def peer():
    with subprocess.Popen([PYTHON, PEER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:

        def ask(algorithm, seed):
            process.stdin.write(json.dumps([algorithm, seed]) + "\n")
            process.stdin.flush()
            return json.loads(process.stdout.readline())

        yield ask
    assert process.returncode == 0


def is_good(token, jwk):
    try:
        jwt.verify(parsing.decode(token), jwt.parse_keys({"keys": [jwk]}))
    except jwt.WrongSignature:
        return False
    return True


@pytest.mark.parametrize("algorithm", [kind + bits for kind in ("RS", "PS", "ES") for bits in ("256", "384", "512")])
def test_cryptography_and_we_judge_alike(peer, algorithm):
    for count in range(ROUNDS):
        seed = f"{algorithm} {count} {random.random()}"
        jwk, signed, spoilt, good = peer(algorithm, seed)
        assert is_good(signed, jwk), (seed, jwk, signed)
        assert is_good(spoilt, jwk) == good, (seed, jwk, spoilt)
