"""Wrong types in every field of every answer: the program ends as promised, and keeps what it had."""

import json
import random
import time

import pytest
from storms import few_or_many

WRONG = [None, True, 0, -1, 1e300, "", "x", [], {}, {"a": [{"b": [None]}]}]
FIELDS = {
    "/.well-known/openid-configuration": (
        *("issuer", "authorization_endpoint", "token_endpoint", "device_authorization_endpoint", "userinfo_endpoint"),
        *("revocation_endpoint", "jwks_uri", "token_endpoint_auth_methods_supported", "grant_types_supported"),
        "authorization_response_iss_parameter_supported",
    ),
    "/oauth/device/code": (
        *("device_code", "user_code", "verification_uri", "verification_uri_complete", "expires_in", "interval"),
    ),
    "/oauth/token": ("access_token", "token_type", "expires_in", "refresh_token", "scope", "id_token", "error"),
    "/oauth/userinfo": ("sub", "name", "preferred_username", "email", "email_verified", "updated_at", "iss"),
    "/oauth/tokeninfo": ("active", "user_id", "client_id", "scope", "exp", "iss", "subject_type"),
    "/.well-known/jwks.json": ("keys",),
}
KEY_FIELDS = ("kty", "use", "alg", "kid", "n", "e", "key_ops", "x5c")
ERROR_FIELDS = ("error", "error_description", "error_uri", "interval")
EVERY_FIELD = [(path, field) for path, fields in FIELDS.items() for field in fields]


@pytest.fixture
def server(server):
    server.signing = "RS256"
    return server


@pytest.fixture
def ends_well(authgate):
    """Run a command line in no time, and insist on how it ends; return the exit status."""
    elapsed = [0.0]

    def sleep(seconds):
        elapsed[0] += 100 * seconds  # an `expires_in` of days is waited for, too

    def run(*argv, **how):
        result = authgate(*argv, sleep=sleep, monotonic=lambda: elapsed[0], **how)
        errors = [line for line in result.err.splitlines() if line.startswith("authgate: error: ")]
        assert result.status in (0, 1, 3, 4, 5), result.err
        assert len(errors) == (result.status != 0), result.err
        assert not result.status or result.out == ""
        if "--json" in argv and result.status == 0:
            json.loads(result.out)
        return result.status

    return run


def expired_at_once(token_file, server, before):
    """Tell whether the answer was stored and not passed on: its token is new, and its lifetime is 0."""
    now = json.loads(token_file.read_text())["data"][server.client_id]
    return now["access_token"] != before["access_token"] and now["expires_in"] == 0


def wrong_values(*place):
    """Return what to try in a place: in `make test` some, others in every place."""
    return random.Random(repr(place)).sample(WRONG, few_or_many(2, len(WRONG)))


def spoil_with_each(server, path, field):
    """Give a field one wrong value after the other; stop where the first run did not ask for its document."""
    for value in wrong_values(path, field):
        before = len(server.requests)
        server.clear_misbehaviour()
        server.misbehave(path, times=None, edit=lambda genuine, wrong=value: {**genuine, field: wrong})
        yield
        if all(seen.path != path for seen in server.requests[before:]):
            return


@pytest.mark.parametrize(("path", "field"), EVERY_FIELD)
def test_a_sign_in_ends_as_promised(ends_well, server, path, field):
    for _ in spoil_with_each(server, path, field):
        ends_well("login", "--force", "--flow", "device", "--scope", "openid profile", "--json")


@pytest.mark.parametrize(("path", "field"), EVERY_FIELD)
@pytest.mark.parametrize("command", ["login", "token"])
def test_a_stored_token_outlives_every_answer(ends_well, server, token_file, path, field, command):
    tokens = server.issue("openid profile")
    entry = {**tokens, "expires_at": time.time() + (3600 if command == "login" else -10), "issuer": server.issuer}
    for _ in spoil_with_each(server, path, field):
        token_file.write_text(json.dumps({"data": {server.client_id: entry}}))
        token_file.chmod(0o600)
        before = token_file.read_bytes()
        refused = ends_well(command, "--no-input") != 0
        spent = command == "token" and (not refused or expired_at_once(token_file, server, entry))
        if spent:  # a new one for the next round
            tokens = server.issue("openid profile")
            entry = {**entry, **tokens}
        else:
            assert token_file.read_bytes() == before


@pytest.mark.parametrize("field", KEY_FIELDS)
def test_a_key_with_a_wrong_field_checks_nothing_or_is_passed_over(ends_well, server, field):
    token = server.issue("openid profile")["id_token"]
    good = ends_well("inspect", "--verify", token)
    for value in wrong_values(field):
        server.clear_misbehaviour()
        server.misbehave(
            "/.well-known/jwks.json",
            times=None,
            edit=lambda genuine, wrong=value: {"keys": [{**key, field: wrong} for key in genuine["keys"]]},
        )
        assert ends_well("inspect", "--verify", token) in (good, 1)
    assert good == 0


@pytest.mark.parametrize("path", FIELDS)
@pytest.mark.parametrize("field", ERROR_FIELDS)
def test_an_error_may_be_of_any_type(ends_well, server, path, field):
    for value in wrong_values(path, field):
        server.clear_misbehaviour()
        body = {"error": "invalid_request", "error_description": "for a reason", "interval": 1, field: value}
        server.misbehave(path, times=30, status=400, body=body)
        ends_well("login", "--force", "--flow", "device", "--scope", "openid profile")


@pytest.mark.parametrize("document", [b"null", b"true", b"0", b"[]", b'"x"', b"[{}]", b"{}", b""])
@pytest.mark.parametrize("path", FIELDS)
def test_an_answer_may_be_no_object(ends_well, server, path, document):
    server.misbehave(path, times=30, status=200, body=document)
    ends_well("login", "--force", "--flow", "device", "--scope", "openid profile")
