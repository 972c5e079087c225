"""The built archive as a subprocess, against an AuthGate server on loopback."""

import pytest
from authgate_server import AuthGateServer
from client import Client, build_archive


@pytest.fixture(scope="session")
def archive():
    return build_archive()


@pytest.fixture
def server():
    with AuthGateServer(device_interval=0) as server:
        yield server


@pytest.fixture
def client(archive, server, tmp_path):
    """The archive in an empty home, with AUTHGATE_URL and CLIENT_ID set."""
    return Client(archive, tmp_path, AUTHGATE_URL=server.issuer, CLIENT_ID=server.client_id)


@pytest.fixture
def signed_in(client):
    """The same, with a token stored."""
    done = client.run("login", "--flow", "device")
    assert done.returncode == 0, done.stderr
    return client
