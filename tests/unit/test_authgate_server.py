"""The stand-in must keep to what an AuthGate server does; every other test leans on it."""

import base64
import hashlib
import http.client
import json
import re
import socket
import threading
import time
import urllib.error
import urllib.request
from contextlib import closing
from http.cookiejar import CookieJar
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from authgate_server import AuthGateServer

DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
REDIRECT_URI = "http://127.0.0.1:8088/callback"
VERIFIER = "v" * 43
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # past any proxy


class Browser:
    """A browser that keeps cookies and stops at the first address that is not the server's."""

    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, request, fp, code, msg, headers, url):
            same = urlsplit(url).netloc == urlsplit(request.full_url).netloc
            return super().redirect_request(request, fp, code, msg, headers, url) if same else None

    def __init__(self):
        cookies = urllib.request.HTTPCookieProcessor(CookieJar())
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), self.Stay(), cookies)

    def open(self, url, **fields):
        """Return status, headers and text."""
        data = urlencode(fields).encode() if fields else None
        try:
            answer = self.opener.open(url, data, timeout=10)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            return answer.status, answer.headers, answer.read().decode()

    def submit(self, server, html, **fields):
        """Fill in the form of a page and send it."""
        hidden = re.findall(r'type="hidden" name="([^"]*)" value="([^"]*)"', html)
        values = {name: value.replace("&amp;", "&") for name, value in hidden}
        action = re.search(r'action="([^"]*)"', html)[1]
        origin = "http://" + urlsplit(server.issuer).netloc
        return self.open(origin + action, **values | fields)

    def sign_in(self, server, html):
        return self.submit(server, html, username="jane", password="secret")


def call(server, path, headers=None, **fields):
    """Send a form (or, without fields, a GET) and return status and parsed JSON."""
    data = urlencode(fields).encode() if fields else None
    request = urllib.request.Request(server.url(path), data, headers or {})
    try:
        answer = DIRECT.open(request, timeout=10)
    except urllib.error.HTTPError as error:
        answer = error
    with answer:
        body = answer.read()
        return answer.status, json.loads(body) if body.startswith(b"{") else body


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


def refresh(server, token, **fields):
    fields = {"client_id": server.client_id} | fields
    return call(server, "/oauth/token", grant_type="refresh_token", refresh_token=token, **fields)


def decode(token):
    """Return header and claims of a JWT."""
    return [json.loads(base64.urlsafe_b64decode(part + "==")) for part in token.split(".")[:2]]


def authorization_url(server, **changes):
    challenge = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest())
    ask = {
        "response_type": "code",
        "client_id": server.client_id,
        "redirect_uri": REDIRECT_URI,
        "scope": "openid profile",
        "state": "a&b",
        "nonce": "n1",
        "code_challenge": challenge.decode().rstrip("="),
        "code_challenge_method": "S256",
    }
    return server.url("/oauth/authorize?" + urlencode(ask | changes))


def authorize(server, decision="allow", **changes):
    """Sign in, decide, and return the parameters of the callback."""
    browser = Browser()
    _, _, page = browser.open(authorization_url(server, **changes))
    status, headers, page = browser.sign_in(server, page)
    if status == 200:
        status, headers, _ = browser.submit(server, page, decision=decision)
    assert status == 302
    address, _, query = headers["Location"].partition("?")
    assert address == changes.get("redirect_uri", REDIRECT_URI)
    return {name: values[0] for name, values in parse_qs(query).items()}


def redeem(server, code, **changes):
    fields = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": REDIRECT_URI,
        "client_id": server.client_id,
        "code_verifier": VERIFIER,
    }
    return call(server, "/oauth/token", **fields | changes)


@pytest.fixture
def server():
    with AuthGateServer() as server:
        yield server


@pytest.mark.parametrize("path", ["", "/tenant/a", "/tenant/"])
def test_discovery_keeps_the_issuer_and_advertises_what_authgate_does(path):
    with AuthGateServer(path=path) as server:
        status, metadata = call(server, "/.well-known/openid-configuration")
        assert status == 200
        assert metadata["issuer"] == server.issuer
        assert metadata["token_endpoint"] == server.issuer.rstrip("/") + "/oauth/token"
        assert not {"jwks_uri", "device_authorization_endpoint"} & metadata.keys()
        assert server.count("GET", "/.well-known/openid-configuration") == 1


def test_what_lies_outside_the_issuer_path_is_not_found():
    with AuthGateServer(path="/tenant/a") as server:
        server.path = ""
        outside = server.url("/oauth/tokeninfo")
        server.path = "/tenant/a"
        assert Browser().open(outside)[0] == 404


