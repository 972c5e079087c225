"""`logout`: revoke refresh and access token, then forget them whatever the server said."""

import json

import pytest

AT_ONCE = {"Retry-After": "0"}  # so that a retry takes no time


def stored(token_file, server) -> dict:
    return json.loads(json.loads(token_file.read_text())["data"][server.client_id])


def revoked(server) -> list:
    return [
        (seen.form["token_type_hint"], seen.form["token"]) for seen in server.requests if seen.path == "/oauth/revoke"
    ]


def test_refresh_token_is_revoked_first_then_the_access_token(authgate, server, token_file):
    authgate("--flow", "device")
    tokens = stored(token_file, server)

    result = authgate("logout")

    assert result == (0, f"Signed out of {server.issuer}.\n", "")
    assert revoked(server) == [(name, tokens[name]) for name in ("refresh_token", "access_token")]
    assert not server.family_alive(tokens["refresh_token"])
    assert authgate("status", env={"AUTHGATE_TOKEN": tokens["access_token"]}).status == 4
    assert authgate("token").status == 4


def test_nothing_but_this_entry_is_forgotten(authgate, server, token_file):
    token_file.write_text(json.dumps({"data": {"other": "kept"}, "extra": [1]}))
    token_file.chmod(0o600)
    authgate("--flow", "device")

    authgate("logout")

    assert json.loads(token_file.read_text()) == {"data": {"other": "kept"}, "extra": [1]}


def test_nothing_stored_is_no_error_and_no_request(authgate, server, token_file):
    result = authgate("logout")

    assert result == (0, f"Nobody was signed in to {server.issuer}.\n", "")
    assert server.requests == []
    assert not token_file.exists()


def test_revocation_that_is_not_offered_is_said_and_no_error(authgate, server, token_file):
    authgate("--flow", "device")
    server.revocation = False

    result = authgate("logout")

    assert result == (0, f"Signed out here; {server.issuer} does not offer revocation.\n", "")
    assert authgate("token").status == 4


@pytest.mark.parametrize(
    ("path", "fault", "status"),
    [
        ("/oauth/revoke", {"status": 401, "body": {"error": "invalid_client"}}, 1),
        ("/oauth/revoke", {"status": 400, "body": {"error": "unsupported_token_type"}}, 1),
        ("/oauth/revoke", {"status": 403}, 1),
        ("/oauth/revoke", {"status": 503, "headers": AT_ONCE}, 3),
        ("/oauth/revoke", {"status": 429, "headers": AT_ONCE}, 3),
        ("/oauth/revoke", {"drop": "before"}, 3),
        ("/.well-known/openid-configuration", {"status": 503, "headers": AT_ONCE}, 3),
        ("/.well-known/openid-configuration", {"status": 404}, 1),
    ],
    ids=str,
)
@pytest.mark.parametrize("switches", [(), ("--json",)], ids=str)
def test_tokens_that_cannot_be_revoked_are_forgotten_all_the_same(authgate, server, path, fault, status, switches):
    authgate("--flow", "device")
    server.misbehave(path, times=None, **fault)

    result = authgate("logout", *switches)

    assert (result.status, result.out) == (status, "")
    assert "authgate: hint: the tokens are forgotten here" in result.err
    assert authgate("token").status == 4


def test_server_that_is_down_is_exit_3(authgate, server):
    authgate("--flow", "device")
    server.stop()

    result = authgate("logout")

    assert (result.status, result.out) == (3, "")
    assert "forgotten here" in result.err
    assert authgate("token").status == 4


def test_refusal_of_the_refresh_token_leaves_the_access_token_to_be_revoked(authgate, server, token_file):
    authgate("--flow", "device")
    access_token = stored(token_file, server)["access_token"]
    server.misbehave("/oauth/revoke", status=400, body={"error": "unsupported_token_type"})

    result = authgate("logout")

    assert result.status == 1
    assert authgate("status", env={"AUTHGATE_TOKEN": access_token}).status == 4


def test_server_that_is_away_is_not_asked_again(authgate, server):
    authgate("--flow", "device")
    server.misbehave("/oauth/revoke", times=None, status=503, headers=AT_ONCE)

    authgate("logout")

    assert len(revoked(server)) == 1


@pytest.mark.parametrize(
    ("prepare", "document"),
    [
        (lambda authgate, server: authgate("--flow", "device"), {"signed_out": True, "revoked": True}),
        (lambda authgate, server: None, {"signed_out": False, "revoked": False}),
    ],
    ids=["signed in", "nobody"],
)
def test_json_says_what_was_done(authgate, server, prepare, document):
    prepare(authgate, server)

    assert json.loads(authgate("logout", "--json").out) == document


def test_json_tells_forgotten_from_revoked(authgate, server):
    authgate("--flow", "device")
    server.revocation = False

    assert json.loads(authgate("logout", "--json").out) == {"signed_out": True, "revoked": False}


def test_confidential_client_proves_itself(authgate, server):
    confidential = {"CLIENT_ID": server.confidential_id, "CLIENT_SECRET": server.confidential_secret}
    authgate("token", "--flow", "client-credentials", env=confidential)

    assert authgate("logout", env=confidential).status == 0

    asked = [seen for seen in server.requests if seen.path == "/oauth/revoke"]
    assert [seen.form["client_secret"] for seen in asked] == [server.confidential_secret]


def test_ready_token_stays_in_force_and_that_is_said(authgate, server):
    result = authgate("logout", env={"AUTHGATE_TOKEN": "ready-made"})

    assert result.status == 0
    assert "warning: AUTHGATE_TOKEN is set and stays in force" in result.err


def test_another_servers_token_is_left_alone(authgate, server, token_file):
    authgate("--flow", "device")
    before = token_file.read_bytes()

    result = authgate("logout", env={"AUTHGATE_URL": "http://127.0.0.1:9"})

    assert result.status == 0
    assert token_file.read_bytes() == before


def test_corrupt_file_is_exit_5_and_left_as_it_is(authgate, token_file):
    token_file.write_text("{")
    token_file.chmod(0o600)

    result = authgate("logout")

    assert (result.status, result.out) == (5, "")
    assert token_file.read_text() == "{"
