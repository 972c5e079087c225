"""Real browsers sign in, driven from page to page."""

import json
import os
import subprocess
import sys
from pathlib import Path

import certificates
import pytest
import visitor
from authgate_server import AuthGateServer
from leftovers import nothing_left
from life import admit
from waiting import eventually
from webdriver import Chromium

VISITOR = Path(visitor.__file__)
ENDS = {"allow": (0, "You are signed in"), "deny": (4, "Sign-in denied")}
SIGN_INS = [
    *(("chromium", server, decision) for server in ("authgate", "oidc_provider") for decision in ENDS),
    ("firefox", "authgate", "allow"),
]
FETCH = "fetch('{}', {{mode: 'no-cors'}}).catch(() => 0)"


@pytest.mark.parametrize(("kind", "counterpart", "decision"), SIGN_INS, indirect=["counterpart"])
def test_sign_in_inside_the_program_that_browser_names(client, counterpart, tmp_path, kind, decision):
    status, title = ENDS[decision]
    record, program = tmp_path / "record", tmp_path / "browser"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{VISITOR}" {kind} {decision} "{record}" "$1"\n')
    program.chmod(0o755)

    with nothing_left(tmp_path):
        done = client.run("login", "--json", env={"BROWSER": str(program)}, stdin=subprocess.PIPE)
        eventually(record.exists)
    seen = json.loads(record.read_text())

    assert (done.returncode, seen["title"]) == (status, title), done.stderr
    if status == 0:
        assert json.loads(done.stdout)["source"] == "browser"
        assert json.loads(done.stdout)["user"]["name"] == "Jane Doe"
    else:
        assert done.stdout == "" and "denied" in done.stderr
    # The page: the code is out of the address, and the policy lets our own style and script through.
    assert seen["address"] == client.environment["AUTHGATE_REDIRECT_URI"]
    assert seen["edge"] == "4px"
    assert [line for line in seen["complaints"] if "callback" in line] == []
    # The program: it reads nothing of ours, writes nothing between our lines, and Ctrl-C passes it by.
    assert seen["streams"] == ["/dev/null"] * 3
    assert seen["session"] != os.getsid(0)


def test_public_server_may_send_the_browser_to_loopback(client):
    """Chromium lets no page of a public server fetch from loopback (Local Network Access), but go there."""
    tls = certificates.tls(certificates.of("127.0.0.1"))
    redirect = client.environment["AUTHGATE_REDIRECT_URI"]
    client.environment.update(BROWSER="true", SSL_CERT_FILE=str(certificates.AUTHORITY))

    with AuthGateServer(tls=tls) as server, nothing_left(client.home):
        client.environment["AUTHGATE_URL"] = admit(client, server)
        public = f"--ip-address-space-overrides=127.0.0.1:{server.port}=public"
        process = client.start("login", "--json")
        address = next(line.strip() for line in process.stderr if line.strip().startswith("https:"))
        with Chromium("--ignore-certificate-errors", public) as chromium:
            chromium.open(address)
            chromium.run(FETCH.format(redirect))
            seen = visitor.visit(chromium, address, "allow")
        out, err = process.communicate(timeout=30)

    assert (process.returncode, seen["title"]) == (0, "You are signed in"), err
    assert seen["address"] == redirect
    assert "access the `loopback` address space" in "".join(seen["complaints"])
