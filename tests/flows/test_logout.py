"""`logout`: revoke refresh and access token, then forget them whatever the server said."""

import json

import pytest
from authgate_server import AuthGateServer

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


@pytest.mark.parametrize("other", ["in the older map", "under another key"])
def test_each_token_of_the_client_is_revoked_and_forgotten(authgate, server, token_file, other):
    authgate("--flow", "device")
    second = server.issue()
    entry = {"access_token": second["access_token"], "refresh_token": second["refresh_token"], "issuer": server.issuer}
    document = json.loads(token_file.read_text())
    if other == "in the older map":
        document["tokens"] = {server.client_id: entry}
    else:
        document["data"][f"{server.client_id}@{server.issuer}"] = json.dumps({**entry, "client_id": server.client_id})
    token_file.write_text(json.dumps(document))

    assert authgate("logout").status == 0
    assert not server.family_alive(second["refresh_token"])
    assert "access_token" not in token_file.read_text()
    assert authgate("token").status == 4


OPAQUE = {"access_token": "opaque", "refresh_token": "opaque-refresh"}


def test_a_token_of_the_client_that_names_no_issuer_is_revoked_too(authgate, server, token_file):
    authgate("--flow", "device")
    document = json.loads(token_file.read_text())
    token_file.write_text(json.dumps({**document, "tokens": {server.client_id: OPAQUE}}))

    assert authgate("logout").status == 0
    assert ("refresh_token", "opaque-refresh") in revoked(server)
    assert json.loads(token_file.read_text()) == {"data": {}, "tokens": {}}


@pytest.mark.parametrize("issuer", ["", "OURS"], ids=["no issuer", "our issuer"])
def test_what_is_revoked_is_forgotten_also_beside_a_token_of_another_server(authgate, server, token_file, issuer):
    other = {"access_token": "theirs", "issuer": "https://other.example"}
    ours = {**OPAQUE, "issuer": issuer and server.issuer}
    token_file.touch(0o600)
    token_file.write_text(json.dumps({"data": {server.client_id: other}, "tokens": {server.client_id: ours}}))

    assert authgate("logout").status == 0
    assert ("refresh_token", "opaque-refresh") in revoked(server)
    assert json.loads(token_file.read_text()) == {"data": {server.client_id: other}, "tokens": {}}


def test_a_token_under_the_key_of_another_server_is_not_sent_to_this_one(authgate, server, token_file):
    text = json.dumps(
        {"data": {f"{server.client_id}@https://other.example": {**OPAQUE, "client_id": server.client_id}}}
    )
    token_file.touch(0o600)
    token_file.write_text(text)

    assert authgate("logout").status == 0
    assert (revoked(server), token_file.read_text()) == ([], text)


def test_all_leaves_a_token_that_names_no_issuer_where_it_is(authgate, server, token_file):
    authgate("--flow", "device")
    document = json.loads(token_file.read_text())
    token_file.write_text(json.dumps({**document, "tokens": {server.client_id: OPAQUE}}))

    result = authgate("logout", "--all")

    assert result.status == 0 and "was not deleted" in result.err
    assert json.loads(token_file.read_text()) == {"data": {}, "tokens": {server.client_id: OPAQUE}}


def test_signing_out_twice_is_no_error_without_settings_either(authgate, server):
    authgate("--flow", "device")
    unset = {"AUTHGATE_URL": None, "CLIENT_ID": None}

    assert authgate("logout", env=unset).status == 0
    assert authgate("logout", env=unset) == (0, "Not signed in.\n", "")
    assert json.loads(authgate("logout", "--json", env=unset).out) == {"signed_out": False, "revoked": False}


def test_what_is_left_is_named_without_settings_too(authgate, token_file):
    corrupt = token_file.with_name(token_file.name + ".corrupt")
    corrupt.touch()

    result = authgate("logout", env={"AUTHGATE_URL": None, "CLIENT_ID": None, "AUTHGATE_TOKEN": "given"})

    assert (result.status, result.out) == (0, "Not signed in.\n")
    assert f"{corrupt} may still contain old tokens" in result.err
    assert "AUTHGATE_TOKEN is still set" in result.err


