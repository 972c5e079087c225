"""The built archive against Django OAuth Toolkit: a provider of another family."""

import json

import life
import pytest
from client import run_robot
from life import report

JANE = {"sub": "1", "name": "Jane Doe", "preferred_username": "jane", "email": "jane@example.com"}


@pytest.fixture
def sign_in(sign_in, flow, client):
    """Sign in by one flow and then the other; a client has one of them."""
    client.environment["CLIENT_ID"] = f"authgate-{flow}"
    return sign_in


@pytest.fixture
def provider(django_provider, client):
    """Start a provider, and make it the client's; return its issuer."""

    def start(**switches) -> str:
        client.environment["AUTHGATE_URL"] = django_provider(**switches)
        return client.environment["AUTHGATE_URL"]

    return start


def test_from_sign_in_to_sign_out(provider, client, flow, sign_in):
    """With a device code no ID token comes at first; with every refresh one does."""
    issuer = provider()

    told = report(sign_in("--json", "--show-tokens"))

    assert told["user"] == JANE
    assert (told["source"], told["issuer"], told["client_id"]) == (flow, issuer, f"authgate-{flow}")
    assert told["token"]["scope"].split() == ["openid", "profile", "email", "offline_access"]
    assert (told["token"]["id_token"] is None) == (flow == "device")
    assert told["tokeninfo"] is None
    life.use_the_stored_token(client, JANE)
    life.refresh_with_rotation(client, JANE)
    life.verify(client, client.stored()["id_token"], "RS256")
    life.sign_out(client)


def test_refresh_token_spent_by_somebody_else_signs_everybody_out(provider, client, sign_in, tmp_path_factory):
    provider()
    report(sign_in("--json"))

    life.somebody_else_spends_the_refresh_token(client, tmp_path_factory.mktemp("thief"))


def test_denial_is_final(provider, client, sign_in):
    provider()

    finished = sign_in("--json", deny=True)

    assert (finished.returncode, finished.stdout) == (4, "")
    assert "authgate: error: the sign-in was denied" in finished.stderr
    assert not client.token_file.exists()


def test_discovery_without_the_device_endpoint_leads_on_to_the_browser(provider, client):
    """The toolkit's own document names neither that endpoint nor the one for revocation."""
    provider(complete=False)
    client.environment.update(CLIENT_ID="authgate-browser", BROWSER="")

    process = client.start("--json", "--verbose")
    run_robot(life.address_shown(process))
    stdout, _ = process.communicate(timeout=30)

    assert (process.returncode, json.loads(stdout)["source"]) == (0, "browser")
    finished = client.run("logout")
    assert finished.returncode == 0
    assert "does not offer revocation" in finished.stdout


def test_client_without_the_device_grant_learns_it_at_the_first_poll(provider, client, browser):
    """The device authorization endpoint takes any client there is."""
    provider()
    client.environment["CLIENT_ID"] = "authgate-browser"

    finished = life.sign_in_with_device(client, browser, "--json")

    assert (finished.returncode, finished.stdout) == (1, "")
    assert "does not offer device sign-in to this client: unauthorized_client" in finished.stderr


def test_userinfo_without_openid_is_refused_like_a_bad_token(provider, client, sign_in):
    """There is no telling from this 401 that only a scope is missing; whoever reads it is told all the same."""
    provider()
    client.environment["AUTHGATE_SCOPE"] = "profile email"

    finished = sign_in("--json")

    assert (finished.returncode, finished.stdout) == (1, "")
    assert "authgate: hint: " in finished.stderr and "openid" in finished.stderr.splitlines()[-1]


def test_code_with_its_issuer_is_redeemed_and_an_error_without_is_told_but_not_trusted(provider, client, browser):
    provider(iss=True)
    client.environment["CLIENT_ID"] = "authgate-browser"
    assert report(life.sign_in_with_browser(client, browser, "--json"))["user"] == JANE

    finished = life.sign_in_with_browser(client, browser, "--json", "--force", deny=True)

    assert (finished.returncode, finished.stdout) == (1, "")
    assert "the sign-in cannot be trusted: the answer has no iss parameter" in finished.stderr
    assert "access_denied" in finished.stderr
