"""One refresh, however many processes want one: with rotation, a second would sign the user out everywhere."""

import json
import os
import signal
import sys
import time
from pathlib import Path

import pytest
from storms import few_or_many
from waiting import eventually

CROWD = few_or_many(12, 40)
TOKEN_ENDPOINT, DISCOVERY = "/oauth/token", "/.well-known/openid-configuration"


def refreshes(server, **fields):
    return server.count("POST", TOKEN_ENDPOINT, grant_type="refresh_token", **fields)


def finish(processes):
    """Wait for all; return what each printed, and its exit status."""
    results = [(*process.communicate(timeout=60), process.returncode) for process in processes]
    return [out for out, _, _ in results], [err for _, err, _ in results], [status for _, _, status in results]


def has_open(process, path):
    """Tell whether a process has a file open, where the system shows that."""
    descriptors = Path(f"/proc/{process.pid}/fd")
    if not Path("/proc/self/fd").is_dir():
        return True
    try:
        return str(path) in [os.readlink(descriptor) for descriptor in descriptors.iterdir()]
    except OSError:
        return False  # it closes one while we look


def test_a_crowd_of_processes_refreshes_once(expired, server):
    lock = expired.token_file.with_name(expired.token_file.name + ".refresh")
    processes = []

    def once_all_are_waiting(answer):
        eventually(lambda: len(processes) == CROWD and all(has_open(process, lock) for process in processes))
        return answer

    server.misbehave(TOKEN_ENDPOINT, edit=once_all_are_waiting)
    processes.extend(expired.start("token") for _ in range(CROWD))
    tokens, errors, statuses = finish(processes)

    assert statuses == [0] * CROWD
    assert set(errors) == {""}
    assert set(tokens) == {expired.stored()["access_token"] + "\n"}
    assert expired.stored()["access_token"] != expired.given["access_token"]
    assert refreshes(server) == 1
    assert server.family_alive(expired.stored()["refresh_token"])


def machine_of(client, server):
    """Return the environment of a machine that signs itself in."""
    return {
        "CLIENT_ID": server.confidential_id,
        "CLIENT_SECRET": server.confidential_secret,
        "AUTHGATE_FLOW": "client-credentials",
    }


def test_forty_machines_with_nothing_stored_ask_once(client, server):
    server.rate_limits = True
    processes = [client.start("token", env=machine_of(client, server)) for _ in range(CROWD)]
    tokens, errors, statuses = finish(processes)

    assert statuses == [0] * CROWD
    assert set(errors) == {""}
    assert set(tokens) == {client.stored(server.confidential_id)["access_token"] + "\n"}
    assert server.count("POST", TOKEN_ENDPOINT) == 1


SHORT_LIVES = {
    "30 s, shorter than --min-ttl": (30, 40, ()),
    "15 minutes, --min-ttl 900": (900, 10, ("--min-ttl", "900")),
}


@pytest.mark.parametrize(("life", "crowd", "arguments"), SHORT_LIVES.values(), ids=SHORT_LIVES)
def test_a_life_shorter_than_min_ttl_is_refreshed_once(client, server, life, crowd, arguments):
    server.access_ttl = life
    client.store(server.issue(), left=life / 2 - 5)

    tokens, errors, statuses = finish([client.start("token", *arguments) for _ in range(crowd)])

    assert statuses == [0] * crowd
    assert set(errors) == {""}
    assert set(tokens) == {client.stored()["access_token"] + "\n"}
    assert refreshes(server) == 1


