"""Real counterparts for the built archive. What is missing fails the test; nothing is skipped."""

import json
import socket
import subprocess
from pathlib import Path

import pytest
from authgate_server import AuthGateServer
from client import Client, browser_program, build_archive

PROVIDER = Path(__file__).parent / "oidc_provider"


@pytest.fixture(scope="session")
def archive():
    return build_archive()


@pytest.fixture(scope="session")
def provider_modules():
    """Install oidc-provider at its locked version, once per checkout."""
    if not (PROVIDER / "node_modules").is_dir():
        subprocess.run(["npm", "ci"], cwd=PROVIDER, check=True)


@pytest.fixture
def oidc_provider(provider_modules):
    """Start a provider and return its issuer; the switches are DEFAULTS in server.mjs."""
    processes = []

    def start(**switches) -> str:
        command = ["node", "server.mjs", json.dumps(switches)]
        process = subprocess.Popen(command, cwd=PROVIDER, stdout=subprocess.PIPE, text=True)
        processes.append(process)
        word, _, issuer = process.stdout.readline().strip().partition(" ")
        assert word == "ready", "oidc-provider did not start"
        return issuer

    yield start
    for process in processes:
        process.terminate()
        process.wait()
        process.stdout.close()


@pytest.fixture
def authgate():
    """The stand-in, where the real counterpart is another one."""
    with AuthGateServer() as server:
        yield server


@pytest.fixture
def client(archive, tmp_path):
    """The archive in an empty home, as a client of oidc-provider; `false` is a browser that cannot be opened."""
    return Client(
        archive,
        tmp_path,
        CLIENT_ID="authgate-cli",
        AUTHGATE_SCOPE="openid profile email offline_access",
        AUTHGATE_REDIRECT_URI=f"http://127.0.0.1:{free_port()}/callback",
        BROWSER="false",
    )


@pytest.fixture
def browser(tmp_path):
    """A $BROWSER program; called with deny=True, one that says no."""
    return lambda deny=False: browser_program(tmp_path, deny)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]
