"""What other OpenID and OAuth servers do otherwise than AuthGate, and what the program makes of it."""

import json
import time
from urllib.parse import urlencode

import pytest
from authgate.metadata import discovery

DISCOVERY = "/.well-known/openid-configuration"
PLAIN_DISCOVERY = "/.well-known/oauth-authorization-server"
USERINFO, TOKEN, DEVICE, REVOKE = "/oauth/userinfo", "/oauth/token", "/oauth/device/code", "/oauth/revoke"
DENIED = {"status": 403, "body": {"error": "access_denied"}}
SCOPE_SAID_IN_A_HEADER = {
    "status": 403,
    "headers": {"WWW-Authenticate": 'Bearer realm="x", error="insufficient_scope", error_description="Missing openid"'},
}
BY_DEVICE = ("login", "--flow", "device", "--json")


def announce(server, **changes):
    """Change the discovery document; ... takes a member out."""

    def edit(told):
        return {name: value for name, value in {**told, **changes}.items() if value is not ...}

    server.misbehave(DISCOVERY, times=None, edit=edit)


@pytest.fixture
def other(server):
    """A server that is no AuthGate: its token endpoint is not where AuthGate keeps it, and it has no TokenInfo."""
    server.tokeninfo = False
    announce(server, token_endpoint=server.url("/oauth/token?other"))
    return server


@pytest.fixture
def stored(server, token_file):
    """Read, or write, the entry of the server's client."""

    def stored(given=None, client_id=None, **fields):
        key = client_id or server.client_id
        if given is not None:
            document = {"data": {key: json.dumps({**given, **fields})}}
            token_file.touch(0o600)
            token_file.write_text(json.dumps(document))
        return json.loads(json.loads(token_file.read_text())["data"][key])

    return stored


@pytest.fixture
def confidential(server, callback):
    server.form_secrets_only = False
    server.register(server.confidential_id, redirect_uris=[callback])
    return {"CLIENT_ID": server.confidential_id, "CLIENT_SECRET": server.confidential_secret}


def entry(server, **fields):
    """Return a token and what is recorded with it."""
    given = server.issue(fields.get("scope", "profile email"))
    return {**given, "expires_at": time.time() + 3600, "issuer": server.issuer, **fields}


# -- 403 at UserInfo


@pytest.mark.parametrize("fault", [DENIED, {"status": 403}, {"status": 403, "body": {}}], ids=str)
def test_a_403_says_nothing_good_of_a_ready_token(authgate, other, fault):
    other.misbehave(USERINFO, times=None, **fault)

    for command in ("status", "login"):
        result = authgate(command, env={"AUTHGATE_TOKEN": "not-a-token-at-all"})
        assert result.status == 4
        assert "the server does not accept the token" in result.err
        assert "Checked by: the server\n" not in result.out


def test_a_403_for_a_stored_token_is_a_refusal_to_status(authgate, other, stored):
    stored(entry(other))
    other.misbehave(USERINFO, times=None, **DENIED)

    result = authgate("status")

    assert result.status == 4
    assert "the server does not accept the token: access_denied" in result.err


def test_a_403_for_a_stored_token_makes_login_refresh_once_and_then_sign_in(authgate, other, stored):
    before = stored(entry(other))
    other.misbehave(USERINFO, **DENIED)

    assert json.loads(authgate(*BY_DEVICE).out)["source"] == "refreshed"
    assert stored()["access_token"] != before["access_token"]

    other.revoke_family(stored()["refresh_token"])
    other.misbehave(USERINFO, **DENIED)

    assert json.loads(authgate(*BY_DEVICE).out)["source"] == "device"


@pytest.mark.parametrize("command", [("login", "--flow", "device"), ("login",)], ids=["signed in", "refreshed"])
def test_a_403_for_a_token_that_was_just_issued_is_told_and_no_failure(authgate, other, stored, command):
    if command == ("login",):
        stored(entry(other))
    other.misbehave(USERINFO, times=None, **DENIED)

    result = authgate(*command)

    assert result.status == 0
    assert result.out.splitlines()[0].endswith("(UserInfo not available: access_denied)")
    assert "checked" not in result.out + result.err


