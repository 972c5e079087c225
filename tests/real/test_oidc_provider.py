"""The built archive against oidc-provider, a certified OpenID provider."""

import json
import time

import pytest

JANE = {
    "sub": "jane",
    "name": "Jane Doe",
    "preferred_username": "jane",
    "email": "jane@example.com",
    "email_verified": True,
}
SHORT = {"AccessToken": 2}  # seconds


def sign_in_with_browser(client, browser, *arguments, deny=False):
    return client.run("--flow", "browser", *arguments, env={"BROWSER": browser(deny=deny)})


def sign_in_with_device(client, browser, *arguments, deny=False):
    return client.run_with_device("--flow", "device", *arguments, deny=deny)


FLOWS = {"browser": sign_in_with_browser, "device": sign_in_with_device}


@pytest.fixture(params=FLOWS)
def flow(request):
    return request.param


@pytest.fixture
def sign_in(flow, client, browser):
    """Sign in by one flow and then the other, with the robot at the provider's pages."""
    return lambda *arguments, **how: FLOWS[flow](client, browser, *arguments, **how)


def report(finished) -> dict:
    assert finished.returncode == 0, finished.stderr
    return json.loads(finished.stdout)


def access_token(client) -> str:
    finished = client.run("token")
    assert finished.returncode == 0, finished.stderr
    return finished.stdout.strip()


@pytest.mark.parametrize("switches", [{}, {"algorithm": "ES256"}, {"path": "/tenant"}, {"path": "/"}], ids=str)
def test_sign_in_tells_who_signed_in(oidc_provider, client, flow, sign_in, switches):
    issuer = client.environment["AUTHGATE_URL"] = oidc_provider(**switches)

    told = report(sign_in("--json"))

    assert told["user"] == JANE
    assert told["source"] == flow
    assert told["issuer"] == issuer
    assert told["client_id"] == "authgate-cli"
    assert told["tokeninfo"] is None
    assert told["token"]["scope"].split() == ["openid", "profile", "email", "offline_access"]
    assert all(told["token"][name].endswith("...") for name in ("refresh_token", "id_token"))


def test_second_run_uses_the_stored_token(oidc_provider, client, sign_in):
    client.environment["AUTHGATE_URL"] = oidc_provider()
    report(sign_in("--json"))

    told = report(client.run("--no-input", "--json"))

    assert told["source"] == "stored"
    assert told["store"] == str(client.home / ".authgate-tokens.json")
    assert told["user"] == JANE


def test_expired_token_is_refreshed_with_every_new_refresh_token(oidc_provider, client, sign_in):
    client.environment["AUTHGATE_URL"] = oidc_provider(ttl=SHORT)
    seen = {report(sign_in("--json", "--show-tokens"))["token"]["refresh_token"]}

    for _ in range(2):
        time.sleep(SHORT["AccessToken"])
        told = report(client.run("--no-input", "--json", "--show-tokens"))
        assert told["source"] == "refreshed"
        assert told["user"] == JANE
        seen.add(told["token"]["refresh_token"])

    assert len(seen) == 3


def test_denial_is_final(oidc_provider, client, sign_in):
    client.environment["AUTHGATE_URL"] = oidc_provider()

    finished = sign_in("--json", deny=True)

    assert finished.returncode == 4
    assert finished.stdout == ""
    assert "authgate: error: " in finished.stderr
    assert not (client.home / ".authgate-tokens.json").exists()


def test_default_scopes_sign_in_without_the_user(oidc_provider, client, sign_in):
    """UserInfo is 403 without openid, and a nonce without openid would be refused."""
    client.environment["AUTHGATE_URL"] = oidc_provider(alwaysRefresh=True)
    client.environment["AUTHGATE_SCOPE"] = "profile email"

    told = report(sign_in("--json"))

    assert told["user"] is None
    assert told["token"]["scope"] == "profile email"
    assert told["token"]["id_token"] is None
    assert told["token"]["refresh_token"].endswith("...")


def test_refused_scope_is_an_error(oidc_provider, client, browser):
    client.environment["AUTHGATE_URL"] = oidc_provider(refusedScopes=["email"])

    for arguments in (["--flow", "browser"], ["--flow", "device"]):
        finished = client.run(*arguments, env={"BROWSER": browser()})
        assert finished.returncode == 1
        assert "invalid_scope" in finished.stderr


def test_logout_revokes_the_tokens(oidc_provider, client, sign_in):
    client.environment["AUTHGATE_URL"] = oidc_provider()
    report(sign_in("--json"))
    token = access_token(client)

    assert client.run("logout").returncode == 0

    told = client.run("status", env={"AUTHGATE_TOKEN": token})
    assert told.returncode != 0, told.stdout
    assert client.run("token").returncode == 4