def test_a_life_that_is_not_recorded_is_refreshed_once(client, server):
    """The Python SDK records no lifetime, and an opaque token names none."""
    server.access_ttl = 900
    entry = {"access_token": "opaque", "refresh_token": server.issue()["refresh_token"], "token_type": "Bearer"}
    entry |= {"expires_at": time.time() + 440, "client_id": server.client_id}
    client.token_file.write_text(json.dumps({"data": {server.client_id: json.dumps(entry)}}))
    client.token_file.chmod(0o600)
    lock, processes = client.token_file.with_name(client.token_file.name + ".refresh"), []

    def opaque(answer):
        return {**answer, "access_token": f"opaque-{answer['refresh_token'][-9:]}"}

    def once_all_are_waiting(answer):
        eventually(lambda: len(processes) == 10 and all(has_open(process, lock) for process in processes))
        return opaque(answer)

    server.misbehave(TOKEN_ENDPOINT, edit=once_all_are_waiting)
    server.misbehave(TOKEN_ENDPOINT, times=None, edit=opaque)
    processes.extend(client.start("token", "--quiet", "--min-ttl", "900") for _ in range(10))
    tokens, _, statuses = finish(processes)

    assert statuses == [0] * 10
    assert set(tokens) == {client.stored()["access_token"] + "\n"}
    assert refreshes(server) == 1


def test_whoever_shares_the_store_shares_the_refresh(expired, server):
    commands = [("token",), ("login", "--json", "--show-tokens"), ("exec", "--", "sh", "-c", 'echo "$AUTHGATE_TOKEN"')]
    outputs, _, statuses = finish([expired.start(*command) for command in commands * 3])

    assert statuses == [0] * 9
    assert all(expired.stored()["access_token"] in output for output in outputs)
    assert refreshes(server) == 1
    assert server.family_alive(expired.stored()["refresh_token"])


def test_two_clients_in_one_file_both_keep_what_they_get(client, server):
    others = [server.client_id, "second-client"]
    server.register("second-client")
    client.store(*(server.issue(client_id=other) for other in others))
    before = {other: client.stored(other) for other in others}

    processes = [client.start("token", env={"CLIENT_ID": other}) for other in others * 5]
    tokens, _, statuses = finish(processes)

    assert statuses == [0] * 10
    for index, other in enumerate(others):
        stored = client.stored(other)
        assert set(tokens[index::2]) == {stored["access_token"] + "\n"}
        assert stored["refresh_token"] != before[other]["refresh_token"]
        assert server.family_alive(stored["refresh_token"])
        assert refreshes(server, client_id=other) == 1


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
def test_a_process_that_is_killed_takes_its_lock_with_it(expired, server):
    # Answered with 503, the request is not processed: the family lives.
    server.misbehave(TOKEN_ENDPOINT, status=503, delay=60)
    holder = expired.start("token")
    eventually(lambda: refreshes(server) == 1)
    waiters = [expired.start("token") for _ in range(3)]
    lock = expired.token_file.with_name(expired.token_file.name + ".refresh")
    eventually(lambda: all(has_open(waiter, lock) for waiter in waiters))
    waited = refreshes(server) == 1 and server.count("GET", DISCOVERY) == 1

    holder.kill()
    tokens, _, statuses = finish(waiters)

    assert finish([holder]) == ([""], [""], [-signal.SIGKILL])
    assert waited
    assert statuses == [0] * 3
    assert set(tokens) == {expired.stored()["access_token"] + "\n"}
    assert refreshes(server) == 2
    assert server.family_alive(expired.stored()["refresh_token"])


@pytest.mark.parametrize("strange", ["directory", "symlink", "hard link", "somebody else's"])
def test_a_lock_that_cannot_be_relied_on_is_an_error_before_anything_is_spent(expired, server, strange):
    lock = expired.token_file.with_name(expired.token_file.name + ".refresh")
    if strange == "directory":
        lock.mkdir()
    elif strange == "somebody else's":
        if os.geteuid() != 0:
            pytest.skip("only root can give a file away")
        lock.touch(0o600)
        os.chown(lock, 54321, -1)
    else:
        lock.with_name("elsewhere").touch()
        lock.symlink_to("elsewhere") if strange == "symlink" else os.link(lock.with_name("elsewhere"), lock)

    done = expired.run("token")

    assert (done.returncode, done.stdout, refreshes(server)) == (5, "", 0)
    assert done.stderr.startswith(f"authgate: error: the lock {lock} ")
    assert done.stderr.splitlines()[1].startswith("authgate: hint: remove it or ")
    assert server.family_alive(expired.given["refresh_token"])