def test_a_403_beside_a_tokeninfo_that_knows_the_token_is_no_refusal(authgate, server, stored):
    stored(entry(server))
    server.misbehave(USERINFO, times=None, **DENIED)

    assert authgate("status").status == 0
    assert "(UserInfo not available: access_denied)" in authgate("login").out


@pytest.mark.parametrize("where", ["body", "header"])
def test_a_lack_of_scope_says_that_the_token_is_good_and_how_to_ask_for_openid(authgate, other, stored, where):
    stored(entry(other))
    fault = SCOPE_SAID_IN_A_HEADER if where == "header" else {"status": 403, "body": {"error": "insufficient_scope"}}
    other.misbehave(USERINFO, times=None, **fault)

    status, login = authgate("status"), authgate("login")

    assert (status.status, login.status) == (0, 0)
    assert "Checked by: the server\n" in status.out
    assert "(UserInfo not available: insufficient_scope)" in login.out
    assert login.err.count("--scope 'openid profile email'") == 1


def test_a_refusal_in_a_header_alone_is_told(authgate, other):
    header = {"WWW-Authenticate": 'Bearer error="invalid_token", error_description="Session not active"'}
    other.misbehave(USERINFO, times=None, status=401, headers=header)

    result = authgate("status", env={"AUTHGATE_TOKEN": "x"})

    assert "does not accept the token: invalid_token (Session not active)" in result.err


# -- how a client proves itself


LISTS = {
    "both": ["client_secret_basic", "client_secret_post"],
    "Basic": ["client_secret_basic"],
    "form": ["client_secret_post"],
    "silence": ...,
}


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
@pytest.mark.parametrize("offered", LISTS.values(), ids=LISTS)
def test_a_client_gets_in_by_its_own_method_whatever_the_list_says(
    authgate, server, confidential, robot, callback, stored, method, offered
):
    server.clients[server.confidential_id].method = method
    announce(server, token_endpoint_auth_methods_supported=offered)
    first = "client_secret_post" if offered is not ... and "client_secret_post" in offered else "client_secret_basic"

    def asked(*paths):
        found = [seen.status for seen in server.requests if seen.method == "POST" and seen.path in paths]
        server.requests.clear()
        return found

    def sources(*argv, **how):
        return json.loads(authgate("login", "--json", *argv, env=confidential, **how).out)["source"]

    tries = [200] if method == first else [401, 200]
    assert sources("--redirect-uri", callback, browser=robot()) == "browser"
    assert asked(TOKEN) == tries
    stored(stored(client_id=server.confidential_id), client_id=server.confidential_id, expires_at=1)
    assert sources() == "refreshed"
    assert asked(TOKEN) == tries
    assert sources("--force", "--flow", "device") == "device"
    assert asked(DEVICE, TOKEN) == [*tries, 200]  # remembered for the run
    asked()
    assert authgate("logout", env=confidential).status == 0
    assert asked(REVOKE) == [*tries, 200]
    assert sources("--flow", "client-credentials") == "client-credentials"
    assert asked(TOKEN) == tries


def test_polls_try_the_other_method_once_and_keep_it(authgate, server, confidential):
    """The first poll may be what finds out; the device code is still good."""
    pending = {"status": 400, "body": {"error": "authorization_pending"}}

    def basic(seen):
        return bool(seen.credentials("Basic"))

    server.misbehave(TOKEN, times=None, when=lambda seen: not basic(seen), status=401, body={"error": "invalid_client"})
    server.misbehave(TOKEN, times=2, when=basic, **pending)

    result = authgate(*BY_DEVICE, env=confidential)

    assert json.loads(result.out)["source"] == "device"
    assert [basic(seen) for seen in server.requests if seen.path == TOKEN] == [False, True, True, True]


@pytest.mark.parametrize("flow", ["browser", "device", "client-credentials"])
def test_a_wrong_secret_is_tried_by_both_methods_and_no_more(authgate, server, confidential, robot, callback, flow):
    for path in (TOKEN, DEVICE):
        server.misbehave(path, times=None, status=401, body={"error": "invalid_client"})

    result = authgate("login", "--flow", flow, "--redirect-uri", callback, browser=robot(), env=confidential)

    assert (result.status, result.out) == (1, "")
    assert "invalid_client" in result.err and "CLIENT_SECRET" in result.err
    assert server.count("POST", TOKEN) + server.count("POST", DEVICE) == 2


