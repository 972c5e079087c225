"""The steps from sign-in to sign-out, for tests of real providers.

Each asserts what has to hold with every provider, however it is configured.
"""

from __future__ import annotations

import base64
import json
import shutil

from client import Client


def admit(client, authgate) -> str:
    """Make the client known to the stand-in, where devices wait for a person; return the issuer."""
    authgate.auto_approve = False
    authgate.register(client.environment["CLIENT_ID"], [client.environment["AUTHGATE_REDIRECT_URI"]])
    return authgate.issuer


def sign_in_with_browser(client, browser, *arguments, deny=False):
    return client.run("--flow", "browser", *arguments, env={"BROWSER": browser(deny=deny)})


def sign_in_with_device(client, browser, *arguments, deny=False, **how):
    return client.run_with_device("--flow", "device", *arguments, deny=deny, **how)


FLOWS = {"browser": sign_in_with_browser, "device": sign_in_with_device}


def address_shown(process) -> str:
    """Return the address that a sign-in by browser prints."""
    return next(line.strip() for line in process.stderr if line.startswith("    http"))


def report(finished) -> dict:
    """Return what a command says with --json."""
    assert finished.returncode == 0, finished.stderr
    return json.loads(finished.stdout)


def access_token(client) -> str:
    finished = client.run("token")
    assert (finished.returncode, finished.stderr) == (0, "")
    return finished.stdout.strip()


def use_the_stored_token(client, user) -> None:
    told = report(client.run("--no-input", "--json"))
    assert (told["source"], told["store"], told["user"]) == ("stored", str(client.token_file), user)


def refresh_with_rotation(client, user, times=2) -> None:
    """Refresh again and again, each time with the refresh token that came last."""
    tokens = [client.stored()]
    for _ in range(times):
        client.expire()
        access_token(client)
        tokens.append(client.stored())
    for name in ("access_token", "refresh_token"):
        assert len({token[name] for token in tokens}) == 1 + times, name
    assert report(client.run("status", "--json"))["user"] == user


def somebody_else_spends_the_refresh_token(client, home) -> None:
    """Refresh with a copy of the token file: the provider then ends the grant, and the program says what to do."""
    client.expire()
    thief = Client(client.archive, home, **{**client.environment, "HOME": str(home)})
    shutil.copy(client.token_file, thief.token_file)
    access_token(thief)
    assert thief.stored()["refresh_token"] != client.stored()["refresh_token"]
    thief.expire()

    for finished in client.run("token"), thief.run("token"):
        assert (finished.returncode, finished.stdout) == (4, "")
        error, hint = finished.stderr.splitlines()
        assert "(invalid_grant)" in error and "authgate.pyz login" in hint


def verify(client, token, algorithm) -> None:
    """Check a JWT by the provider's keys, and that one with another subject is refused."""
    told = report(client.run("inspect", "-", "--verify", "--json", input=token, stdin=None))
    assert told["verified"] and f"{algorithm} with the key" in told["proven"][0]

    refused = client.run("inspect", "-", "--verify", input=tampered(token), stdin=None)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "signature" in refused.stderr


def tampered(token: str) -> str:
    """Return the JWT with another subject under the same signature."""
    header, claims, signature = token.split(".")
    said = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
    forged = base64.urlsafe_b64encode(json.dumps({**said, "sub": "mallory"}).encode()).decode().rstrip("=")
    return f"{header}.{forged}.{signature}"


def sign_out(client) -> None:
    """Log out, and check that a copy of the tokens can be neither used nor refreshed."""
    copy = client.token_file.read_bytes()

    finished = client.run("logout")

    assert (finished.returncode, finished.stderr) == (0, "")
    assert client.run("token").returncode == 4
    client.token_file.write_bytes(copy)
    assert client.run("status").returncode == 4
    client.expire()
    assert "(invalid_grant)" in client.run("token").stderr
