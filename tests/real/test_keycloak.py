"""The built archive against Keycloak: clients bound to one authentication method, PKCE on demand, rotation."""

import json
import sys
import urllib.error
import urllib.parse
import urllib.request

import life
import pytest
from client import ROBOT, run_robot
from keycloak_server import Keycloak
from life import report

JANE = {
    "sub": "jane-0001",
    "email_verified": True,
    "name": "Jane Doe",
    "preferred_username": "jane",
    "given_name": "Jane",
    "family_name": "Doe",
    "email": "jane@example.com",
}
SECRET = "for tests only"
SECRETS = {"public": None, "pkce": None, "confidential": SECRET, "basic-only": SECRET, "post-only": SECRET}
MACHINES = [name for name, secret in SECRETS.items() if secret]
BROWSER = {"AUTHGATE_FLOW": "browser"}


@pytest.fixture(scope="session")
def keycloak(tmp_path_factory):
    with Keycloak(tmp_path_factory.mktemp("keycloak")) as server:
        yield server


@pytest.fixture
def client(client, keycloak):
    """The archive as a client of this Keycloak; `public` unless the test says otherwise."""
    client.environment |= {
        "AUTHGATE_URL": keycloak.issuer,
        "AUTHGATE_SCOPE": "openid profile email",
        "CLIENT_ID": "public",
    }
    return client


@pytest.fixture
def become(client):
    """Make the archive another client of the realm, with its secret or a given one."""

    def become(name, secret=None):
        secret = secret or SECRETS.get(name)
        client.environment |= {"CLIENT_ID": name, **({"CLIENT_SECRET": secret} if secret else {})}

    return become


def refused(client, *arguments, **how) -> str:
    """Run a command that ends with exit status 4 and prints nothing; return what it says."""
    finished = client.run(*arguments, **how)
    assert (finished.returncode, finished.stdout) == (4, "")
    return finished.stderr


@pytest.mark.parametrize("name", SECRETS)
def test_from_sign_in_to_sign_out(keycloak, client, become, flow, sign_in, name):
    become(name)

    told = report(sign_in("--json", "--show-tokens"))

    assert told["user"] == JANE
    assert (told["source"], told["issuer"], told["client_id"]) == (flow, keycloak.issuer, name)
    assert set(told["token"]["scope"].split()) == {"openid", "profile", "email"}
    assert told["tokeninfo"] is None
    life.use_the_stored_token(client, JANE)
    life.verify(client, told["token"]["id_token"], "RS256")
    life.refresh_with_rotation(client, JANE)
    life.sign_out(client)


@pytest.mark.parametrize("name", ["basic-only", "post-only"])
def test_client_is_bound_to_its_method_and_pkce_is_demanded(keycloak, name):
    """Otherwise the test above would prove nothing of them."""
    endpoint = f"{keycloak.issuer}/protocol/openid-connect"
    by_post = {"client_id": name, "client_secret": SECRET, "grant_type": "client_credentials"}
    assert _status(f"{endpoint}/token", by_post) == (200 if name == "post-only" else 401)
    assert _status(f"{endpoint}/auth/device", {"client_id": "pkce"}) == 400


def _status(url: str, form: dict) -> int:
    try:
        with urllib.request.urlopen(url, urllib.parse.urlencode(form).encode(), timeout=60) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


def test_denial_is_final(client, become, sign_in):
    become("asks-for-consent")

    finished = sign_in("--json", deny=True)

    assert (finished.returncode, finished.stdout) == (4, "")
    assert "authgate: error: the sign-in was denied" in finished.stderr
    assert not client.token_file.exists()


def test_refresh_token_spent_by_somebody_else_signs_everybody_out(client, browser, tmp_path_factory):
    report(life.sign_in_with_browser(client, browser, "--json"))

    life.somebody_else_spends_the_refresh_token(client, tmp_path_factory.mktemp("thief"))


def test_administrators_logout_ends_status_token_and_the_stored_sign_in(keycloak, client, browser):
    report(life.sign_in_with_browser(client, browser, "--json"))

    keycloak.sign_out("jane")

    finished = client.run("status", "--json")
    assert (finished.returncode, json.loads(finished.stdout)["signed_in"]) == (4, False)
    assert "the server does not accept the token: invalid_token" in finished.stderr
    assert "signing in is needed" in refused(client, "login", "--no-input")
    client.expire()
    assert "(invalid_grant)" in refused(client, "token")
    assert report(life.sign_in_with_browser(client, browser, "--json"))["source"] == "browser"
    assert client.run("status").returncode == 0


def test_without_openid_userinfo_is_refused_and_the_scope_to_ask_for_is_named(client, sign_in):
    client.environment["AUTHGATE_SCOPE"] = "profile email"

    finished = sign_in()

    assert finished.returncode == 0
    assert "(UserInfo not available: insufficient_scope)" in finished.stdout
    assert "--scope 'openid profile email'" in finished.stderr
    status = client.run("status")
    assert (status.returncode, "insufficient_scope" in status.stdout) == (0, True)
    assert report(sign_in("--json", "--scope", "openid profile email"))["user"] == JANE


@pytest.mark.parametrize("algorithm", ["PS512", "ES384", "ES512", "HS256"])
def test_id_token_of_every_algorithm_signs_in(client, become, browser, algorithm):
    """The provider signs HS256 with a secret of its own, which nobody else can check."""
    become(algorithm)

    told = report(life.sign_in_with_browser(client, browser, "--json", "--show-tokens"))

    assert told["user"] == JANE
    if algorithm != "HS256":
        life.verify(client, told["token"]["id_token"], algorithm)
        life.verify(client, told["token"]["access_token"], algorithm)