def test_a_machine_goes_on_without_a_lock_and_says_so(client, server):
    lock = client.token_file.with_name(client.token_file.name + ".refresh")
    lock.mkdir()
    confidential = {"CLIENT_ID": server.confidential_id, "CLIENT_SECRET": server.confidential_secret}

    done = client.run("token", "--flow", "client-credentials", "--verbose", env=confidential)

    assert done.returncode == 0, done.stderr
    assert f"continuing without a lock: the lock {lock} is not a regular file" in done.stderr


COUNTING = """
import os, sys

def read(descriptor, size, real=os.read):
    data = real(descriptor, size)
    if data and os.fstat(descriptor).st_size > 1_000_000:
        with open("read", "a") as log:
            log.write(f"{len(data)}\\n")
    return data

os.read = read
"""


@pytest.mark.skipif(os.name != "posix", reason="looks at a file by its descriptor")
def test_the_token_file_is_read_before_the_lock_and_after_it_twice_for_the_check_and_for_the_write(expired, server):
    document = json.loads(expired.token_file.read_text())
    expired.token_file.write_text(json.dumps({**document, "padding": "x" * 2_000_000}))
    (expired.home / "sitecustomize.py").write_text(COUNTING)

    done = expired.run("token", env={"PYTHONPATH": str(expired.home)})

    assert (done.returncode, refreshes(server)) == (0, 1), done.stderr
    read = sum(map(int, (expired.home / "read").read_text().split()))
    assert round(read / 2_000_000) == 5


@pytest.mark.skipif(sys.platform == "win32", reason="permissions")
@pytest.mark.parametrize("left", [-60, 30], ids=["expired", "still good"])
def test_where_neither_lock_nor_token_can_be_written_nothing_is_spent(somebody, server, left):
    identity = somebody.identity
    somebody.store(somebody.given, left=left)
    somebody.home.chmod(0o555)
    before = somebody.token_file.read_bytes()

    done = somebody.run("token", "--verbose", **identity)

    assert "continuing without a lock: " in done.stderr
    assert (done.returncode, done.stdout) == ((5, "") if left < 0 else (0, somebody.given["access_token"] + "\n"))
    assert "Permission denied" in done.stderr
    assert refreshes(server) == 0
    assert somebody.token_file.read_bytes() == before
    assert server.family_alive(somebody.given["refresh_token"])


@pytest.mark.parametrize("age", [28.5, 31], ids=["young: waited for", "old: taken over"])
def test_the_lock_of_the_sdks_is_honoured_before_anything_is_spent(expired, server, age):
    """Another program writes while `<file>.lock` is there; one that is 30 s old is nobody's any more."""
    lock = expired.token_file.with_name(expired.token_file.name + ".lock")
    lock.write_text("another program")
    made = time.time() - age
    os.utime(lock, (made, made))
    ages = []
    server.misbehave(TOKEN_ENDPOINT, when=lambda seen: ages.append(time.time() - made))

    done = expired.run("token")

    assert (done.returncode, done.stderr) == (0, "")
    assert [waited > 30 for waited in ages] == [True]
    assert not lock.exists()
    assert server.family_alive(expired.stored()["refresh_token"])


def test_whoever_waits_for_the_lock_of_the_sdks_is_told_so(expired, server):
    lock = expired.token_file.with_name(expired.token_file.name + ".lock")
    lock.touch()

    process = expired.start("token")
    line = process.stderr.readline()
    lock.unlink()
    out, _ = process.communicate(timeout=60)

    assert line == f"Waiting for another program to finish with the token file ({lock}) …\n"
    assert (process.returncode, out) == (0, expired.stored()["access_token"] + "\n")


def test_a_token_that_is_good_waits_for_no_lock(client, server):
    given = server.issue()
    client.store(given, left=3600)
    client.token_file.with_name(client.token_file.name + ".lock").touch()

    done = client.run("token")

    assert done.stdout == given["access_token"] + "\n"
    assert sorted(os.listdir(client.home)) == [client.token_file.name, client.token_file.name + ".lock"]
