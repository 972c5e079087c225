"""What others on this machine may look at, and what gets into a bug report, holds no secret."""

import sys
from pathlib import Path

import pytest
from client import ROBOT
from ports import free_callback

needs_proc = pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="needs Linux's /proc")


@pytest.fixture
def confidential(client, server):
    """The archive of a client with a secret, and a callback on a free port."""
    uri = free_callback(server, server.confidential_id)
    client.environment.update(
        CLIENT_ID=server.confidential_id, CLIENT_SECRET=server.confidential_secret, AUTHGATE_REDIRECT_URI=uri
    )
    return client


@needs_proc
@pytest.mark.parametrize("secret_in", ["environment", ".env"])
def test_no_secret_is_in_the_arguments_or_the_browsers_environment(confidential, server, secret_in):
    """The browser looks at itself and at all of its ancestors, as `ps` would, before it signs in."""
    seen = confidential.home / "seen"
    browser = confidential.home / "browser"
    browser.write_text(
        f"""#!/bin/sh
        tr '\\0' '\\n' < /proc/$$/environ > '{seen}.environ'
        tr '\\0' '\\n' < /proc/$$/cmdline > '{seen}.cmdline'
        for process in /proc/[0-9]*; do
            grep -qa authgate.pyz "$process/cmdline" && tr '\\0' '\\n' < "$process/cmdline" >> '{seen}.ours'
        done
        exec '{sys.executable}' '{ROBOT}' "$@"
        """
    )
    browser.chmod(0o755)
    env = {"BROWSER": str(browser)}
    if secret_in == ".env":
        (confidential.home / ".env").write_text(f"CLIENT_SECRET={server.confidential_secret}\n")
        (confidential.home / ".env").chmod(0o600)
        env["CLIENT_SECRET"] = None

    done = confidential.run("login", "--flow", "browser", "--scope", "openid", "--verbose", env=env)

    assert done.returncode == 0, done.stderr
    environ, theirs, ours = (Path(f"{seen}.{name}").read_text() for name in ("environ", "cmdline", "ours"))
    assert f"CLIENT_ID={server.confidential_id}" in environ
    assert "/oauth/authorize?" in theirs
    assert str(confidential.archive) in ours
    assert server.confidential_secret in server.secrets()
    verifiers = {seen.form["code_verifier"] for seen in server.requests if "code_verifier" in seen.form}
    assert verifiers and verifiers <= server.secrets()
    assert not any(secret in environ + theirs + ours for secret in server.secrets())


FAILURES = {
    "refused": {"status": 400, "body": {"error": "unauthorized_client"}},
    "not JSON": {"status": 200, "body": b"nonsense"},
    "half an answer": {"drop": "body"},
    "no answer": {"drop": "after"},
    "not HTTP": {"raw": b"SSH-2.0-OpenSSH_9.6\r\n"},
    "a token that is none": {"edit": lambda told: {**told, "access_token": told["access_token"] + "\n"}},
    "an ID token that is wrong": {"edit": lambda told: {**told, "id_token": told["access_token"]}},
    "a type that is not Bearer": {"edit": lambda told: {**told, "token_type": "mac"}},
}


@pytest.mark.parametrize("fault", FAILURES.values(), ids=FAILURES)
def test_no_secret_is_in_a_traceback(confidential, server, fault):
    given = server.issue(client_id=server.confidential_id)
    confidential.store(given)
    server.misbehave("/oauth/token", times=None, **fault)

    done = confidential.run("token", "--debug", "--verbose")

    assert (done.returncode in (1, 3), done.stdout) == (True, "")
    assert "Traceback" in done.stderr
    assert server.count("POST", "/oauth/token") == 1
    answered = {secret for secret in server.secrets() if len(secret) > 20}
    assert {given["refresh_token"], server.confidential_secret} <= answered
    assert not any(secret in done.stderr for secret in answered)