@pytest.mark.parametrize("algorithm", ["HS512", "EdDSA"])
def test_id_token_of_another_algorithm_is_refused_and_nothing_is_stored(client, become, browser, algorithm):
    become(algorithm)

    finished = life.sign_in_with_browser(client, browser)

    assert (finished.returncode, finished.stdout) == (1, "")
    assert f"its signature algorithm is not supported: {algorithm}" in finished.stderr
    assert not client.token_file.exists()


def test_signed_userinfo_is_named_as_what_it_is(client, become, browser):
    become("signed-userinfo")

    finished = life.sign_in_with_browser(client, browser)

    assert finished.returncode == 0
    assert "(UserInfo not available: the server signs it (application/jwt))" in finished.stdout
    assert "Checked by: the server\n" in client.run("status").stdout


def test_token_that_userinfo_does_not_take_is_refused_with_the_servers_reason(client, become, browser):
    become("lightweight")

    finished = life.sign_in_with_browser(client, browser)

    assert (finished.returncode, finished.stdout) == (1, "")
    assert "that it has just issued: invalid_token (Lightweight access token not allowed" in finished.stderr


def test_scope_that_is_not_offered_is_named_on_the_callback(client, browser):
    finished = life.sign_in_with_browser(client, browser, "--scope", "openid nosuch")

    assert (finished.returncode, finished.stdout) == (1, "")
    error, hint = finished.stderr.splitlines()[-2:]
    assert "invalid_scope" in error and "--scope" in hint


@pytest.mark.parametrize("scope", ["openid", "email"])
@pytest.mark.parametrize("name", MACHINES)
def test_machine_signs_in_and_status_agrees(client, become, name, scope):
    become(name)
    client.environment |= {"AUTHGATE_FLOW": "client-credentials", "AUTHGATE_SCOPE": scope}

    told = report(client.run("login", "--json"))

    assert told["source"] == "client-credentials"
    assert (told["user"] or {}).get("preferred_username") == (f"service-account-{name}" if scope == "openid" else None)
    assert client.run("status").returncode == 0
    life.verify(client, life.access_token(client), "RS256")
    assert client.run("logout").returncode == 0


def test_machine_that_is_given_a_refresh_token_is_a_machine_still(client, become):
    become("machine-with-refresh-token", SECRET)
    client.environment["AUTHGATE_FLOW"] = "client-credentials"

    sources = [report(client.run("login", "--json"))["source"] for _ in range(2)]

    assert client.stored()["refresh_token"]
    assert sources == ["client-credentials", "stored"]
    assert client.run("status").returncode == 0


def test_wrong_secret_is_called_that(client, become, browser):
    become("confidential", "wrong")

    for flow in ("browser", "device", "client-credentials"):
        finished = client.run("login", "--flow", flow, env={"BROWSER": browser()})
        assert (finished.returncode, finished.stdout) == (1, "")
        assert "CLIENT_SECRET" in finished.stderr.splitlines()[-1]


def test_auto_goes_on_with_the_device_code_where_the_browser_is_not_allowed(client, become, browser):
    become("device-only")
    client.environment["BROWSER"] = browser()

    finished = client.run_with_device("--json")

    assert report(finished)["source"] == "device"
    assert "continuing with a device code" in finished.stderr


def test_auto_goes_on_with_the_browser_where_the_device_code_is_not_allowed(client, become):
    become("browser-only")
    client.environment["BROWSER"] = ""

    process = client.start("--json")
    run_robot(life.address_shown(process))
    stdout, stderr = process.communicate(timeout=60)

    assert (process.returncode, json.loads(stdout)["source"]) == (0, "browser"), stderr


@pytest.mark.parametrize(("name", "failing"), [("public", set()), ("device-only", {"browser flow"})])
def test_doctor_finds_what_a_client_may_do(client, become, name, failing):
    become(name)

    finished = client.run("doctor", "--json")

    checks = json.loads(finished.stdout)["checks"]
    assert {check["name"] for check in checks if check["state"] != "ok"} == failing, checks
    assert finished.returncode == 0


def test_accounts_of_two_people_stand_side_by_side(client, browser, tmp_path):
    robot = tmp_path / "bob"
    robot.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{ROBOT}" --username bob "$@"\n')
    robot.chmod(0o755)
    report(life.sign_in_with_browser(client, browser, "--json"))

    bob = report(client.run("login", "--account", "bob", "--json", env={**BROWSER, "BROWSER": str(robot)}))

    assert bob["user"]["preferred_username"] == "bob"
    assert report(client.run("status", "--json"))["user"] == JANE
    assert report(client.run("status", "--account", "bob", "--json"))["user"] == bob["user"]
    assert client.run("logout", "--account", "bob").returncode == 0
    assert client.run("status").returncode == 0


def test_key_that_was_replaced_leaves_refresh_and_verification_working(keycloak, client, browser):
    old = report(life.sign_in_with_browser(client, browser, "--json", "--show-tokens"))["token"]["access_token"]
    client.expire()

    keycloak.replace_key()

    life.verify(client, life.access_token(client), "RS256")
    life.verify(client, client.stored()["id_token"], "RS256")
    finished = client.run("inspect", "-", "--verify", input=old, stdin=None)
    assert (finished.returncode, finished.stdout) == (1, "")
    assert "the server may have replaced its keys since it issued the token" in finished.stderr