def test_code_flow_gives_an_id_token_and_a_user(server):
    callback = authorize(server)
    assert callback.keys() == {"code", "state"} and callback["state"] == "a&b"
    status, tokens = redeem(server, callback["code"])
    assert status == 200
    claims = decode(tokens["id_token"])[1]
    half = hashlib.sha256(tokens["access_token"].encode()).digest()[:16]
    assert claims["at_hash"] == base64.urlsafe_b64encode(half).decode().rstrip("=")
    assert (claims["aud"], claims["nonce"]) == (server.client_id, "n1")
    status, user = call(server, "/oauth/userinfo", bearer(tokens["access_token"]))
    assert (status, user["name"]) == (200, "Jane Doe") and "email" not in user
    secrets = {callback["code"], VERIFIER, tokens["access_token"], tokens["id_token"]}
    assert secrets <= server.secrets()
    assert server.pages_visited == ["/login", "/oauth/authorize"]


def test_a_code_works_once_and_its_second_use_ends_the_grant(server):
    code = authorize(server)["code"]
    assert redeem(server, code, code_verifier="w" * 43)[1]["error"] == "invalid_grant"
    assert redeem(server, code, redirect_uri=REDIRECT_URI + "/")[1]["error"] == "invalid_grant"
    tokens = redeem(server, code)[1]
    assert redeem(server, code)[1]["error"] == "invalid_grant"
    assert not server.family_alive(tokens["refresh_token"])
    assert call(server, "/oauth/tokeninfo", bearer(tokens["access_token"]))[0] == 401


def test_denial_and_refused_parameters_reach_the_client(server):
    server.send_iss = True
    denied = authorize(server, decision="deny")
    said = "User denied the authorization request"
    assert denied == {"error": "access_denied", "error_description": said, "state": "a&b", "iss": server.issuer}
    assert authorize(server, code_challenge_method="plain")["error"] == "invalid_request"
    assert "state" not in authorize(server, state="s" * 1025)
    assert authorize(server, state="s" * 1024)["state"] == "s" * 1024
    assert authorize(server, nonce="n" * 1025)["error"] == "invalid_request"


@pytest.mark.parametrize(
    ("wrong", "error", "description"),
    [
        ({"redirect_uri": REDIRECT_URI + "/"}, "invalid_request", "invalid redirect_uri"),
        ({"client_id": "nobody"}, "unauthorized_client", "unauthorized_client"),
        ({"scope": "openid everything"}, "invalid_scope", "invalid_scope"),
        ({"response_type": "token"}, "unsupported_response_type", "unsupported_response_type"),
    ],
)
def test_what_is_refused_is_told_at_the_address_that_was_asked_for(server, wrong, error, description):
    server.register(scopes="openid profile")
    assert authorize(server, **wrong) == {"error": error, "error_description": description, "state": "a&b"}


def test_without_an_address_the_refusal_is_a_page(server):
    browser = Browser()
    page = browser.open(authorization_url(server, redirect_uri=""))[2]
    status, headers, _ = browser.sign_in(server, page)
    assert (status, headers["Location"]) == (400, None)


def test_a_secret_is_checked_when_a_code_is_redeemed_and_costs_no_code(server):
    client = {"client_id": server.confidential_id}
    code = authorize(server, **client)["code"]
    for secret in ("wrong", ""):
        status, error = redeem(server, code, client_secret=secret, **client)
        assert (status, error["error"]) == (400, "unauthorized_client")
    assert redeem(server, code, client_secret=server.confidential_secret, **client)[0] == 200


@pytest.mark.parametrize("form_only", [True, False])
def test_basic_is_read_for_machines_alone_unless_the_server_is_another_one(server, form_only):
    server.form_secrets_only = form_only
    pair = f"{server.confidential_id}:{server.confidential_secret}".encode()
    basic = {"Authorization": "Basic " + base64.b64encode(pair).decode()}
    code = authorize(server, client_id=server.confidential_id)["code"]
    fields = {"grant_type": "authorization_code", "code": code, "code_verifier": VERIFIER, "redirect_uri": REDIRECT_URI}
    status, answer = call(server, "/oauth/token", basic, **fields)
    assert (status, answer.get("error")) == ((400, "invalid_request") if form_only else (200, None))


def test_a_refresh_asks_neither_for_the_secret_nor_whether_the_client_is_active(server):
    token = server.issue(client_id=server.confidential_id)["refresh_token"]
    server.clients[server.confidential_id].active = False
    assert refresh(server, token, client_id=server.confidential_id)[0] == 200
    error = call(server, "/oauth/device/code", client_id=server.confidential_id)
    assert (error[0], error[1]["error"]) == (400, "invalid_client")


