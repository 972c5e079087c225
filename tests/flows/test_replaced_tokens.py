"""What becomes of a person's tokens that a new sign-in replaces, and of a dead refresh token."""

import json

import pytest


def stored(token_file, server) -> dict:
    return json.loads(json.loads(token_file.read_text())["data"][server.client_id])


def revoked(server) -> list[str]:
    return [seen.form["token"] for seen in server.requests if seen.path == "/oauth/revoke"]


def test_an_authgate_is_asked_to_revoke_them_once_the_new_ones_are_kept(authgate, server, token_file):
    authgate("--flow", "device")
    old = stored(token_file, server)
    kept = []

    def look(seen):
        kept.append(stored(token_file, server)["access_token"] != old["access_token"])
        return False

    server.misbehave("/oauth/revoke", times=None, when=look)

    assert authgate("login", "--force", "--flow", "device").status == 0
    assert revoked(server) == [old["refresh_token"], old["access_token"]]
    assert kept == [True, True]
    assert server.family_alive(stored(token_file, server)["refresh_token"])


def test_what_is_stored_when_the_new_ones_are_kept_is_revoked(authgate, server, token_file):
    """Somebody has refreshed, or has signed in as well, while this sign-in was waiting."""
    authgate("--flow", "device")
    meanwhile = server.issue()

    def somebody_signs_in(seen):
        if seen.form.get("grant_type", "").endswith("device_code"):
            entry = {**stored(token_file, server), **meanwhile}
            token_file.write_text(json.dumps({"data": {server.client_id: json.dumps(entry)}}))
        return False

    server.misbehave("/oauth/token", times=None, when=somebody_signs_in)

    assert authgate("login", "--force", "--flow", "device").status == 0
    assert revoked(server) == [meanwhile["refresh_token"], meanwhile["access_token"]]


def test_elsewhere_nothing_is_revoked(authgate, server, token_file):
    """Many servers would end the new tokens together with the old ones."""
    authgate("--flow", "device")
    path = "/.well-known/openid-configuration"
    server.misbehave(
        path, times=None, edit=lambda told: {**told, "token_endpoint": told["token_endpoint"] + "?at=elsewhere"}
    )

    authgate("login", "--force", "--flow", "device")

    assert revoked(server) == []


def test_an_entry_that_does_not_record_this_issuer_is_not_revoked(authgate, server, token_file):
    authgate("--flow", "device")
    document = json.loads(token_file.read_text())
    entry = stored(token_file, server)
    del entry["issuer"]  # as other clients write it
    document["data"][server.client_id] = json.dumps(entry)
    token_file.write_text(json.dumps(document))

    assert authgate("login", "--force", "--flow", "device").status == 0
    assert revoked(server) == []


def test_a_denied_sign_in_revokes_and_replaces_nothing(authgate, server, token_file):
    authgate("--flow", "device")
    before = token_file.read_bytes()
    server.misbehave("/oauth/token", status=400, body={"error": "access_denied"})

    assert authgate("login", "--force", "--flow", "device").status == 4
    assert revoked(server) == []
    assert token_file.read_bytes() == before


def test_a_refresh_revokes_nothing(authgate, server, token_file):
    server.access_ttl = 1
    authgate("--flow", "device")

    assert authgate("token", "--min-ttl", "100").status == 0
    assert revoked(server) == []


def test_that_revoking_failed_is_no_failure(authgate, server, token_file):
    authgate("--flow", "device")
    server.misbehave("/oauth/revoke", status=400, body={"error": "unsupported_token_type"})

    result = authgate("login", "--force", "--flow", "device", "--verbose")

    assert result.status == 0
    assert "the replaced tokens could not be revoked" in result.err


@pytest.mark.parametrize(
    "code",
    [
        *("invalid_grant", "invalid_request", "invalid_token", "expired_token"),
        *("interaction_required", "login_required", "consent_required"),
    ],
)
def test_a_dead_refresh_token_needs_a_sign_in_whatever_the_server_calls_it(authgate, server, code):
    server.access_ttl = 0
    authgate("--flow", "device")
    server.misbehave("/oauth/token", times=None, status=400, body={"error": code})

    result = authgate("token")

    assert (result.status, result.out) == (4, "")
    assert "sign in again" in result.err


@pytest.mark.parametrize("way", ["refresh", "sign-in"])
def test_a_token_that_could_not_be_saved_is_named_although_the_check_fails_too(authgate, server, token_file, way):
    if way == "refresh":
        authgate("--flow", "device")
        entry = {**stored(token_file, server), "expires_at": 1}
        token_file.write_text(json.dumps({"data": {server.client_id: json.dumps(entry)}}))

    def spoil(seen):
        token_file.unlink(missing_ok=True)
        token_file.mkdir()
        return False

    server.misbehave("/oauth/token", times=None, when=spoil)
    server.misbehave("/oauth/userinfo", times=None, status=500)

    result = authgate("login", "--flow", "device")

    assert (result.status, result.out) == (3, "")
    assert "token could not be saved" in result.err
