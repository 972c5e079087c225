"""Keycloak on loopback, with the realm of tests/real/keycloak/realm.json; everything is kept in memory."""

import json
import os
import subprocess
import time
import urllib.parse
import urllib.request
from pathlib import Path

from client import ROOT
from ports import free_port
from waiting import eventually

HOME = ROOT / ".keycloak" / "server"
REALM = json.loads((ROOT / "tests" / "real" / "keycloak" / "realm.json").read_text())
START_SECONDS = 180
ADMINISTRATOR, PASSWORD = "admin", "for tests only"
# The database is chosen when the server is built, by tests/real/install.
OPTIONS = ["--optimized", "--cache=local", "--http-enabled=true", "--http-host=127.0.0.1"]


class Keycloak:
    """A running server; `issuer` is its realm's."""

    def __init__(self, folder: Path):
        port = free_port()
        self._base, self._log = f"http://127.0.0.1:{port}", folder / "keycloak.log"
        self.issuer = f"{self._base}/realms/{REALM['realm']}"
        environment = {
            "PATH": os.environ["PATH"],
            "JAVA_OPTS_KC_HEAP": "-Xms64m -Xmx384m",
            "JAVA_OPTS_APPEND": "-XX:TieredStopAtLevel=1",  # it does not run for long
            "KC_BOOTSTRAP_ADMIN_USERNAME": ADMINISTRATOR,
            "KC_BOOTSTRAP_ADMIN_PASSWORD": PASSWORD,
        }
        command = ["sh", HOME / "bin" / "kc.sh", "start", *OPTIONS, f"--http-port={port}", f"--hostname={self._base}"]
        with self._log.open("w") as log:
            self._process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)

    def __enter__(self) -> "Keycloak":
        try:
            eventually(self._is_up, START_SECONDS)
            self.administer("POST", "", REALM)
        except BaseException:
            self.__exit__()
            print(self._log.read_text())
            raise
        return self

    def __exit__(self, *exc) -> None:
        self._process.terminate()
        self._process.wait()

    def sign_out(self, username: str) -> None:
        """End all sessions of a user, as an administrator does."""
        user = next(user for user in REALM["users"] if user["username"] == username)
        self.administer("POST", f"/{REALM['realm']}/users/{user['id']}/logout")

    def replace_key(self) -> None:
        """Sign with a new RSA key from now on, and forget the old one."""
        components = f"/{REALM['realm']}/components"
        kind = {"providerType": "org.keycloak.keys.KeyProvider", "providerId": "rsa-generated"}
        old = [one for one in self.administer("GET", components) if kind.items() <= one.items()]
        self.administer("POST", components, {**kind, "name": "new", "config": {"priority": ["500"]}})
        for one in old:
            self.administer("DELETE", f"{components}/{one['id']}")

    def administer(self, method: str, path: str, document: "dict | None" = None) -> "list | None":
        """Send a request to the administrators' interface, below /admin/realms; return what it answers."""
        form = {"grant_type": "password", "client_id": "admin-cli", "username": ADMINISTRATOR, "password": PASSWORD}
        with _open(f"{self._base}/realms/master/protocol/openid-connect/token", data=_encoded(form)) as answer:
            token = json.load(answer)["access_token"]
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        body = json.dumps(document).encode() if document else None
        with _open(f"{self._base}/admin/realms{path}", data=body, headers=headers, method=method) as answer:
            return json.loads(answer.read() or "null")

    def _is_up(self) -> bool:
        assert self._process.poll() is None, f"Keycloak ended with status {self._process.returncode}"
        try:
            _open(f"{self._base}/realms/master").close()
        except OSError:  # the port is not open yet, or the answer is 404
            time.sleep(0.2)  # it starts sooner if it is asked less
            return False
        return True


def _encoded(form: dict) -> bytes:
    return urllib.parse.urlencode(form).encode()


def _open(url: str, **request):
    return urllib.request.urlopen(urllib.request.Request(url, **request), timeout=60)