def test_too_many_requests_spend_nothing(server):
    server.rate_limits = True
    code, token = authorize(server)["code"], server.issue()["refresh_token"]
    assert [refresh(server, "unknown")[0] for _ in range(20)] == [400] * 20
    assert (redeem(server, code)[0], refresh(server, token)[0]) == (429, 429)
    server.clock = lambda: time.time() + 61
    assert (redeem(server, code)[0], refresh(server, token)[0]) == (200, 200)


def test_the_address_of_a_device_is_that_of_the_configuration(server):
    server.base_url = server.issuer + "/"
    device = call(server, "/oauth/device/code", client_id=server.client_id)[1]
    assert device["verification_uri"] == server.issuer + "//device"
    assert Browser().open(device["verification_uri"])[0] == 404
    assert call(server, "/.well-known/openid-configuration")[1]["issuer"] == server.issuer


def test_sign_in_wants_the_password_and_leads_nowhere_else(server):
    browser = Browser()
    page = browser.open(server.url("/login?return_to=@elsewhere.example/"))[2]
    assert browser.submit(server, page, username="jane", password="wrong")[0] == 401
    browser.sign_in(server, page)
    assert server.requests[-1].path == "/device"


@pytest.mark.parametrize("decision", ["allow", "deny"])
def test_device_flow_waits_for_a_person(server, decision):
    server.auto_approve = False
    _, device = call(server, "/oauth/device/code", client_id=server.client_id)
    assert (device["expires_in"], device["interval"]) == (1800, 0)
    fields = {"grant_type": DEVICE_GRANT, "device_code": device["device_code"]}
    fields["client_id"] = server.client_id
    assert call(server, "/oauth/token", **fields)[1]["error"] == "authorization_pending"
    browser = Browser()
    page = browser.open(device["verification_uri_complete"])[2]
    page = browser.sign_in(server, page)[2]
    browser.submit(server, page, user_code=device["user_code"].lower(), decision=decision)
    status, tokens = call(server, "/oauth/token", **fields)
    assert status == (200 if decision == "allow" else 400)
    assert "id_token" not in tokens
    assert call(server, "/oauth/token", **fields)[1]["error"] == "access_denied"


def test_device_codes_expire_and_belong_to_a_client(server):
    _, device = call(server, "/oauth/device/code", client_id=server.client_id)
    fields = {"grant_type": DEVICE_GRANT, "device_code": device["device_code"]}
    foreign = call(server, "/oauth/token", client_id=server.confidential_id, **fields)
    assert foreign[1]["error"] == "access_denied"
    server.clock = lambda: time.time() + 1801
    expired = call(server, "/oauth/token", client_id=server.client_id, **fields)
    assert expired == (400, {"error": "expired_token"})
    server.register("no-device", grants={"authorization_code"})
    refused = call(server, "/oauth/device/code", client_id="no-device")
    assert (refused[0], refused[1]["error"]) == (400, "unauthorized_client")


def test_reuse_of_a_rotated_refresh_token_revokes_the_family(server):
    first = server.issue()
    status, second = refresh(server, first["refresh_token"])
    assert status == 200 and second["refresh_token"] != first["refresh_token"]
    assert call(server, "/oauth/tokeninfo", bearer(second["access_token"]))[0] == 200
    assert refresh(server, first["refresh_token"])[1]["error"] == "invalid_grant"
    assert not server.family_alive(second["refresh_token"])
    assert call(server, "/oauth/tokeninfo", bearer(second["access_token"]))[0] == 401


def test_of_fifty_simultaneous_refreshes_one_wins(server):
    token, statuses = server.issue()["refresh_token"], []
    threads = [threading.Thread(target=lambda: statuses.append(refresh(server, token)[0])) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200] + [400] * 49
    assert not server.family_alive(token)


def test_fixed_refresh_tokens_and_foreign_clients(server):
    server.rotation = False
    token = server.issue()["refresh_token"]
    assert refresh(server, token)[1]["refresh_token"] == token
    status, error = refresh(server, token, client_id=server.confidential_id)
    assert (status, error["error"]) == (401, "invalid_client")


def test_machines_get_no_user_and_no_refresh_token(server):
    pair = f"{server.confidential_id}:{server.confidential_secret}".encode()
    basic = {"Authorization": "Basic " + base64.b64encode(pair).decode()}
    status, tokens = call(server, "/oauth/token", basic, grant_type="client_credentials")
    assert status == 200 and "refresh_token" not in tokens
    assert call(server, "/oauth/userinfo", bearer(tokens["access_token"]))[0] == 401
    info = call(server, "/oauth/tokeninfo", bearer(tokens["access_token"]))[1]
    assert info["subject_type"] == "client"
    fields = {"grant_type": "client_credentials", "client_id": server.confidential_id}
    fields["client_secret"] = server.confidential_secret
    assert call(server, "/oauth/token", scope="openid", **fields)[1]["error"] == "invalid_scope"
    server.register(server.confidential_id, scopes="read write")
    assert call(server, "/oauth/token", **fields)[1]["scope"] == "read write"
    assert call(server, "/oauth/token", scope="read email", **fields)[1]["error"] == "invalid_scope"
    fields["client_secret"] = "wrong"
    assert call(server, "/oauth/token", **fields)[0] == 401


