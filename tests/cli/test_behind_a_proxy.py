"""The whole program behind a proxy: the server has a name that nothing here leads to."""

import certificates
import pytest
from authgate_server import AuthGateServer
from client import Client
from connect_proxy import ConnectProxy


class Elsewhere(AuthGateServer):
    """A server that is known by a name out in the network."""

    @property
    def issuer(self):
        return "https://auth.example.com"


@pytest.fixture
def elsewhere():
    tls = certificates.tls(certificates.of("auth.example.com"))
    with Elsewhere(tls=tls) as server:
        yield server


@pytest.fixture
def behind(archive, elsewhere, tmp_path):
    """Return the archive where the environment names a proxy."""

    def client(**environment):
        settings = {"AUTHGATE_URL": elsewhere.issuer, "CLIENT_ID": elsewhere.client_id, "AUTHGATE_TIMEOUT": "10"}
        trust = {"SSL_CERT_FILE": str(certificates.AUTHORITY)}
        return Client(archive, tmp_path, **settings, **trust, **environment)

    return client


@pytest.mark.parametrize("credentials", ["", "jane:pass%40word"])
def test_everything_goes_through_the_proxy(behind, elsewhere, credentials):
    with ConnectProxy(elsewhere.port, credentials.replace("%40", "@")) as proxy:
        place = proxy.url.rpartition("@")[2].removeprefix("http://")
        client = behind(HTTPS_PROXY=f"http://{credentials}{credentials and '@'}{place}")
        done = client.run("login", "--flow", "device", "--verbose")
        assert (done.returncode, done.stdout[:5]) == (0, "User:"), done.stderr
        assert client.run("logout").returncode == 0

    assert proxy.asked and all(request.startswith(b"CONNECT auth.example.com:443 ") for request in proxy.asked)
    assert all((b"Proxy-Authorization: " in request) == bool(credentials) for request in proxy.asked)
    assert not any("Proxy-Authorization" in seen.headers for seen in elsewhere.requests)
    secrets = {*elsewhere.secrets(), "pass@word", "pass%40word"}
    seen_by_the_proxy = b"".join(proxy.asked) + proxy.carried
    assert not any(secret.encode() in seen_by_the_proxy for secret in secrets)
    assert not any(secret in done.stdout + done.stderr for secret in secrets)


def test_a_proxy_that_wants_a_password_is_named_and_the_token_kept(behind, elsewhere):
    with ConnectProxy(elsewhere.port) as proxy:
        client = behind(HTTPS_PROXY=proxy.url)
        assert client.run("login", "--flow", "device").returncode == 0
    before = client.token_file.read_bytes()

    with ConnectProxy(elsewhere.port, "jane:hunter2") as proxy:
        without = client.run("login", env={"HTTPS_PROXY": proxy.url.replace("jane:hunter2@", "")})
        wrong = client.run("login", env={"HTTPS_PROXY": proxy.url.replace("hunter2", "hunter3")})

    assert (without.returncode, without.stdout) == (wrong.returncode, wrong.stdout) == (3, "")
    assert without.stderr.splitlines() == [
        "authgate: error: the proxy 127.0.0.1 refuses the connection (status 407)",
        "authgate: hint: put user and password into HTTPS_PROXY",
    ]
    assert wrong.stderr.splitlines() == [
        "authgate: error: the proxy 127.0.0.1 refuses the user and password in HTTPS_PROXY (status 407)",
        "authgate: hint: correct them; characters such as @ and : are percent-encoded there",
    ]
    assert client.token_file.read_bytes() == before


@pytest.mark.parametrize("name", [".example.com", "a..example.com", "x" * 64 + ".example.com"])
def test_a_name_that_only_a_proxy_would_take_is_an_error(behind, elsewhere, name):
    with ConnectProxy(elsewhere.port) as proxy:
        done = behind(HTTPS_PROXY=proxy.url).run("login", "--flow", "device", "--url", f"https://{name}")

    assert done.returncode == 3
    assert done.stderr.startswith(f"authgate: error: the host {name} cannot be found\n")


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_a_server_out_in_the_network_has_no_endpoints_on_this_machine(behind, elsewhere, server, scheme, host):
    trap = f"{scheme}://{host}:{server.port}/oauth/token"
    elsewhere.misbehave("/.well-known/openid-configuration", edit=lambda told: {**told, "token_endpoint": trap})
    with ConnectProxy(elsewhere.port) as proxy:
        done = behind(HTTPS_PROXY=proxy.url).run("login", "--flow", "device")

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("authgate: error: the server's token_endpoint points to this machine")
    assert server.requests == []


@pytest.mark.parametrize("address", ["jane:hunter2://proxy:3128", "socks5://jane:hunter2@proxy:1080", "jane:hunter2"])
@pytest.mark.parametrize("command", [("login",), ("token",), ("doctor",)], ids=" ".join)
def test_a_proxys_address_that_cannot_be_used_is_not_shown(behind, command, address):
    done = behind(HTTPS_PROXY=address).run(*command, "--verbose")

    assert "hunter2" not in done.stdout + done.stderr


def test_loopback_never_sees_the_proxy(client, server):
    with ConnectProxy(server.port) as proxy:
        names = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")
        done = client.run("login", "--flow", "device", env=dict.fromkeys(names, proxy.url))

    assert done.returncode == 0
    assert proxy.asked == []