def test_a_public_client_has_nothing_else_to_try(authgate, server):
    server.misbehave(DEVICE, times=None, status=401, body={"error": "invalid_client"})

    assert authgate("login").status == 1
    assert server.count("POST", DEVICE) == 1


def test_authgates_word_for_a_wrong_secret_names_the_secret(authgate, server, robot, callback):
    server.register(server.confidential_id, redirect_uris=[callback])
    wrong = {"CLIENT_ID": server.confidential_id, "CLIENT_SECRET": "wrong"}

    result = authgate("login", "--redirect-uri", callback, browser=robot(), env=wrong)

    assert (result.status, result.out) == (1, "")
    assert "unauthorized_client" in result.err and "CLIENT_SECRET" in result.err
    assert server.count("POST", TOKEN) == 1


# -- spaces in tokens


def spaced(server, told):
    """Give a refresh token another name, with a space in it; both mean the same grant."""
    named = told["refresh_token"] + " and more"
    server.families[named] = server.families[told["refresh_token"]]
    server.families[named].refresh_token = named
    server.issued.add(named)
    return {**told, "refresh_token": named}


def test_a_refresh_token_with_a_space_is_stored_sent_rotated_and_revoked(authgate, server, stored):
    server.misbehave(TOKEN, times=None, edit=lambda told: spaced(server, told))

    assert authgate(*BY_DEVICE).status == 0
    first = stored()["refresh_token"]
    assert first.endswith(" and more")
    assert authgate("token", now=lambda: time.time() + 3590).status == 0
    assert server.count("POST", TOKEN, refresh_token=first) == 1
    second = stored()["refresh_token"]
    assert second.endswith(" and more") and second != first
    assert authgate("logout").status == 0
    assert server.count("POST", REVOKE, token=second) == 1
    assert not server.family_alive(second)


def test_a_device_code_with_a_space_is_sent_as_it_is(authgate, server):
    def edit(told):
        named = told["device_code"] + " two"
        server.devices[named] = server.devices.pop(told["device_code"])
        return {**told, "device_code": named}

    server.misbehave(DEVICE, edit=edit)

    assert authgate(*BY_DEVICE).status == 0
    assert any(seen.form.get("device_code", "").endswith(" two") for seen in server.requests)


@pytest.mark.parametrize("access_token", ["two words", "a\\b", 'a"b', "a|b", "=a", "a=b"])
def test_an_access_token_that_no_header_can_hold_is_kept_and_not_sent_as_bearer(authgate, server, access_token):
    """The refresh token that came with it has replaced another, perhaps, and must not be lost."""
    server.misbehave(TOKEN, edit=lambda told: {**told, "access_token": access_token})

    for command in (BY_DEVICE, ["status"], ["token", "--format", "header"]):
        result = authgate(*command)

        assert result.status == 1
        assert "characters that an Authorization header cannot hold" in result.err
        assert access_token not in result.out
    assert authgate("token").out == access_token + "\n"
    assert server.count("GET", USERINFO) == 0
    assert authgate("status", env={"AUTHGATE_TOKEN": access_token}).status == 2
    assert authgate("logout").status == 0
    assert server.count("POST", REVOKE, token=access_token) == 1


@pytest.mark.parametrize("access_token", ["tökén", "a\nb", "\x1b"])
def test_an_access_token_that_is_not_printable_ascii_is_refused(authgate, server, token_file, access_token):
    server.misbehave(TOKEN, edit=lambda told: {**told, "access_token": access_token})

    result = authgate(*BY_DEVICE)

    assert (result.status, result.out) == (1, "")
    assert "no access token that can be used" in result.err
    assert not token_file.exists()


# -- the device flow


REFUSED_STARTS = {
    "Hydra": {"status": 400, "body": {"error": "invalid_grant"}},
    "Authelia": {"status": 400, "body": {}},
    "Spring": {"status": 401, "body": b""},
    "not for this client": {"status": 400, "body": {"error": "unauthorized_client"}},
    "oidc-provider": {"status": 400, "body": {"error": "invalid_request"}},
    "no such page": {"status": 404, "body": b"<html>"},
    "no POST": {"status": 405},
    "a private code": {"status": 403, "body": {"error": "device_flow_disabled"}},
}


