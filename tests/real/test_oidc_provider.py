"""The built archive against oidc-provider, a certified OpenID provider."""

import time
import urllib.error
import urllib.parse
import urllib.request

import certificates
import life
import pytest
from callback_address import callback_address
from life import FLOWS, report

JANE = {
    "sub": "jane",
    "name": "Jane Doe",
    "preferred_username": "jane",
    "email": "jane@example.com",
    "email_verified": True,
}
SECRET = "for tests only"
TLS = {"tls": str(certificates.of("127.0.0.1"))}
TRUST = {"SSL_CERT_FILE": str(certificates.AUTHORITY)}
CONFIGURATIONS = {
    "RS256": {},
    "ES256": {"algorithm": "ES256"},
    "ES384": {"algorithm": "ES384"},
    "PS256": {"algorithm": "PS256"},
    "Basic only": {"client": {"token_endpoint_auth_method": "client_secret_basic", "client_secret": SECRET}},
    "form only": {"client": {"token_endpoint_auth_method": "client_secret_post", "client_secret": SECRET}},
    "path": {"path": "/tenant"},
    "slash": {"path": "/"},
    "path and slash": {"path": "/tenant/"},
    "private CA": TLS,
}
MACHINE = {"CLIENT_ID": "machine", "CLIENT_SECRET": SECRET, "AUTHGATE_FLOW": "client-credentials"}


@pytest.fixture
def provider(oidc_provider, client):
    """Start a provider, and make it the client's; return its issuer."""

    def start(**switches) -> str:
        client.environment["AUTHGATE_URL"] = oidc_provider(**switches)
        if "tls" in switches:
            client.environment.update(TRUST)
        if secret := switches.get("client", {}).get("client_secret"):
            client.environment["CLIENT_SECRET"] = secret
        return client.environment["AUTHGATE_URL"]

    return start


@pytest.mark.parametrize("switches", CONFIGURATIONS.values(), ids=CONFIGURATIONS)
def test_from_sign_in_to_sign_out(provider, client, flow, sign_in, switches):
    """The code flow gives no refresh token here unless offline_access comes with prompt=consent."""
    issuer = provider(**switches)

    told = report(sign_in("--json", "--show-tokens"))

    assert told["user"] == JANE
    assert (told["source"], told["issuer"], told["client_id"]) == (flow, issuer, "authgate-cli")
    assert told["token"]["scope"].split() == ["openid", "profile", "email", "offline_access"]
    assert told["tokeninfo"] is None
    life.use_the_stored_token(client, JANE)
    life.verify(client, told["token"]["id_token"], switches.get("algorithm", "RS256"))
    life.refresh_with_rotation(client, JANE)
    life.verify(client, client.stored()["id_token"], switches.get("algorithm", "RS256"))
    life.sign_out(client)


def test_client_bound_to_basic_is_refused_once_and_then_gets_in(provider, client, browser):
    provider(**CONFIGURATIONS["Basic only"])

    finished = life.sign_in_with_browser(client, browser, "--json", "--verbose")

    assert report(finished)["user"] == JANE
    assert [line.split()[3] for line in finished.stderr.splitlines() if "/token: " in line] == ["401", "200"]


def test_signed_userinfo_is_named_as_what_it_is(provider, client, sign_in):
    provider(algorithm="PS256", client={"userinfo_signed_response_alg": "PS256"})

    told = report(sign_in("--json", "--show-tokens"))

    assert told["user"] is None
    life.verify(client, told["token"]["id_token"], "PS256")
    status, again = client.run("status"), client.run("login", "--no-input")
    assert (status.returncode, again.returncode) == (0, 0)
    assert "Checked by: the server\n" in status.stdout
    assert "(UserInfo not available: the server signs it (application/jwt))" in again.stdout
    client.expire()
    life.access_token(client)
    life.sign_out(client)


def test_token_about_to_expire_is_refreshed_with_every_new_refresh_token(provider, client, sign_in):
    provider()
    seen = {report(sign_in("--json", "--show-tokens"))["token"]["refresh_token"]}

    for _ in range(2):
        client.expire()
        told = report(client.run("--no-input", "--json", "--show-tokens"))
        assert (told["source"], told["user"]) == ("refreshed", JANE)
        seen.add(told["token"]["refresh_token"])

    assert len(seen) == 3


def test_refresh_token_spent_by_somebody_else_signs_everybody_out(provider, client, sign_in, tmp_path_factory):
    provider()
    report(sign_in("--json"))

    life.somebody_else_spends_the_refresh_token(client, tmp_path_factory.mktemp("thief"))

    assert report(sign_in("--json"))["user"] == JANE


def test_nothing_is_lost_when_a_refresh_cannot_be_done_now(provider, client, browser):
    provider(**TLS)
    report(life.sign_in_with_browser(client, browser, "--json"))
    client.expire()
    before = client.token_file.read_bytes()

    finished = client.run("token", env={"SSL_CERT_FILE": str(certificates.OTHER_AUTHORITY)})

    assert (finished.returncode, finished.stdout) == (3, "")
    assert client.token_file.read_bytes() == before
    life.access_token(client)