def test_nothing_but_this_entry_is_forgotten(authgate, server, token_file):
    token_file.write_text(json.dumps({"data": {"other": "kept"}, "extra": [1]}))
    token_file.chmod(0o600)
    authgate("--flow", "device")

    authgate("logout")

    assert json.loads(token_file.read_text()) == {"data": {"other": "kept"}, "extra": [1]}


def test_nothing_stored_is_no_error_and_no_request(authgate, server, token_file):
    result = authgate("logout")

    assert result == (0, f"Not signed in to {server.issuer}.\n", "")
    assert server.requests == []
    assert not token_file.exists()


def test_revocation_that_is_not_offered_is_said_and_no_error(authgate, server, token_file):
    authgate("--flow", "device")
    server.revocation = False
    said = f"Signed out here; {server.issuer} does not offer revocation: the tokens live until they expire.\n"

    assert authgate("logout") == (0, said, "")
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
    assert "authgate: hint: the tokens were deleted here" in result.err
    assert authgate("token").status == 4


def test_server_that_is_down_is_exit_3(authgate, server):
    authgate("--flow", "device")
    server.stop()

    result = authgate("logout")

    assert (result.status, result.out) == (3, "")
    assert "deleted here" in result.err
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
    assert "warning: AUTHGATE_TOKEN is still set" in result.err


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


# -- what was left over


def left_over(token_file, *names) -> list:
    paths = [token_file.with_name(token_file.name + name) for name in names]
    for path in paths:
        path.write_text('{"data": {')
        path.chmod(0o600)
    return paths


LEFT_OVER = (".corrupt", ".corrupt-2", ".4242-0123abcd.tmp")


def test_files_left_over_are_named_and_stay(authgate, server, token_file):
    authgate("--flow", "device")
    paths = left_over(token_file, *LEFT_OVER)

    result = authgate("logout")

    assert (result.status, result.out) == (0, f"Signed out of {server.issuer}.\n")
    [line] = result.err.splitlines()
    assert all(str(path) in line and path.exists() for path in paths)
    assert "logout --all" in line


def test_all_removes_the_files_left_over_and_nothing_else(authgate, token_file, home):
    left_over(token_file, *LEFT_OVER)
    left_over(token_file, ".corrupt.mine", ".bak")

    result = authgate("logout", "--all")

    assert result == (0, "Not signed in.\n", "")
    assert sorted(path.name for path in home.iterdir()) == [f"{token_file.name}.bak", f"{token_file.name}.corrupt.mine"]


# -- every stored token


@pytest.fixture
def second(server):
    with AuthGateServer(device_interval=0) as second:
        yield second


def entry(issued: dict, **fields) -> str:
    return json.dumps({**issued, "expires_at": "", **fields})


def test_all_revokes_every_token_at_its_own_server_in_the_name_of_its_own_client(authgate, server, second, token_file):
    server.register("another-client")
    ours, another, legacy, elsewhere = (
        server.issue(),
        server.issue(client_id="another-client"),
        server.issue(),
        second.issue(),
    )
    other_key = f"{second.client_id}@{second.issuer}"
    document = {
        "data": {
            server.client_id: entry(ours, issuer=server.issuer, client_id=server.client_id),
            "another-client": entry(another),  # bash-cli records neither; the token itself names the issuer
            other_key: entry(elsewhere, issuer=second.issuer, client_id=second.client_id),
        },
        "tokens": {server.client_id: {**legacy, "issuer": server.issuer}},
        "extra": 1,
    }
    token_file.write_text(json.dumps(document))
    token_file.chmod(0o600)
    unset = {"AUTHGATE_URL": None, "CLIENT_ID": None}

    result = authgate("logout", "--all", env=unset)

    assert (result.status, result.err) == (0, "")
    assert result.out == (
        f"Signed out of {server.issuer} as client {server.client_id}.\n"
        f"Signed out of {server.issuer} as client another-client.\n"
        f"Signed out of {second.issuer} as client {second.client_id}.\n"
    )
    kinds = ("refresh_token", "access_token")
    assert {token for _, token in revoked(server)} == {one[kind] for one in (ours, another, legacy) for kind in kinds}
    assert revoked(second) == [(kind, elsewhere[kind]) for kind in kinds]
    assert [seen.form["client_id"] for seen in server.requests if seen.path == "/oauth/revoke"][-2:] == [
        "another-client"
    ] * 2
    assert json.loads(token_file.read_text()) == {"data": {}, "tokens": {}, "extra": 1}


