"""The main job: what a person sees, and which requests it takes."""

import json
import threading
import time

import pytest


def test_device_sign_in_prints_the_report_and_nothing_else(authgate, server):
    result = authgate("login", "--flow", "device")

    lines = result.out.splitlines()
    assert result.status == 0
    assert [line.partition(":")[0] for line in lines] == [
        *("User", "Subject", "Access Token", "Refresh Token", "Token Type", "Expires In", "Expires At"),
        *("Scope", "ID Token", "TokenInfo Active", "TokenInfo UserID", "TokenInfo ClientID", "TokenInfo Scope"),
        *("TokenInfo SubjectType", "TokenInfo Issuer", "TokenInfo Exp"),
    ]
    assert lines[0] == "User: Jane Doe (jane@example.com)"
    assert lines[8] == "ID Token: (none)"
    assert lines[9] == "TokenInfo Active: True"


def test_second_run_asks_nobody(authgate, server):
    authgate("--flow", "device")
    server.requests.clear()

    result = authgate("--json")

    assert json.loads(result.out)["source"] == "stored"
    assert result.err == ""
    first, *both = [(seen.method, seen.path) for seen in server.requests]
    assert first == ("GET", "/.well-known/openid-configuration")
    assert sorted(both) == [("GET", "/oauth/tokeninfo"), ("GET", "/oauth/userinfo")]


def test_the_server_is_asked_about_user_and_token_at_once(authgate, server):
    """Each request gets its answer only when the other has arrived as well."""
    authgate("--flow", "device")
    both = threading.Barrier(2, timeout=20)
    for path in ("/oauth/userinfo", "/oauth/tokeninfo"):
        server.misbehave(path, edit=lambda answer: answer if both.wait() >= 0 else {})

    assert authgate().status == 0


def test_force_signs_in_although_a_token_is_stored(authgate):
    authgate("--flow", "device")

    assert json.loads(authgate("login", "--force", "--flow", "device", "--json").out)["source"] == "device"


def test_json_has_the_keys_of_the_contract(authgate, token_file, server):
    told = json.loads(authgate("--flow", "device", "--json").out)

    assert list(told) == ["user", "token", "tokeninfo", "source", "store", "issuer", "client_id"]
    assert told["store"] == str(token_file)
    assert (told["issuer"], told["client_id"]) == (server.issuer, server.client_id)
    assert told["token"]["access_token"].endswith("...")
    assert told["token"]["id_token"] is None


def test_tokens_are_shown_only_on_request(authgate, server):
    masked = authgate("--flow", "device", "--json")
    shown = authgate("--json", "--show-tokens")

    assert not any(secret in masked.out + masked.err for secret in server.secrets())
    assert json.loads(shown.out)["token"]["access_token"] in server.secrets()


def test_quiet_still_says_what_to_do_and_nothing_more(authgate, server):
    result = authgate("--flow", "device", "--quiet", "--verbose", "--token-file", "tokens.json")

    assert "/device?user_code=" in result.err
    assert authgate("--quiet", "--token-file", "tokens.json").err == ""


def test_verbose_names_the_reason_and_every_exchange_without_its_query(authgate, server):
    result = authgate("--flow", "device", "--verbose")

    assert "authgate: signing in with device: " in result.err
    assert result.err.count("authgate: POST ") == server.count("POST", "/oauth/token") + 1
    assert not any(secret in result.err for secret in server.secrets())


def test_token_without_a_user_is_reported_with_the_reason(authgate, server):
    server.misbehave("/oauth/userinfo", status=403, body={"error": "insufficient_scope"})

    lines = authgate("--flow", "device").out.splitlines()

    assert lines[0].endswith("... (UserInfo not available: insufficient_scope)")
    assert lines[0].startswith("Token: ")
    assert lines[1].startswith("Access Token: ")


def test_other_providers_have_no_tokeninfo(authgate, server):
    server.tokeninfo = False

    result = authgate("--flow", "device")

    assert result.status == 0
    assert result.out.splitlines()[-1].startswith("TokenInfo: not available (")


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        ({"status": 500}, 3),
        ({"status": 503}, 3),
        ({"status": 429}, 3),
        ({"drop": "before"}, 3),
        ({"status": 200, "body": b"<html>Sign in to the Wi-Fi</html>"}, 3),
        ({"status": 200, "body": b"not json"}, 1),
        ({"status": 200, "body": {"name": "without sub"}}, 1),
        ({"status": 400, "body": {"error": "invalid_request"}}, 1),
    ],
    ids=str,
)
def test_a_check_that_fails_prints_no_report_and_keeps_the_token(authgate, server, token_file, fault, status):
    authgate("--flow", "device")
    before = token_file.read_bytes()
    server.misbehave("/oauth/userinfo", times=None, **fault)

    result = authgate()

    assert (result.status, result.out) == (status, "")
    assert result.err.startswith("authgate: error: the token cannot be checked") or status == 3
    assert token_file.read_bytes() == before


