"""Real counterparts for the built archive. What is missing fails the test; nothing is skipped."""

import json
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
ROBOT = HERE.parent / "robot.py"
PROVIDER = HERE / "oidc_provider"
COMMAND_TIMEOUT = 60  # seconds
APPROVAL_URL = re.compile(r"https?://\S+user_code=[\w-]+")


@pytest.fixture(scope="session")
def archive():
    """The archive, built anew: a stale one would be tested in vain."""
    subprocess.run([sys.executable, "build.py"], cwd=ROOT, check=True)
    return ROOT / "dist" / "authgate.pyz"


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


class Client:
    """The archive as somebody runs it: in an empty home, with a browser that is a robot."""

    def __init__(self, archive: Path, home: Path):
        self._archive = archive
        self.home = home
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "CLIENT_ID": "authgate-cli",
            "AUTHGATE_SCOPE": "openid profile email offline_access",
            "AUTHGATE_STORE": "file",
            "AUTHGATE_REDIRECT_URI": f"http://127.0.0.1:{free_port()}/callback",
        }

    def run(self, *arguments, browser="false", **environment):
        """Run a command to its end; without a `browser` program none can be opened."""
        return subprocess.run(
            self._command(arguments),
            cwd=self.home,
            env={**self.environment, "BROWSER": str(browser), **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=COMMAND_TIMEOUT,
            check=False,
        )

    def run_with_device(self, *arguments, deny=False):
        """Run a device sign-in, with the robot on the page whose address is shown."""
        log = self.home / "stderr.log"
        with log.open("w") as stderr:
            process = subprocess.Popen(
                self._command(arguments),
                cwd=self.home,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )
        try:
            run_robot(self._approval_url(log, process), deny)
            stdout, _ = process.communicate(timeout=COMMAND_TIMEOUT)
        finally:
            process.kill()
        return subprocess.CompletedProcess(process.args, process.returncode, stdout, log.read_text())

    def _command(self, arguments):
        return [sys.executable, str(self._archive), *arguments]

    @staticmethod
    def _approval_url(log: Path, process) -> str:
        deadline = time.monotonic() + COMMAND_TIMEOUT
        while time.monotonic() < deadline:
            ended = process.poll() is not None
            if shown := APPROVAL_URL.search(log.read_text()):
                return shown[0]
            assert not ended, f"no address was shown:\n{log.read_text()}"
            time.sleep(0.1)
        raise AssertionError(f"no address was shown in time:\n{log.read_text()}")


@pytest.fixture
def client(archive, tmp_path):
    return Client(archive, tmp_path)


@pytest.fixture
def browser(tmp_path):
    """A $BROWSER program; called with deny=True, one that says no."""

    def write(deny=False) -> Path:
        program = tmp_path / ("deny" if deny else "allow")
        options = "--deny" if deny else ""
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{ROBOT}" {options} "$@"\n')
        program.chmod(0o755)
        return program

    return write


def run_robot(url: str, deny: bool):
    options = ["--deny"] if deny else []
    subprocess.run([sys.executable, str(ROBOT), *options, url], check=True)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]
