"""PKCE as RFC 7636 has it: 32 random bytes, S256."""

from __future__ import annotations

import re
import secrets

from authgate_cli.oauth.authorization import challenge, new_secret


def test_the_challenge_is_that_of_appendix_b():
    verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    assert challenge(verifier) == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def test_the_verifier_is_that_of_appendix_b():
    random = bytes.fromhex("7418dfb49799e0254ffa607dd8adbbba16d4254d69d6bff05b58055853848d79")
    assert new_secret(lambda count: random) == "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"


def test_a_secret_is_43_unreserved_characters():
    assert re.fullmatch(r"[A-Za-z0-9._~-]{43}", new_secret(secrets.token_bytes))


def test_a_secret_is_made_of_32_random_bytes():
    asked = []
    new_secret(lambda count: asked.append(count) or bytes(count))
    assert asked == [32]
