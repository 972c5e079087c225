"""The built archive, run as a user would in an empty home."""

import base64
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

from secrecy import Said, said

ROOT = Path(__file__).resolve().parents[2]
ROBOT = ROOT / "tests" / "support" / "browsers" / "robot.py"
COMMAND_TIMEOUT = 60  # seconds
APPROVAL_URL = re.compile(r"https?://\S+user_code=[\w-]+")


def build_archive(folder: Path) -> Path:
    """Build the archive in a folder of the tests: dist/ may be another process's, and out of date."""
    archive = folder / "authgate.pyz"
    subprocess.run([sys.executable, "build.py", archive], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    folder.chmod(0o755)  # for other users, where the folder is mounted elsewhere
    return archive


class Client:
    """Run the archive; of the caller's environment it gets PATH alone.

    `everything` is the output of all runs.
    """

    def __init__(self, archive: Path, home: Path, python: str = sys.executable, **environment: str):
        self.archive, self.home, self.python = archive, home, python
        self.everything: list[Said] = []
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "AUTHGATE_STORE": "file",
            **environment,
        }

    @property
    def token_file(self) -> Path:
        return self.home / ".authgate-tokens.json"

    def command(self, *arguments: str) -> list[str]:
        return [self.python, str(self.archive), *arguments]

    def store(self, *given: dict, left: float = -60) -> None:
        """Write a new token file with tokens as a server has given them; each client's expires in `left` seconds."""
        data = {}
        for token in given:
            payload = token["access_token"].split(".")[1]
            claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
            fields = {**token, "expires_at": int(time.time() + left), "issuer": claims["iss"]}
            data[claims["client_id"]] = json.dumps(fields)
        self.token_file.write_text(json.dumps({"data": data}))
        self.token_file.chmod(0o600)

    def stored(self, client_id: "str | None" = None) -> dict:
        """Return what the token file holds of a client."""
        entries = json.loads(self.token_file.read_text())["data"]
        return json.loads(entries[client_id or self.environment["CLIENT_ID"]])

    def expire(self, left: float = 5) -> None:
        """Let the stored tokens expire in `left` seconds: with the default they are too old to be used."""
        document = json.loads(self.token_file.read_text())
        for client_id, entry in document["data"].items():
            document["data"][client_id] = json.dumps({**json.loads(entry), "expires_at": int(time.time() + left)})
        self.token_file.write_text(json.dumps(document))

    def environ(self, **environment: "str | None") -> dict[str, str]:
        """Return the environment with changes; None takes a variable away."""
        merged = {**self.environment, **environment}
        return {name: value for name, value in merged.items() if value is not None}

    def run(self, *arguments: str, env: "dict | None" = None, **how) -> subprocess.CompletedProcess:
        """Run a command to its end; without a BROWSER none can be opened."""
        how = {"timeout": COMMAND_TIMEOUT, "check": False, **self._options(env, how)}
        done = subprocess.run(self.command(*arguments), **how)
        self.everything.append(said(arguments, done.stdout, done.stderr))
        return done

    def start(self, *arguments: str, env: "dict | None" = None, **how) -> subprocess.Popen:
        """Start a command and leave it running; the caller waits for it."""
        return _Remembered(self, arguments, **self._options(env, how))

    def _options(self, env: "dict | None", how: dict) -> dict:
        streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return {"cwd": self.home, "env": self.environ(**(env or {})), **streams, **how}

    def run_with_device(self, *arguments: str, deny: bool = False, after: str = "") -> subprocess.CompletedProcess:
        """Run a device sign-in, with the robot on the page whose address is shown, once stderr says `after`."""
        log = self.home / "stderr.log"
        with log.open("w") as stderr:
            process = self.start(*arguments, stderr=stderr)
        try:
            run_robot(self._approval_url(log, process, after), deny, env=self.environment)
            stdout, _ = process.communicate(timeout=COMMAND_TIMEOUT)
        finally:
            process.kill()
            process.wait()
        self.everything.append(said(arguments, "", log.read_text()))
        return subprocess.CompletedProcess(process.args, process.returncode, stdout, log.read_text())

    @staticmethod
    def _approval_url(log: Path, process: subprocess.Popen, after: str) -> str:
        deadline = time.monotonic() + COMMAND_TIMEOUT
        while time.monotonic() < deadline:
            ended = process.poll() is not None
            text = log.read_text()
            if (shown := APPROVAL_URL.search(text)) and after in text:
                return shown[0]
            assert not ended, f"no address was shown:\n{log.read_text()}"
            time.sleep(0.05)
        raise AssertionError(f"no address was shown in time:\n{log.read_text()}")


class _Remembered(subprocess.Popen):
    """A command whose output is added to the client's when it has been read."""

    def __init__(self, client: Client, arguments: tuple[str, ...], **how):
        self._client, self._arguments = client, arguments
        super().__init__(client.command(*arguments), **how)

    def communicate(self, *arguments, **how):
        streams = super().communicate(*arguments, **how)
        self._client.everything.append(said(self._arguments, *streams))
        return streams


def run_robot(url: str, deny: bool = False, env: "dict | None" = None) -> None:
    """Visit an address, sign in and say yes (or no); the robot trusts whom the environment trusts."""
    command = [sys.executable, str(ROBOT), *(["--deny"] if deny else []), url]
    subprocess.run(command, check=True, capture_output=True, env=env)


def browser_program(folder: Path, deny: bool = False) -> str:
    """Write a program for $BROWSER that is a robot; return its path."""
    program = folder / ("deny" if deny else "allow")
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{ROBOT}" {"--deny" if deny else ""} "$@"\n')
    program.chmod(0o755)
    return str(program)