def test_refused_token_is_replaced_by_a_new_sign_in(authgate, server, token_file):
    authgate("--flow", "device")
    before = token_file.read_text()
    for refresh_token in list(server.families):
        server.revoke_family(refresh_token)

    told = authgate("--flow", "device", "--json")

    assert json.loads(told.out)["source"] == "device"
    assert token_file.read_text() != before


def test_refused_token_without_a_person_is_exit_4(authgate, server):
    authgate("--flow", "device")
    server.misbehave("/oauth/userinfo", times=None, status=401)

    result = authgate("--no-input")

    assert (result.status, result.out) == (4, "")


@pytest.mark.parametrize(("scope", "hinted"), [("profile email", True), ("openid profile", False)])
def test_new_token_that_is_refused_does_not_go_round_in_circles(authgate, server, scope, hinted):
    """Some servers answer 401 where only the scope openid is missing."""
    body = {"error": "invalid_token", "error_description": "lightweight"}
    server.misbehave("/oauth/userinfo", times=None, status=401, body=body)

    result = authgate("--flow", "device", "--scope", scope)

    assert (result.status, result.out) == (1, "")
    assert (
        "error: the server does not accept the token that it has just issued: invalid_token (lightweight)" in result.err
    )
    assert ("--scope 'openid profile email'" in result.err) is hinted
    assert server.count("POST", "/oauth/device/code") == 1


def test_machines_new_token_that_is_refused_is_not_taken_for_a_stored_one(authgate, server):
    for path in ("/oauth/userinfo", "/oauth/tokeninfo"):
        server.misbehave(path, times=None, status=401)
    machine = {"CLIENT_ID": server.confidential_id, "CLIENT_SECRET": server.confidential_secret}

    result = authgate("--flow", "client-credentials", env=machine)

    assert (result.status, result.out) == (1, "")
    assert result.err == "authgate: error: the server does not accept the token that it has just issued: status 401\n"
    assert server.count("POST", "/oauth/token") == 1


def test_server_that_repeats_a_device_code_with_status_200_does_not_get_it_shown(authgate, server):
    heard = []

    def repeat(told):
        return {"error": "invalid_request", "error_description": f"{heard[-1]} is unknown"}

    server.misbehave("/oauth/token", when=lambda seen: not heard.append(seen.form["device_code"]), edit=repeat)

    result = authgate("--flow", "device")

    assert (result.status, result.out) == (1, "")
    assert "**** is unknown" in result.err


def test_somebody_elses_userinfo_is_refused_and_the_new_token_not_kept(authgate, server, token_file, robot, callback):
    server.misbehave("/oauth/userinfo", edit=lambda claims: {**claims, "sub": "somebody else"})

    result = authgate("--scope", "openid profile", "--redirect-uri", callback, browser=robot())

    assert (result.status, result.out) == (1, "")
    assert "(sub)" in result.err
    assert authgate("token").status == 4


def test_ready_token_is_used_as_it_is_and_not_stored(authgate, server, token_file):
    token = server.issue()["access_token"]

    result = authgate("--json", env={"AUTHGATE_TOKEN": token})

    told = json.loads(result.out)
    assert (told["source"], told["store"]) == ("environment", None)
    assert not token_file.exists()
    assert authgate("--force", env={"AUTHGATE_TOKEN": token}).status == 2


def test_ready_token_that_is_refused_is_exit_4(authgate, server):
    assert authgate(env={"AUTHGATE_TOKEN": "no-good-any-more"}).status == 4