@pytest.mark.parametrize("fault", REFUSED_STARTS.values(), ids=REFUSED_STARTS)
@pytest.mark.parametrize("secret", [False, True], ids=["public", "confidential"])
def test_a_device_start_refused_in_whatever_words_goes_on_with_a_browser(
    authgate, server, confidential, robot, callback, fault, secret
):
    server.misbehave(DEVICE, times=None, **fault)
    person = robot()

    def read(text):
        if "/oauth/authorize?" in text:
            person(text.strip())

    env = confidential if secret else {}
    result = authgate("login", "--redirect-uri", callback, "--json", watch=read, env=env)

    assert json.loads(result.out)["source"] == "browser"
    assert "continuing with a browser" in result.err


@pytest.mark.parametrize("status", [400, 401])
def test_a_wrong_secret_at_the_device_endpoint_is_about_credentials(authgate, server, confidential, status):
    server.misbehave(DEVICE, times=None, status=status, body={"error": "invalid_client"})

    result = authgate("login", env=confidential)

    assert (result.status, result.out) == (1, "")
    assert "CLIENT_SECRET" in result.err and "browser" not in result.err


def test_a_scope_that_the_device_endpoint_refuses_is_named_and_no_browser_tried(authgate, server):
    server.misbehave(DEVICE, times=None, status=400, body={"error": "invalid_scope"})

    result = authgate("login")

    assert (result.status, result.out) == (1, "")
    assert "hint: ask for other scopes, for example --scope 'openid profile email'" in result.err


def test_a_scope_that_is_refused_when_the_device_code_is_redeemed_is_named(authgate, server):
    server.misbehave(TOKEN, status=400, body={"error": "invalid_scope"})

    result = authgate("login", "--flow", "device")

    assert (result.status, result.out) == (1, "")
    assert result.err.endswith("hint: ask for other scopes, for example --scope 'openid profile email'\n")


def test_a_server_that_forgot_the_code_says_to_begin_again(authgate, server):
    server.misbehave(TOKEN, status=400, body={"error": "authorization_pending"})
    server.misbehave(TOKEN, status=400, body={"error": "invalid_grant"})

    result = authgate(*BY_DEVICE)

    assert (result.status, result.out) == (1, "")
    assert result.err.endswith("run authgate.pyz login again; the server no longer knows the code\n")


def test_slow_down_in_a_header_alone_is_no_bug(authgate, server):
    server.misbehave(TOKEN, status=401, headers={"WWW-Authenticate": 'Bearer error="slow_down"'})

    assert authgate(*BY_DEVICE).status == 0


def test_a_sign_in_tries_a_device_endpoint_that_is_not_advertised(authgate, other):
    assert json.loads(authgate(*BY_DEVICE).out)["source"] == "device"


# -- doctor


def checks(authgate, *argv, **how):
    result = authgate("doctor", "--json", *argv, **how)
    told = json.loads(result.out)["checks"]
    return result.status, {one["name"]: (one["state"], one["text"], one["remedy"]) for one in told}


@pytest.mark.parametrize(("flow", "state", "status"), [("auto", "warning", 0), ("device", "failed", 1)])
@pytest.mark.parametrize("why", ["no AuthGate", "its grant is not among those listed"])
def test_doctor_asks_for_no_device_code_where_none_is_offered(authgate, server, request, why, flow, state, status):
    if why == "no AuthGate":
        request.getfixturevalue("other")
    else:
        announce(server, grant_types_supported=["authorization_code"])

    ended, found = checks(authgate, "--flow", flow)

    assert (ended, found["device flow"][0]) == (status, state)
    assert "not offered" in found["device flow"][1]
    assert server.count("POST", DEVICE) == 0


def test_doctor_asks_where_a_device_endpoint_is_advertised(authgate, server):
    announce(server, token_endpoint=server.url("/oauth/token?other"), device_authorization_endpoint=server.url(DEVICE))

    assert checks(authgate)[1]["device flow"][0] == "ok"
    assert server.count("POST", DEVICE) == 1


REDIRECTED = {
    "unauthorized_client": ("", "--flow device"),
    "invalid_scope": ("", "--scope 'openid profile email'"),
    "invalid_request": ("invalid redirect_uri", "http://127.0.0.1:8088/callback"),
}