def test_revocation_always_says_yes_and_takes_one_token(server):
    tokens = server.issue()
    for token in (tokens["refresh_token"], "unknown"):
        assert call(server, "/oauth/revoke", token=token) == (200, b"")
    assert refresh(server, tokens["refresh_token"])[0] == 400
    assert call(server, "/oauth/tokeninfo", bearer(tokens["access_token"]))[0] == 200
    assert call(server, "/oauth/revoke", token_type_hint="access_token")[0] == 400
    call(server, "/oauth/revoke", token=tokens["access_token"])
    assert call(server, "/oauth/tokeninfo", bearer(tokens["access_token"]))[0] == 401


def test_rate_limits_answer_in_the_language_asked_for(server):
    server.rate_limits = True
    statuses = [refresh(server, "unknown")[0] for _ in range(21)]
    assert statuses == [400] * 20 + [429]
    html = {"Accept": "text/html"}
    assert b"<h1>Rate Limit" in call(server, "/oauth/token", html, grant_type="x")[1]
    server.clock = lambda: time.time() + 61
    assert refresh(server, "unknown")[0] == 400


def test_rs256_signatures_match_the_published_key():
    with AuthGateServer(signing="RS256") as server:
        message, _, signature = server.issue()["access_token"].rpartition(".")
        key = call(server, "/.well-known/jwks.json")[1]["keys"][0]
        n, e, s = (
            int.from_bytes(base64.urlsafe_b64decode(text + "=="), "big") for text in (key["n"], key["e"], signature)
        )
        digest = hashlib.sha256(message.encode()).digest()
        assert pow(s, e, n).to_bytes(256, "big").endswith(digest)
        assert decode(message)[0]["kid"] == key["kid"]


@pytest.mark.parametrize(("drop", "happened"), [("before", False), ("after", True)])
def test_a_dropped_answer_may_have_taken_effect(server, drop, happened):
    token = server.issue()["refresh_token"]
    server.misbehave("/oauth/token", drop=drop)
    with pytest.raises(http.client.RemoteDisconnected):
        refresh(server, token)
    assert refresh(server, token)[0] == (400 if happened else 200)


def test_faults_are_taken_in_turn_by_the_requests_they_pick(server):
    token = server.issue()["refresh_token"]
    is_refresh = {"grant_type": "refresh_token"}.items()
    picky = {"when": lambda seen: is_refresh <= seen.form.items()}
    server.misbehave("/oauth/token", status=503, headers={"retry-after": "1"}, times=2, **picky)
    server.misbehave("/oauth/token", edit=lambda answer: answer | {"edited": True})
    status, error = call(server, "/oauth/token", grant_type="x")
    assert (status, error["error"], error["edited"]) == (400, "unsupported_grant_type", True)
    assert [refresh(server, token)[0] for _ in range(3)] == [503, 503, 200]


def test_faults_on_the_wire(server):
    path = "/oauth/tokeninfo"
    server.misbehave(path, raw=b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
    assert call(server, path) == (200, {})
    server.misbehave(path, body={"a": 1}, drop="body")
    with pytest.raises(http.client.IncompleteRead):
        call(server, path)
    server.misbehave(path, body=b"x", trickle=0.001, delay=0.1)
    before = time.monotonic()
    assert call(server, path) == (200, b"x")
    assert time.monotonic() - before > 0.2
    server.misbehave(path, times=None, status=500)
    server.clear_misbehaviour()
    assert call(server, path)[0] == 401


def test_stop_ends_idle_and_waiting_connections_at_once():
    server = AuthGateServer(host="localhost").start()
    server.misbehave("/slow", times=None, delay=60)
    here = ("127.0.0.1", server.port)
    with closing(http.client.HTTPConnection(*here)) as idle, socket.create_connection(here) as slow:
        for _ in range(2):  # both on one connection
            idle.request("GET", "/favicon.ico")
            assert idle.getresponse().read() == b"404 page not found"
        slow.sendall(b"GET /slow HTTP/1.1\r\n\r\n")
        before = time.monotonic()
        server.stop()
        assert time.monotonic() - before < 1
        assert slow.recv(1) == idle.sock.recv(1) == b""
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(here)
    with server:
        assert server.port == here[1]


def test_wrong_methods_are_refused(server):
    assert call(server, "/oauth/token")[0] == 405
    assert call(server, "/oauth/tokeninfo", x="1")[0] == 405