@pytest.mark.parametrize(
    ("fault", "status", "words"),
    [
        ({"body": b"<html>"}, 1, "not JSON"),
        ({"body": b"{}"}, 1, "names no issuer"),
        ({"edit": lambda told: {**told, "issuer": "https://evil.example"}}, 1, "evil.example"),
        ({"edit": lambda told: {**told, "issuer": told["issuer"] + "/"}}, 1, "a slash at the end"),
        ({"edit": lambda told: {**told, "token_endpoint": None}}, 1, "token_endpoint"),
        ({"edit": lambda told: {**told, "token_endpoint": "http://example.com/token"}}, 1, "not https"),
        ({"status": 404}, 1, "404"),
        ({"status": 503}, 3, "503"),
        ({"drop": "before"}, 3, "closed the connection"),
        ({"raw": b"SSH-2.0-OpenSSH_9.2\r\n"}, 1, "not HTTP"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_bad_discovery_is_one_line_and_a_hint(authgate, server, fault, status, words):
    server.misbehave("/.well-known/openid-configuration", times=None, **fault)

    result = authgate("--flow", "device")

    error, hint = result.err.splitlines()
    assert (result.status, result.out) == (status, "")
    assert error.startswith("authgate: error: ")
    assert hint.startswith("authgate: hint: ")
    assert words in error + hint


def test_discovery_is_redirected_only_within_the_host_over_https(authgate, server):
    server.misbehave("/.well-known/openid-configuration", status=302, headers={"Location": f"{server.issuer}/else"})

    result = authgate("--flow", "device")

    assert result.status == 1
    assert "redirect" in result.err
    assert server.count("GET", "/else") == 0


def test_localhost_is_not_127_0_0_1_and_the_hint_says_which(authgate, server):
    result = authgate(env={"AUTHGATE_URL": server.issuer.replace("127.0.0.1", "localhost")})

    assert result.status == 1
    assert f"AUTHGATE_URL={server.issuer}" in result.err


def test_a_server_that_is_down_is_exit_3(authgate, server):
    server.stop()

    result = authgate("--flow", "device")

    assert (result.status, result.out) == (3, "")
    assert "refuses connections" in result.err


def test_a_slow_server_is_given_up(authgate, server):
    server.misbehave("/.well-known/openid-configuration", times=None, trickle=0.2)

    result = authgate("--flow", "device", "--timeout", "0.5")

    assert result.status == 3
    assert "within 0.5 s" in result.err


def test_client_credentials_sign_a_machine_in(authgate, server):
    machine = {"CLIENT_ID": server.confidential_id, "CLIENT_SECRET": server.confidential_secret}

    first = authgate("--flow", "client-credentials", "--json", env=machine)
    again = authgate("--flow", "client-credentials", "--json", env=machine)

    told = json.loads(first.out)
    assert (told["source"], told["user"]) == ("client-credentials", None)
    assert told["tokeninfo"]["subject_type"] == "client"
    assert json.loads(again.out)["source"] == "stored"
    assert server.count("POST", "/oauth/token", grant_type="client_credentials") == 1


@pytest.mark.parametrize("form_only", [True, False], ids=["as AuthGate does", "by Basic"])
def test_confidential_client_signs_in_by_either_flow(authgate, server, robot, callback, form_only):
    server.form_secrets_only = form_only
    server.register(server.confidential_id, redirect_uris=[callback])
    if not form_only:
        server.misbehave(
            "/.well-known/openid-configuration",
            times=None,
            edit=lambda told: {**told, "token_endpoint_auth_methods_supported": ["client_secret_basic"]},
        )
    client = {"CLIENT_ID": server.confidential_id, "CLIENT_SECRET": server.confidential_secret}

    device = authgate("--flow", "device", "--json", env=client)
    browser = authgate("login", "--force", "--redirect-uri", callback, "--json", env=client, browser=robot())

    assert json.loads(device.out)["source"] == "device"
    assert json.loads(browser.out)["source"] == "browser"


@pytest.mark.parametrize("path", ["/oauth/userinfo", "/oauth/token"])
def test_server_that_repeats_our_secrets_does_not_get_them_shown(authgate, server, path):
    authgate("--flow", "device")
    heard = []

    def hear(seen):
        heard.append(seen.form.get("refresh_token") or (seen.headers["Authorization"] or "").removeprefix("Bearer "))
        server.misbehave(path, status=400, body={"error": "invalid_request", "error_description": heard[-1]})
        return False

    server.misbehave(path, when=hear)

    late = time.time() + 2000
    result = authgate("token", "--min-ttl", "99999", now=lambda: late) if path == "/oauth/token" else authgate()

    assert heard[0] in server.secrets()
    assert heard[0][:20] not in result.err


def test_signed_userinfo_is_named_as_what_it_is(authgate, server, token_file):
    token = server.sign({"sub": server.user["sub"]})
    server.misbehave(
        "/oauth/userinfo", times=None, body=token.encode(), headers={"Content-Type": "application/jwt; charset=utf-8"}
    )

    signed_in, status = authgate("--flow", "device"), authgate("status")

    assert (signed_in.status, status.status) == (0, 0)
    assert "(UserInfo not available: the server signs it (application/jwt))" in signed_in.out.splitlines()[0]
    assert token_file.exists()


def test_signed_userinfo_about_somebody_else_is_refused(authgate, server, robot, callback, token_file):
    token = server.sign({"sub": "mallory"})
    server.misbehave("/oauth/userinfo", body=token.encode(), headers={"Content-Type": "application/jwt"})

    result = authgate("--flow", "browser", "--redirect-uri", callback, "--scope", "openid", browser=robot())

    assert (result.status, result.out) == (1, "")
    assert "about different users" in result.err
    assert server.user["sub"] not in token_file.read_text() and authgate("token").status == 4
