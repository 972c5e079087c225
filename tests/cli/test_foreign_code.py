"""Whatever `keyring` and its backends do, the whole program goes on as if there were none."""

import json
import signal
import subprocess

import pytest
from fake_keyring import HANG, HARM, LIES, NOISE, FakeKeyring, at_call, at_import, returning
from storms import few_or_many

MISCHIEF = {
    **{f"{name} at import": at_import(harm) for name, harm in HARM.items()},
    **{f"{name} at a call": at_call(harm) for name, harm in HARM.items()},
    "no keyring": "from keyring.errors import *\n" + at_call("raise NoKeyringError"),
}


@pytest.fixture
def fake(client, tmp_path):
    """The fake package, where the archive finds it; the store is chosen as it is for everybody."""
    fake = FakeKeyring(tmp_path / "site")

    def install(**how):
        FakeKeyring.install(fake, **how)
        client.environment |= {**fake.environment, "AUTHGATE_STORE": "auto"}

    fake.install = install
    fake.install()
    return fake


def warnings(done) -> list[str]:
    return [line for line in done.stderr.splitlines() if line.startswith("authgate: warning: ")]


@pytest.mark.parametrize("name", MISCHIEF)
def test_a_stored_token_is_printed_whatever_the_keyring_does(expired, fake, server, name):
    expired.store(expired.given, left=3600)
    fake.install(mischief=MISCHIEF[name])

    done = expired.run("token")

    assert (done.returncode, done.stdout) == (0, expired.given["access_token"] + "\n")
    assert done.stderr.splitlines() == warnings(done)
    assert [line.partition(": the keyring cannot be used (")[0] for line in warnings(done)] == (
        [] if name == "no keyring" else ["authgate: warning"]
    )


@pytest.mark.parametrize("name", [*MISCHIEF][:: few_or_many(9, 4)])
def test_a_new_token_is_kept_in_the_file_whatever_the_keyring_does(client, fake, name):
    fake.install(mischief=MISCHIEF[name])

    done = client.run("login", "--flow", "device", "--json")

    assert (done.returncode, json.loads(done.stdout)["store"]) == (0, str(client.token_file))
    assert client.run("token").stdout == client.stored()["access_token"] + "\n"


@pytest.mark.parametrize("name", [*MISCHIEF][1::4])
def test_a_keyring_that_is_required_is_an_error_before_anybody_is_asked(client, fake, server, name):
    fake.install(mischief=MISCHIEF[name])

    done = client.run("login", "--flow", "device", "--store", "keyring")

    assert (done.returncode, done.stdout) == (5, "")
    assert done.stderr.startswith("authgate: error: the keyring cannot be used (")
    assert server.count("POST", "/oauth/device/code") == 0


@pytest.mark.parametrize("name", LIES)
def test_what_was_never_stored_is_no_token(client, fake, name):
    fake.install(mischief=returning(LIES[name]))

    done = client.run("token")

    assert (done.returncode, done.stdout) == (4, "")
    assert "not signed in to" in done.stderr


def test_noise_of_a_keyring_that_works_is_not_heard(client, fake):
    fake.install(mischief=NOISE)

    signed_in = client.run("login", "--flow", "device", "--json")
    printed, out = client.run("token"), client.run("logout")

    assert json.loads(signed_in.stdout)["store"] == "keyring"
    assert printed.stdout.count("\n") == 1 and printed.stdout.startswith("eyJ")
    assert [done.returncode for done in (signed_in, printed, out)] == [0, 0, 0]
    assert not any("noise" in done.stdout + done.stderr for done in (signed_in, printed, out))
    assert fake.kept() == {"#index": "[]"}


def test_a_keyring_that_takes_no_more_is_replaced_by_the_file_and_holds_nothing_stale(client, fake, server):
    """It would be found first, and its refresh token is spent."""
    fake.put(server.client_id, json.dumps({**server.issue(), "issuer": server.issuer, "expires_at": 1}))
    fake.install(mischief=at_call("import os; os._exit(0)", "set_password"))

    refreshed, again = client.run("token"), client.run("token")

    assert (refreshed.returncode, again.returncode) == (0, 0)
    assert refreshed.stdout == again.stdout == client.stored()["access_token"] + "\n"
    told = "authgate: warning: the keyring did not save the token; using the token file"
    assert (warnings(refreshed), warnings(again)) == ([told], [])
    assert server.client_id not in fake.kept()


def test_a_keyring_that_hangs_costs_three_seconds_and_nothing_else(expired, fake):
    expired.store(expired.given, left=3600)
    fake.install(mischief=at_call(HANG["hangs deaf"]))

    done = expired.run("token")

    assert (done.returncode, done.stdout) == (0, expired.given["access_token"] + "\n")
    assert done.stderr.splitlines() == [
        "waiting for the keyring …",
        "authgate: warning: the keyring did not answer within 3 s; using the token file",
    ]


