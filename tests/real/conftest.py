"""Real counterparts for the built archive. What is missing fails the test; nothing is skipped."""

import json
import subprocess
from contextlib import contextmanager
from pathlib import Path

import pytest
from authgate_server import AuthGateServer
from client import ROOT, Client, browser_program, build_archive
from life import FLOWS, admit
from ports import free_port

HERE = Path(__file__).parent
PROVIDER = HERE / "oidc_provider"
DJANGO_PROVIDER = HERE / "django_provider"
DJANGO = ROOT / ".venv-django" / "bin" / "python"


@pytest.fixture(scope="session")
def archive(tmp_path_factory):
    return build_archive(tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="session")
def provider_modules():
    """Install oidc-provider at its locked version, once per checkout."""
    if not (PROVIDER / "node_modules").is_dir():
        subprocess.run(["npm", "ci"], cwd=PROVIDER, check=True)


@pytest.fixture(scope="session")
def oidc_provider(provider_modules):
    """Start a provider and return its issuer; the switches are DEFAULTS in server.mjs."""
    with _providers(lambda: ["node", "server.mjs"], PROVIDER) as start:
        yield start


@pytest.fixture(scope="session")
def django_provider(tmp_path_factory):
    """Start a provider of another family; the switches are DEFAULTS in server.py."""
    with _providers(lambda: [DJANGO, "server.py", tmp_path_factory.mktemp("django")], DJANGO_PROVIDER) as start:
        yield start


@contextmanager
def _providers(command, folder: Path):
    """Give a function that returns the issuer of a provider with these switches, started once a session."""
    processes, issuers = [], {}

    def start(**switches) -> str:
        argument = json.dumps(switches)
        if argument not in issuers:
            process = subprocess.Popen([*command(), argument], cwd=folder, stdout=subprocess.PIPE, text=True)
            processes.append(process)
            word, _, issuers[argument] = process.stdout.readline().strip().partition(" ")
            assert word == "ready", f"the provider in {folder} did not start"
        return issuers[argument]

    try:
        yield start
    finally:
        for process in processes:
            process.terminate()
            process.wait()
            process.stdout.close()


@pytest.fixture
def server():
    """The stand-in; where the real counterpart is no server it is all that there is to sign in to."""
    with AuthGateServer() as server:
        yield server


@pytest.fixture
def authgate(server):
    """The same, by the name of what it stands for."""
    return server


@pytest.fixture
def counterpart(request, client):
    """One of the two servers, by its fixture's name, for a test that names it; the client is pointed at it."""
    started = request.getfixturevalue(request.param)
    client.environment["AUTHGATE_URL"] = started() if request.param == "oidc_provider" else admit(client, started)
    return request.param


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


@pytest.fixture(params=FLOWS)
def flow(request):
    return request.param


@pytest.fixture
def sign_in(flow, client, browser):
    """Sign in by one flow and then the other, with the robot at the provider's pages."""
    return lambda *arguments, **how: FLOWS[flow](client, browser, *arguments, **how)
