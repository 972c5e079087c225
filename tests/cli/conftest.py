"""The built archive as a subprocess, against an AuthGate server on loopback."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from authgate_server import AuthGateServer
from client import Client, build_archive
from secrecy import insist


@pytest.fixture(scope="session")
def archive(tmp_path_factory):
    return build_archive(tmp_path_factory.mktemp("dist"))


@pytest.fixture
def server():
    with AuthGateServer(device_interval=0) as server:
        yield server


@pytest.fixture
def client(archive, server, tmp_path):
    """The archive in an empty home, with AUTHGATE_URL and CLIENT_ID set.

    When the test is over, no secret of the server's may have been shown where none belongs.
    """
    client = Client(archive, tmp_path, AUTHGATE_URL=server.issuer, CLIENT_ID=server.client_id)
    yield client
    insist(client.everything, server.secrets())


@pytest.fixture
def signed_in(client, server):
    """The same, with a token stored: a sign-in by device takes more than a second, as a poll does."""
    client.store(server.issue(), left=3600)
    return client


@pytest.fixture
def expired(client, server):
    """The same, with a token stored that has expired; `expired.given` is what the server gave."""
    client.given = server.issue()
    client.store(client.given)
    return client


SOMEBODY = 1000  # a user like any other


# A Python whose own libpython is in a folder closed to others runs with the system's, and cannot load its modules.
USABLE = "import hashlib, socket, ssl, sys, zlib; assert sys.version_info >= (3, 9)"


def python_for(user: int) -> str:
    """Return a Python that this user may run, with what the archive needs; root's own may be closed to others."""
    for python in (sys.executable, shutil.which("python3", path="/usr/local/bin:/usr/bin")):
        try:
            subprocess.run([python, "-c", USABLE], user=user, check=True, capture_output=True)
        except (OSError, TypeError, subprocess.CalledProcessError):
            continue
        return python
    pytest.skip(f"there is no Python that user {user} may run")


@pytest.fixture
def somebody(archive, server):
    """The archive as a user whom permissions stop, which root is not, with an expired token stored.

    Not in pytest's temporary folder, which is closed to other users.
    """
    is_root = os.geteuid() == 0
    with tempfile.TemporaryDirectory(prefix="authgate-") as place:
        os.chmod(place, 0o755)
        home = Path(place, "home")
        home.mkdir()
        somebody = Client(
            Path(shutil.copy(archive, place)),
            home,
            python_for(SOMEBODY) if is_root else sys.executable,
            AUTHGATE_URL=server.issuer,
            CLIENT_ID=server.client_id,
        )
        somebody.identity = {"user": SOMEBODY} if is_root else {}
        somebody.given = server.issue()
        somebody.store(somebody.given)
        if is_root:
            os.chown(somebody.token_file, SOMEBODY, -1)
            os.chown(home, SOMEBODY, -1)
        yield somebody
        home.chmod(0o755)