@pytest.mark.parametrize(("signum", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, -signal.SIGTERM)])
@pytest.mark.parametrize("mischief", [at_import(HANG["hangs"]), at_call(HANG["hangs deaf"])])
def test_a_person_who_loses_patience_with_a_keyring_is_obeyed(client, fake, signum, status, mischief):
    fake.install(mischief=mischief)
    # A display, so that a person may be typing the keyring's password: the wait is long.
    process = client.start("token", env={"DISPLAY": ":0"})
    try:
        assert process.stderr.readline() == "waiting for the keyring …\n"
        process.send_signal(signum)
        out, err = process.communicate(timeout=30)
    except subprocess.TimeoutExpired:
        process.kill()
        raise

    assert (process.returncode, out) == (status, "")
    assert err == ("authgate: error: interrupted\n" if signum == signal.SIGINT else "")


def grants(server, **fields) -> int:
    return server.count("POST", "/oauth/token", **fields)


@pytest.mark.parametrize("stores", [("keyring", "file"), ("file", "keyring")], ids=" then ".join)
def test_a_machine_leaves_the_token_of_a_person_in_the_other_store(client, server, fake, stores):
    client.environment |= {"CLIENT_ID": server.confidential_id, "CLIENT_SECRET": server.confidential_secret}
    server.clients[server.confidential_id].grants |= {"urn:ietf:params:oauth:grant-type:device_code", "refresh_token"}
    person, machine = stores
    assert client.run("login", "--flow", "device", "--store", person).returncode == 0

    done = client.run("token", "--flow", "client-credentials", "--store", machine)

    assert done.returncode == 0
    assert "Jane Doe" in client.run("status", "--store", person).stdout


def test_a_refresh_that_moved_to_the_file_is_used_by_those_who_have_waited(client, server, fake):
    assert client.run("login", "--flow", "device").returncode == 0
    fake.put(
        server.client_id,
        json.dumps({**json.loads(fake.kept()[server.client_id]), "expires_at": "2025-01-01T00:00:00Z"}),
    )
    fake.install(mischief=at_call("raise OSError", "set_password"))
    server.misbehave("/oauth/token", times=None, delay=1)

    first, second = client.start("token"), client.start("token")

    assert [one.communicate(timeout=60) and one.returncode for one in (first, second)] == [0, 0]
    assert grants(server, grant_type="refresh_token") == 1


def test_logout_fails_if_the_token_is_still_in_the_keyring(client, server, fake):
    assert client.run("login", "--flow", "device").returncode == 0
    fake.install(mischief=at_call("raise OSError", "delete_password"))

    done = client.run("logout")

    assert (done.returncode, done.stdout) == (5, "")
    assert "the keyring did not remove the token" in done.stderr


def test_nobody_is_asked_to_approve_what_the_keyring_will_not_save(client, server, fake):
    fake.install(mischief=at_call("raise OSError", "set_password"))

    done = client.run("login", "--flow", "device", "--store", "keyring")

    assert done.returncode == 5
    assert server.count("POST", "/oauth/device/code") == 0


def test_a_corrupt_token_file_is_moved_aside_although_the_keyring_is_used(client, server, fake):
    """Otherwise nobody could sign out."""
    client.token_file.touch(0o600)
    client.token_file.write_text("{bad")

    signed_in = client.run("login", "--force", "--flow", "device")
    out = client.run("logout")

    assert (signed_in.returncode, out.returncode) == (0, 0), out.stderr
    assert "the token file was corrupt; it was renamed" in signed_in.stderr
    assert client.token_file.with_name(client.token_file.name + ".corrupt").read_text() == "{bad"
    assert fake.kept() == {"#index": "[]"}


def test_a_new_token_is_in_the_file_before_a_keyring_that_is_not_used_is_asked(client, server, fake):
    """It may hang by now, and a token in hand would be lost if the process were killed meanwhile."""
    issued = client.home / "issued"
    is_saved = f"str(os.path.exists({str(client.token_file)!r}))"
    asked = f"os.write(os.open({str(issued)!r}, os.O_WRONLY | os.O_APPEND), {is_saved}.encode() + b' ')"
    fake.install(mischief=at_call(f"import os; os.path.exists({str(issued)!r}) and {asked}"))
    server.misbehave("/oauth/token", times=None, when=lambda seen: issued.touch())

    done = client.run("login", "--flow", "device", "--store", "file")

    assert done.returncode == 0
    assert set(issued.read_text().split()) == {"True"}


def test_what_the_hint_about_a_corrupt_token_file_names_helps_beside_a_token_in_the_keyring(client, fake):
    client.run("login", "--flow", "device")
    client.token_file.touch(0o600)
    client.token_file.write_text("{bad")

    failed = client.run("logout")
    _, _, hint = failed.stderr.partition("run authgate.pyz ")
    helped = client.run(*hint.partition(",")[0].split(), "--flow", "device")

    assert (failed.returncode, helped.returncode, client.run("logout").returncode) == (5, 0, 0)


def test_a_sign_in_that_uses_the_keyring_does_not_wait_for_the_file(client, fake):
    client.token_file.touch(0o600)
    client.token_file.write_text("{}")
    lock = client.token_file.with_name(client.token_file.name + ".lock")
    lock.touch()

    done = client.run("login", "--flow", "device")

    assert (done.returncode, "Waiting for another program" in done.stderr, lock.exists()) == (0, False, True)


def test_the_trial_leaves_nothing_in_the_keyring(client, server, fake):
    assert client.run("login", "--flow", "device").returncode == 0
    assert set(fake.kept()) == {server.client_id, "#index"}