def test_secret_goes_to_nobody_but_its_own_client_at_its_own_server(authgate, server, second, token_file):
    secret = {"CLIENT_ID": server.confidential_id, "CLIENT_SECRET": server.confidential_secret}
    authgate("token", "--flow", "client-credentials", env=secret)
    document = json.loads(token_file.read_text())
    document["data"]["elsewhere"] = entry(second.issue(), issuer=second.issuer, client_id=server.confidential_id)
    document["data"]["another"] = entry(server.issue(), issuer=server.issuer, client_id=server.client_id)
    token_file.write_text(json.dumps(document))

    assert authgate("logout", "--all", env=secret).status == 0

    with_secret = [seen.form["client_id"] for seen in server.requests if "client_secret" in seen.form]
    assert set(with_secret) == {server.confidential_id}
    assert second.requests
    assert all(
        "client_secret" not in seen.form and "authorization" not in {name.lower() for name in seen.headers}
        for seen in second.requests
    )


@pytest.mark.parametrize("json_switch", [(), ("--json",)], ids=str)
def test_server_that_is_away_keeps_no_other_from_being_asked(authgate, server, second, token_file, json_switch):
    data = {
        "away": entry(second.issue(), issuer=second.issuer),
        "refused": entry(server.issue(), issuer="http://auth.example.com"),  # in the clear: nothing is sent there
        server.client_id: entry(server.issue(), issuer=server.issuer),
    }
    token_file.write_text(json.dumps({"data": data}))
    token_file.chmod(0o600)
    second.stop()

    result = authgate("logout", "--all", *json_switch)

    assert (result.status, result.out) == (3, "")
    warning, error, hint = result.err.splitlines()
    assert warning.startswith("authgate: warning: http://auth.example.com: ")
    assert error.startswith(f"authgate: error: {second.issuer}: ")
    assert hint.startswith("authgate: hint: the tokens were deleted here")
    assert len(revoked(server)) == 2
    assert json.loads(token_file.read_text()) == {"data": {}}


def test_token_of_an_unknown_server_is_left_alone_and_that_is_said(authgate, server, token_file):
    opaque = {"access_token": "opaque", "refresh_token": "also-opaque", "expires_at": ""}
    token_file.write_text(json.dumps({"data": {"whose": json.dumps(opaque)}}))
    token_file.chmod(0o600)
    before = token_file.read_bytes()

    result = authgate("logout", "--all")

    assert (result.status, result.out) == (0, "Not signed in.\n")
    assert "the stored token of whose does not name its server; it was not deleted" in result.err
    assert (token_file.read_bytes(), server.requests) == (before, [])


def test_all_as_json(authgate, server, token_file):
    authgate("--flow", "device")

    assert json.loads(authgate("logout", "--all", "--json").out) == {"signed_out": True, "revoked": True}
    assert json.loads(authgate("logout", "--all", "--json").out) == {"signed_out": False, "revoked": False}


def test_lock_that_cannot_be_relied_on_keeps_nobody_from_signing_out(authgate, token_file):
    authgate("--flow", "device")
    token_file.with_name(token_file.name + ".refresh").mkdir()

    result = authgate("logout", "--verbose")

    assert result.status == 0
    assert "continuing without a lock" in result.err
