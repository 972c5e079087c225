"""Secrets go to the endpoints of the server that was asked for, and no redirect takes them elsewhere."""

import json

import pytest
from authgate_server import AuthGateServer

DISCOVERY, JWKS = "/.well-known/openid-configuration", "/.well-known/jwks.json"
TOKEN, DEVICE, REVOKE = "/oauth/token", "/oauth/device/code", "/oauth/revoke"
USERINFO, TOKENINFO = "/oauth/userinfo", "/oauth/tokeninfo"
BY_DEVICE = ("login", "--flow", "device")


@pytest.fixture
def elsewhere(server):
    """Another server, which knows the client and keeps a record of whatever reaches it."""
    with AuthGateServer(client_id=server.client_id, device_interval=0) as elsewhere:
        yield elsewhere


@pytest.fixture
def machine(server):
    return {"CLIENT_ID": server.confidential_id, "CLIENT_SECRET": server.confidential_secret}


def redirect(server, path, elsewhere, status):
    server.misbehave(path, times=None, status=status, headers={"Location": f"{elsewhere.issuer}{path}"})


def expire(token_file):
    document = json.loads(token_file.read_text())
    for client_id, entry in document["data"].items():
        document["data"][client_id] = json.dumps({**json.loads(entry), "expires_at": 1})
    token_file.write_text(json.dumps(document))


REDIRECTED = {
    "device authorization": (DEVICE, BY_DEVICE),
    "token": (TOKEN, (*BY_DEVICE, "--force")),
    "refresh": (TOKEN, ("token",)),
    "UserInfo": (USERINFO, ("login",)),
    "TokenInfo": (TOKENINFO, ("login",)),
    "revocation": (REVOKE, ("logout",)),
    "keys": (JWKS, (*BY_DEVICE, "--force", "--scope", "openid")),
    "discovery": (DISCOVERY, ("login",)),
}


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(("path", "command"), REDIRECTED.values(), ids=REDIRECTED)
def test_no_redirect_is_followed_to_another_server(authgate, server, elsewhere, token_file, path, command, status):
    if command != BY_DEVICE:
        authgate(*BY_DEVICE)
    if command == ("token",):
        expire(token_file)
    server.signing = "RS256"
    redirect(server, path, elsewhere, status)
    elapsed = [0.0]

    def sleep(seconds):
        elapsed[0] += 100 * seconds

    result = authgate(*command, sleep=sleep, monotonic=lambda: elapsed[0])

    assert elsewhere.requests == []
    assert elsewhere.issuer not in result.out + result.err
    assert server.count("GET", path) + server.count("POST", path) > 0
    assert (result.status == 0) is (path == TOKENINFO), result.err  # which is a side dish


@pytest.mark.parametrize("status", [302, 307])
def test_the_secret_of_a_client_follows_no_redirect(authgate, server, elsewhere, machine, status):
    redirect(server, TOKEN, elsewhere, status)

    result = authgate("token", "--flow", "client-credentials", env=machine)

    assert (result.status, result.out) == (1, "")
    assert elsewhere.requests == []


def test_an_authorization_header_goes_to_the_endpoints_of_the_document_alone(
    authgate, server, robot, callback, machine
):
    """The whole life of a token, of a person and of a machine that proves itself by Basic."""
    server.signing, server.form_secrets_only = "RS256", False
    server.misbehave(DISCOVERY, times=None, edit=lambda told: {**told, **BASIC})
    server.register(server.confidential_id, redirect_uris=[callback])
    server.clients[server.confidential_id].grants |= {"refresh_token"}

    for command in (
        ("login", "--scope", "openid", "--redirect-uri", callback),
        ("status",),
        ("inspect", "--verify"),
        ("doctor",),
        ("logout",),
    ):
        authgate(*command, browser=robot(), env=machine)

    with_header = {seen.path for seen in server.requests if seen.headers["Authorization"]}
    assert with_header == {TOKEN, DEVICE, USERINFO, TOKENINFO, REVOKE}
    without = {seen.path for seen in server.requests} - with_header
    assert {DISCOVERY, JWKS, "/oauth/authorize"} <= without


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_the_secret_does_not_go_to_an_endpoint_that_is_only_assumed(authgate, server, machine, method):
    """This server is no AuthGate, and its document names no device endpoint."""
    changes = {"token_endpoint_auth_methods_supported": [method], "token_endpoint": server.issuer + TOKEN + "?x=y"}
    server.misbehave(DISCOVERY, times=None, edit=lambda told: {**told, **changes})

    authgate(*BY_DEVICE, env=machine)

    [asked] = [seen for seen in server.requests if seen.path == DEVICE]
    assert asked.headers["Authorization"] is None
    assert "client_secret" not in asked.form


def test_a_device_flow_that_needs_the_secret_at_an_assumed_endpoint_is_not_available(authgate, server, machine):
    changes = {"token_endpoint": server.issuer + TOKEN + "?x=y"}
    server.misbehave(DISCOVERY, times=None, edit=lambda told: {**told, **changes})
    server.misbehave(DEVICE, times=None, status=401, body={"error": "invalid_client"})

    result = authgate(*BY_DEVICE, env=machine)

    assert (result.status, result.out) == (1, "")
    assert "the client secret is not sent to an assumed one" in result.err
    assert "use --flow browser" in result.err and "check CLIENT_ID" not in result.err


BASIC = {"token_endpoint_auth_methods_supported": ["client_secret_basic"]}


def test_nothing_is_sent_to_the_endpoints_of_a_document_that_is_not_the_servers_own(authgate, server, elsewhere):
    authgate(*BY_DEVICE)
    before = len(server.requests)

    def forged(told):
        ours, theirs = server.issuer, elsewhere.issuer
        return {name: value.replace(ours, theirs) if isinstance(value, str) else value for name, value in told.items()}

    server.misbehave(DISCOVERY, times=None, edit=forged)

    for command in (("login",), ("login", "--flow", "device", "--force"), ("status",), ("logout",)):
        assert authgate(*command).status == 1
    assert elsewhere.requests == []
    assert {seen.path for seen in server.requests[before:]} == {DISCOVERY}


@pytest.mark.parametrize("name", ["token_endpoint", "userinfo_endpoint", "revocation_endpoint", "jwks_uri"])
def test_an_endpoint_on_plain_http_is_refused_before_anything_is_sent(authgate, server, name):
    authgate(*BY_DEVICE)
    before = len(server.requests)
    server.misbehave(DISCOVERY, times=None, edit=lambda told: {**told, name: "http://auth.example.com/endpoint"})

    result = authgate("login")

    assert (result.status, result.out) == (1, "")
    assert f"the server's {name} is not https" in result.err
    assert "hint: ask the operator of the server to put its endpoints on https" in result.err
    assert {seen.path for seen in server.requests[before:]} == {DISCOVERY}


def test_a_server_on_plain_http_is_refused_with_the_address_over_https(authgate, server):
    result = authgate("login", env={"AUTHGATE_URL": "http://auth.example.com"})

    assert (result.status, result.out) == (2, "")
    assert "https://auth.example.com" in result.err


def test_no_token_is_in_the_address_of_a_request(authgate, server, robot, callback):
    for command in (("login", "--scope", "openid", "--redirect-uri", callback), ("login",), ("status",), ("logout",)):
        assert authgate(*command, browser=robot()).status == 0

    asked = " ".join(f"{seen.path} {seen.query}" for seen in server.requests)
    assert "code_challenge" in asked
    assert not any(secret in asked for secret in server.secrets())