@pytest.mark.parametrize(("error", "description", "remedy"), [(name, *how) for name, how in REDIRECTED.items()])
@pytest.mark.parametrize(("flow", "state", "status"), [("auto", "warning", 0), ("browser", "failed", 1)])
def test_doctor_does_not_call_a_redirect_with_an_error_fine(
    authgate, server, error, description, remedy, flow, state, status
):
    query = urlencode({"error": error, "error_description": description, "state": "x"})
    location = f"http://127.0.0.1:8088/callback?{query}"
    server.misbehave("/oauth/authorize", times=None, status=302, headers={"Location": location})

    ended, found = checks(authgate, "--flow", flow)

    assert (ended, found["browser flow"][0]) == (status, state)
    assert error in found["browser flow"][1] and description in found["browser flow"][1]
    assert remedy in found["browser flow"][2]


# -- machines


MACHINE_ANSWERS = {
    "401": ({"status": 401, "body": {"error": "invalid_token"}}, "invalid_token"),
    "403": (DENIED, "access_denied"),
    "no sub": ({"body": {"client": "me"}}, "no sub"),
    "empty 401": ({"status": 401}, "status 401"),
    "404": ({"status": 404}, "status 404"),
}


@pytest.mark.parametrize(("fault", "reason"), MACHINE_ANSWERS.values(), ids=MACHINE_ANSWERS)
@pytest.mark.parametrize("flow_given", [True, False], ids=["by flow", "by what is stored"])
def test_userinfo_proves_nothing_of_a_machine(authgate, other, confidential, fault, reason, flow_given):
    machine = {**confidential, "AUTHGATE_FLOW": "client-credentials"}
    other.misbehave(USERINFO, times=None, **fault)
    first = authgate("login", env=machine)
    env = machine if flow_given else confidential

    again = authgate("login", env=env)
    status, document = authgate("status", env=env), authgate("status", "--json", env=env)

    assert [one.status for one in (first, again, status, document)] == [0, 0, 0, 0]
    for report in (first.out, again.out):
        assert f"{reason}; not checked)" in report.splitlines()[0]
    assert "Checked by: (not checked)" in status.out
    assert (json.loads(document.out)["signed_in"], json.loads(document.out)["checked_by"]) == (True, None)
    assert other.count("POST", TOKEN) == 1


def test_a_person_in_the_place_of_a_machine_is_a_person(authgate, other, confidential, stored):
    authgate("login", env={**confidential, "AUTHGATE_FLOW": "client-credentials"})
    assert stored(client_id=other.confidential_id)["grant_type"] == "client_credentials"

    authgate(*BY_DEVICE, "--force", env=confidential)

    assert not stored(client_id=other.confidential_id)["grant_type"]
    other.misbehave(USERINFO, times=None, status=401)
    assert authgate("status", env=confidential).status == 4


def test_a_machine_is_one_though_it_was_given_a_refresh_token_and_an_id_token(authgate, other, confidential, stored):
    machine = {**confidential, "AUTHGATE_FLOW": "client-credentials"}
    for_a_person = {"scope": "openid profile", "client_id": other.confidential_id}
    other.misbehave(TOKEN, edit=lambda told: other.issue(**for_a_person))

    sources = [json.loads(authgate("login", "--json", env=machine).out)["source"] for _ in range(2)]

    assert sources == ["client-credentials", "stored"]
    given = stored(client_id=other.confidential_id)
    assert given["refresh_token"] and given["id_token"]
    assert authgate("status", env=machine).status == 0
    assert authgate("token", env=confidential, now=lambda: time.time() + 3590).status == 0
    assert other.count("POST", TOKEN, grant_type="refresh_token") == 1
    assert stored(client_id=other.confidential_id)["grant_type"] == "client_credentials"
    assert json.loads(authgate("login", "--json", env=machine).out)["source"] == "stored"


def test_a_machine_that_tokeninfo_refuses_is_refused(authgate, server, confidential):
    machine = {**confidential, "AUTHGATE_FLOW": "client-credentials"}
    authgate("token", env=machine)
    server.misbehave("/oauth/tokeninfo", times=None, body={"active": False})

    assert authgate("status", env=machine).status == 4


