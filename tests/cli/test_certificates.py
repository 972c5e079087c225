"""Whom the whole program trusts: certificates good and bad, and the CA file of a company."""

import json

import certificates
import pytest
from authgate_server import AuthGateServer
from client import Client
from secrecy import insist

OURS = {"SSL_CERT_FILE": str(certificates.AUTHORITY)}


@pytest.fixture
def start(archive, tmp_path):
    """Start a server with a certificate; return it, and the archive with a good token of its own stored."""
    started = []

    def start(tls, **environment):
        server = AuthGateServer(tls=tls, device_interval=0)
        client = Client(archive, tmp_path, CLIENT_ID=server.client_id, AUTHGATE_TIMEOUT="10", **environment)
        started.append((server.start(), client))
        client.environment["AUTHGATE_URL"] = server.issuer
        client.store(server.issue(), left=3600)
        return server, client

    yield start
    for server, client in started:
        server.stop()
        insist(client.everything, server.secrets())


def test_a_private_authority_is_trusted_from_sign_in_to_sign_out(start):
    server, client = start(certificates.tls(certificates.of("127.0.0.1")), **OURS)

    signed_in = client.run("login", "--flow", "device", "--force", "--scope", "openid", "--json")

    assert (signed_in.returncode, json.loads(signed_in.stdout)["issuer"]) == (0, server.issuer), signed_in.stderr
    assert [client.run(*command).returncode for command in (["status"], ["token"], ["logout"])] == [0, 0, 0]


BAD = {
    "of another host": (certificates.tls(certificates.of("auth.example.com")), "IP address mismatch", "check the host"),
    "expired": (
        certificates.tls(certificates.EXPIRED),
        "certificate has expired",
        "must be renewed, or this machine's clock is wrong",
    ),
    "self-signed": (
        certificates.tls(certificates.SELF_SIGNED),
        "signed certificate",
        "name its certificate in SSL_CERT_FILE",
    ),
    "TLS 1.1": (
        certificates.tls_1_1(certificates.of("127.0.0.1")),
        "version",
        "does the server speak https, with TLS 1.2 or newer?",
    ),
}


@pytest.mark.parametrize(("tls", "cause", "hint"), BAD.values(), ids=BAD)
@pytest.mark.parametrize("command", [("login", "--flow", "device"), ("status",)], ids=lambda words: words[0])
def test_a_bad_certificate_is_exit_3_with_its_cause(start, command, tls, cause, hint):
    server, client = start(tls, **OURS)
    before = client.token_file.read_bytes()

    done = client.run(*command)

    error, remedy = done.stderr.splitlines()
    assert done.returncode == 3
    assert "Access" not in done.stdout
    assert error.startswith("authgate: error: ") and cause in error
    assert remedy.startswith("authgate: hint: ") and hint in remedy
    assert server.requests == []
    assert client.token_file.read_bytes() == before


AUTHORITIES = {
    "of somebody else": (certificates.OTHER_AUTHORITY, "cannot be trusted: "),
    "missing": ("nowhere/ca.pem", "cannot be used: No such file or directory"),
    "empty": ("empty.pem", "cannot be used: it holds no certificate"),
    "no certificates": ("words.pem", "cannot be used: it holds no certificate"),
}


@pytest.mark.parametrize(("file", "cause"), AUTHORITIES.values(), ids=AUTHORITIES)
def test_a_ca_file_that_helps_nothing_is_exit_3_with_its_cause(start, tmp_path, file, cause):
    (tmp_path / "empty.pem").write_bytes(b"")
    (tmp_path / "words.pem").write_text("our CA is on the intranet\n")
    server, client = start(certificates.tls(certificates.of("127.0.0.1")), SSL_CERT_FILE=str(tmp_path / file))

    done = client.run("login")

    error, hint = done.stderr.splitlines()
    assert (done.returncode, done.stdout) == (3, "")
    assert cause in error
    assert "your CA" in hint or "your own CA" in hint
    assert server.requests == []


def test_where_the_persons_own_setting_names_none_the_package_would_not_help(start):
    _, client = start(certificates.tls(certificates.of("127.0.0.1")), SSL_CERT_DIR="/nonexistent")

    done = client.run("login")

    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.endswith("hint: if it is your own CA, name its certificate in SSL_CERT_FILE\n")