def test_private_authority_has_to_be_named(provider, client):
    provider(**TLS)

    for flow in FLOWS:
        finished = client.run("--flow", flow, env={"SSL_CERT_FILE": None})
        error, hint = finished.stderr.splitlines()
        assert (finished.returncode, finished.stdout) == (3, "")
        assert "cannot be trusted" in error and "name its certificate in SSL_CERT_FILE" in hint


def test_without_offline_access_there_is_nothing_to_refresh_with(provider, client, sign_in):
    provider()
    client.environment["AUTHGATE_SCOPE"] = "openid profile email"
    assert report(sign_in("--json"))["token"]["refresh_token"] is None
    client.expire()

    finished = client.run("token")

    assert finished.returncode == 4
    assert "it came without a refresh token" in finished.stderr


def test_denial_is_final(provider, client, sign_in):
    provider()

    finished = sign_in("--json", deny=True)

    assert finished.returncode == 4
    assert finished.stdout == ""
    assert "authgate: error: the sign-in was denied" in finished.stderr
    assert not client.token_file.exists()


FORGED_ISSUERS = {"another's": "https://evil.example", "with a slash": "{}/", "missing": None}


@pytest.mark.parametrize("deny", [False, True], ids=["code", "error"])
@pytest.mark.parametrize("forged", FORGED_ISSUERS.values(), ids=FORGED_ISSUERS)
def test_answer_of_another_issuer_is_neither_redeemed_nor_believed(provider, client, forged, deny):
    """RFC 9207: oidc-provider says who it is with every code and with every error."""
    issuer = provider()
    process = client.start("--flow", "browser", "--verbose")
    address = callback_address(life.address_shown(process), deny)
    parts = urllib.parse.urlsplit(address)
    query = dict(urllib.parse.parse_qsl(parts.query))
    assert query.pop("iss") == issuer
    if forged:
        query["iss"] = forged.format(issuer)

    with pytest.raises(urllib.error.HTTPError, match="400"):
        urllib.request.urlopen(parts._replace(query=urllib.parse.urlencode(query)).geturl())

    stdout, stderr = process.communicate(timeout=30)
    assert (process.returncode, stdout) == (1, "")
    assert "the sign-in cannot be trusted: the answer" in stderr
    assert "POST" not in stderr  # --verbose shows every exchange
    assert not client.token_file.exists()


def test_device_answer_without_interval_means_five_seconds(provider, client, browser):
    provider(interval=0)
    begun = time.monotonic()

    finished = life.sign_in_with_device(client, browser, "--json", "--verbose")

    assert report(finished)["user"] == JANE
    assert time.monotonic() - begun >= 5
    assert finished.stderr.count("/token: ") == 1


def test_polling_goes_at_the_pace_that_the_provider_insists_on(provider, client, browser):
    """Its answer says 1 s, and it wants 2: the first poll earns a slow_down, the second comes 5 s later."""
    provider(interval=1, pace=2)
    begun = time.monotonic()

    finished = life.sign_in_with_device(client, browser, "--json", "--verbose", after="/token: 400")

    assert report(finished)["user"] == JANE
    assert time.monotonic() - begun >= 1 + (1 + 5)
    assert finished.stderr.count("/token: 400") == finished.stderr.count("/token: 200") == 1


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
def test_jwt_access_token_of_a_machine_is_verified(provider, client, algorithm):
    machine = {
        "client_id": MACHINE["CLIENT_ID"],
        "client_secret": MACHINE["CLIENT_SECRET"],
        "grant_types": ["client_credentials"],
        "redirect_uris": [],
        "response_types": [],
    }
    provider(algorithm=algorithm, api="https://api.example.com", clients=[machine])
    client.environment.update(MACHINE, AUTHGATE_SCOPE="profile")

    told = report(client.run("--json"))

    assert (told["source"], told["user"]) == ("client-credentials", None)
    life.verify(client, life.access_token(client), algorithm)
    assert f"Proven: the signature is valid: {algorithm}" in client.run("inspect", "--verify").stdout


def test_opaque_access_token_cannot_be_verified(provider, client, browser):
    provider()
    report(life.sign_in_with_browser(client, browser, "--json"))

    finished = client.run("inspect", "--verify")

    assert (finished.returncode, finished.stdout) == (1, "")
    assert "authgate.pyz status" in finished.stderr


def test_default_scopes_sign_in_without_the_user(provider, client, sign_in):
    """UserInfo is 403 without openid, and a nonce without openid would be refused."""
    provider(alwaysRefresh=True)
    client.environment["AUTHGATE_SCOPE"] = "profile email"

    told = report(sign_in("--json"))

    assert told["user"] is None
    assert told["token"]["scope"] == "profile email"
    assert told["token"]["id_token"] is None
    assert told["token"]["refresh_token"].endswith("...")


def test_refused_scope_is_an_error(provider, client, browser):
    provider(refusedScopes=["email"])

    for flow in FLOWS:
        finished = client.run("--flow", flow, env={"BROWSER": browser()})
        assert finished.returncode == 1
        assert "invalid_scope" in finished.stderr