# -- scopes


def test_userinfo_that_names_nobody_is_told_with_the_scope_to_ask_for(authgate, other):
    other.misbehave(USERINFO, times=None, body={"name": "Jane"})

    missing, asked = authgate(*BY_DEVICE), authgate(*BY_DEVICE, "--scope", "openid profile")

    assert (missing.status, asked.status) == (1, 1)
    assert "does not name the user (sub)" in missing.err
    assert "--scope 'openid profile email'" in missing.err
    assert "--scope" not in asked.err


def test_a_scope_that_the_token_endpoint_refuses_is_told_with_openid(authgate, other, robot, callback):
    other.misbehave(TOKEN, times=None, status=400, body={"error": "invalid_scope"})

    assert "--scope 'openid profile email'" in authgate("login", "--redirect-uri", callback, browser=robot()).err


def test_a_token_for_less_than_is_asked_for_now_leads_to_a_new_sign_in_that_says_why(authgate, server, stored):
    assert authgate(*BY_DEVICE, "--scope", "profile").status == 0
    assert stored()["requested_scope"] == "profile"

    result = authgate(*BY_DEVICE, "--scope", "read profile write")

    assert json.loads(result.out)["source"] == "device"
    assert "The stored token was obtained without the scope read write." in result.err
    assert stored()["requested_scope"] == "read profile write"
    for scope in ("write read", "profile", "read   profile"):
        assert json.loads(authgate(*BY_DEVICE, "--scope", scope).out)["source"] == "stored"


def test_nobody_is_asked_again_for_a_scope_that_the_server_drops(authgate, server):
    server.misbehave(TOKEN, times=None, edit=lambda told: {**told, "scope": "profile"})

    assert json.loads(authgate(*BY_DEVICE, "--scope", "profile phone").out)["source"] == "device"
    assert json.loads(authgate(*BY_DEVICE, "--scope", "phone profile").out)["source"] == "stored"


def test_only_a_scope_that_was_given_counts(authgate, server, stored):
    stored(entry(server, scope="read"))

    assert json.loads(authgate(*BY_DEVICE).out)["source"] == "stored"
    assert json.loads(authgate(*BY_DEVICE, env={"AUTHGATE_SCOPE": "email"}).out)["source"] == "device"


def test_without_a_person_less_than_is_asked_for_is_exit_4_and_token_only_warns(authgate, server, stored):
    before = stored(entry(server, scope="read"))

    login = authgate("login", "--no-input", "--scope", "write")
    token = authgate("token", "--scope", "write")

    assert (login.status, login.out) == (4, "")
    assert "without the scope write" in login.err
    assert (token.status, token.out.strip()) == (0, before["access_token"])
    assert "warning: the stored token was obtained without the scope write" in token.err
    assert stored() == before


def test_a_machine_asks_anew_for_what_it_lacks(authgate, server, confidential):
    machine = {**confidential, "AUTHGATE_FLOW": "client-credentials"}
    for scope in ("read", "read write", "write"):
        assert authgate("token", "--scope", scope, env=machine).status == 0

    assert server.count("POST", TOKEN) == 2


def test_a_refresh_keeps_what_was_asked_for(authgate, server, stored):
    stored(entry(server, requested_scope="profile email phone", expires_at=1))

    assert authgate("token").status == 0
    assert stored()["requested_scope"] == "profile email phone"


def test_an_entry_of_the_python_sdk_gets_no_sixth_field_and_nobody_is_asked_for_ever(authgate, server, stored):
    given = entry(server)
    five = {name: given[name] for name in ("access_token", "refresh_token", "token_type", "expires_at")}
    stored({**five, "client_id": server.client_id})

    for _ in range(2):
        assert authgate(*BY_DEVICE, "--scope", "profile email read").status == 0
    assert authgate(*BY_DEVICE, "--force", "--scope", "profile email read").status == 0

    assert set(stored()) == {*five, "client_id"}
    assert server.count("POST", DEVICE) == 1


def test_a_scope_that_only_tokeninfo_or_the_token_itself_names_is_shown(authgate, server):
    token = server.issue("profile read")["access_token"]
    opaque = "opaque-token"
    server.access[opaque] = server.access[token]

    for given in (token, opaque):
        assert "\nScope: profile read\n" in authgate("login", env={"AUTHGATE_TOKEN": given}).out
    assert "\nScope: profile read\n" in authgate("status", env={"AUTHGATE_TOKEN": token}).out


# -- servers without OpenID


@pytest.fixture
def plain(server):
    """A server that has only the document of RFC 8414, and no UserInfo."""
    server.tokeninfo = server.userinfo = False
    document = json.loads(discovery(server, None).body)
    server.misbehave(DISCOVERY, times=None, status=404)
    server.misbehave(PLAIN_DISCOVERY, times=None, body={**document, "token_endpoint": server.url("/oauth/token?other")})
    return server


@pytest.mark.parametrize("flow", ["browser", "device"])
def test_a_plain_oauth_server_signs_in_without_openid(authgate, plain, robot, callback, flow):
    result = authgate("login", "--flow", flow, "--redirect-uri", callback, browser=robot())

    assert result.status == 0
    assert "(UserInfo not available: the server does not offer it)" in result.out
    assert authgate("token").status == 0
    assert authgate("doctor", "--redirect-uri", callback).status == 0
    assert authgate("logout").status == 0


def test_a_server_that_has_neither_document_is_told_of_the_first(authgate, server):
    server.misbehave(DISCOVERY, times=None, status=404)

    result = authgate("login")

    assert result.status == 1
    assert DISCOVERY in result.err
    assert server.count("GET", PLAIN_DISCOVERY) == 1


def test_only_a_404_makes_for_the_other_document(authgate, server):
    server.misbehave(DISCOVERY, times=None, status=403)

    assert authgate("login").status == 1
    assert server.count("GET", PLAIN_DISCOVERY) == 0


# -- a slash at the end


def test_a_slash_that_was_only_typed_changes_nothing(authgate, server, robot, callback, stored):
    typed = {"AUTHGATE_URL": server.issuer + "/"}
    server.send_iss = True
    openid = ("--scope", "openid profile", "--redirect-uri", callback, "--json")

    result = authgate("login", *openid, "--verbose", env=typed, browser=robot())

    assert json.loads(result.out)["source"] == "browser"
    assert f"authgate: the server calls itself {server.issuer}, without the slash at the end" in result.err
    assert stored()["issuer"] == server.issuer
    assert json.loads(authgate("login", *openid).out)["source"] == "stored"
    assert json.loads(authgate("login", *openid, env=typed).out)["source"] == "stored"
    server.access_ttl, late = 5000, lambda: time.time() + 3590
    for env in ({}, typed):
        assert authgate("token", env=env, now=late).status == 0
        assert authgate("status", env=env).status == 0
    assert stored()["issuer"] == server.issuer
    assert "slash" not in authgate("status", env=typed).err
    assert authgate("logout", env=typed).status == 0


def test_a_slash_that_was_only_typed_finds_the_entry_beside_another_servers(authgate, server, stored, token_file):
    stored({"access_token": "a", "issuer": "https://other.example"})
    with_slash, without = {"AUTHGATE_URL": server.issuer + "/"}, {}

    assert json.loads(authgate(*BY_DEVICE, env=with_slash).out)["source"] == "device"
    for env in (with_slash, without):
        assert json.loads(authgate(*BY_DEVICE, env=env).out)["source"] == "stored"
    assert len(json.loads(token_file.read_text())["data"]) == 2


# -- logout


def test_an_access_token_that_cannot_be_revoked_expires_by_itself(authgate, other, stored):
    authgate(*BY_DEVICE)
    refresh_token = stored()["refresh_token"]
    unsupported = {"status": 400, "body": {"error": "unsupported_token_type"}}
    other.misbehave(REVOKE, times=None, when=lambda seen: seen.form["token_type_hint"] == "access_token", **unsupported)

    result = authgate("logout")

    assert (result.status, result.err) == (0, "")
    assert "stays valid until it expires" in result.out
    assert not other.family_alive(refresh_token)


def test_without_a_refresh_token_an_access_token_that_cannot_be_revoked_is_a_failure(authgate, other):
    other.refresh_tokens = False
    authgate(*BY_DEVICE)
    other.misbehave(REVOKE, times=None, status=400, body={"error": "unsupported_token_type"})

    assert authgate("logout").status == 1
