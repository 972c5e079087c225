"""The token file, shared with AuthGate's own Python SDK: the real package, writing and reading."""

import json
import subprocess

import pytest
from client import Client
from desktop import ROOT

SDK = ROOT / ".venv-go-authgate" / "bin" / "python"
FIVE_FIELDS = {"access_token", "refresh_token", "token_type", "expires_at", "client_id"}
SAVE = """
import sys
from authgate.credstore import StoredToken, token_file_store
path, client_id, access, refresh, expires_at = sys.argv[1:]
token_file_store(path).save(client_id, StoredToken(access, refresh, "Bearer", float(expires_at), client_id))
"""
LOAD = """
import sys, json, dataclasses
from authgate.credstore import token_file_store
print(json.dumps(dataclasses.asdict(token_file_store(sys.argv[1]).load(sys.argv[2]))))
"""
LOCK = """
import sys
from authgate.credstore.file_store import _FileLock
lock = _FileLock(sys.argv[1] + ".lock")
lock.acquire()
print("locked", flush=True)
sys.stdin.readline()
lock.release()
"""
SAVE_OFTEN = """
import sys
from authgate.credstore import StoredToken, token_file_store
path, count = sys.argv[1], int(sys.argv[2])
for number in range(count):
    token_file_store(path).save(f"sdk-{number}", StoredToken(f"token-{number}", "", "Bearer", 0.0, f"sdk-{number}"))
"""
LATE = 30  # seconds; with so many left of an hour a token is refreshed


@pytest.fixture
def client(archive, authgate, tmp_path):
    return Client(archive, tmp_path, AUTHGATE_URL=authgate.issuer, CLIENT_ID=authgate.client_id, AUTHGATE_FLOW="device")


@pytest.fixture
def sdk(client):
    """Run code with the SDK, on the client's token file; return what it printed."""

    def run(code, *arguments) -> str:
        command = [str(SDK), "-c", code, str(client.token_file), *map(str, arguments)]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout

    return run


@pytest.fixture
def saved(sdk, authgate):
    """Let the SDK save a token that is good for `left` seconds more; return it."""

    def save(left, **how) -> dict:
        token = authgate.issue(**how)
        client_id = how.get("client_id", authgate.client_id)
        sdk(SAVE, client_id, token["access_token"], token["refresh_token"], authgate.clock() + left)
        return token

    return save


def entries(client) -> dict:
    data = json.loads(client.token_file.read_text())["data"]
    return {client_id: json.loads(text) for client_id, text in data.items()}


def test_what_the_sdk_writes_is_used(client, saved):
    token = saved(3600)

    assert client.run("token").stdout == token["access_token"] + "\n"


def test_what_is_refreshed_here_the_sdk_reads_again_and_so_on_in_turn(client, sdk, saved, authgate):
    saved(LATE)

    for _ in range(3):
        renewed = client.run("token").stdout.strip()
        read = json.loads(sdk(LOAD, authgate.client_id))
        assert read["access_token"] == renewed
        assert isinstance(read["expires_at"], float)
        assert set(entries(client)[authgate.client_id]) == FIVE_FIELDS
        tokens = (read[name] for name in ("client_id", "access_token", "refresh_token"))
        sdk(SAVE, *tokens, authgate.clock() + LATE)

    assert authgate.count("POST", "/oauth/token", grant_type="refresh_token") == 3
    assert authgate.family_alive(read["refresh_token"])


def test_new_sign_in_keeps_an_entry_of_the_sdk_readable_to_it(client, sdk, saved, authgate):
    saved(3600)

    assert client.run("login", "--force").returncode == 0

    assert json.loads(sdk(LOAD, authgate.client_id))["access_token"] == client.run("token").stdout.strip()


def test_entry_that_is_new_here_is_more_than_the_sdk_can_read(client, sdk, authgate):
    """Known and meant: bash-cli and the Go SDK read it, and it says whose token it is."""
    assert client.run("login").returncode == 0

    with pytest.raises(subprocess.CalledProcessError) as refused:
        sdk(LOAD, authgate.client_id)

    assert "CredStoreError: failed to unmarshal data" in refused.value.stderr
    assert "unexpected keyword argument" in refused.value.stderr


def test_what_the_sdk_writes_for_another_client_leaves_ours_alone(client, sdk, authgate):
    assert client.run("login").returncode == 0
    ours = entries(client)[authgate.client_id]

    sdk(SAVE, "another", "access", "refresh", 0.0)

    assert entries(client)[authgate.client_id] == ours
    assert client.run("token").stdout == ours["access_token"] + "\n"


def test_nothing_is_spent_while_the_sdk_holds_its_lock(client, saved, authgate):
    saved(LATE)
    command = [str(SDK), "-c", LOCK, str(client.token_file)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "locked\n"
        refreshing = client.start("token")
        # Discovery is asked first, the lock comes after it, and the spending after the lock.
        with pytest.raises(subprocess.TimeoutExpired):
            refreshing.wait(2)
        spent_early = authgate.count("POST", "/oauth/token")
        holder.communicate("let go\n")

    token, errors = refreshing.communicate(timeout=60)
    assert (refreshing.returncode, spent_early) == (0, 0), errors
    assert entries(client)[authgate.client_id]["access_token"] == token.strip()


def test_writers_at_the_same_time_lose_nothing(client, saved, authgate):
    """The SDK saves two hundred entries, while six of our clients refresh theirs five times each."""
    ids = [f"ours-{number}" for number in range(6)]
    authgate.access_ttl = 0  # every run refreshes, stores the new token and ends with 1, as it has expired
    for client_id in ids:
        authgate.register(client_id)
        saved(LATE, client_id=client_id)
    command = [str(SDK), "-c", SAVE_OFTEN, str(client.token_file), "200"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as sdk:
        for _ in range(5):
            running = [client.start("token", "--client-id", client_id) for client_id in ids]
            outputs = [process.communicate(timeout=60) for process in running]
            assert [process.returncode for process in running] == [1] * 6, outputs
        _, errors = sdk.communicate(timeout=60)

    kept = entries(client)
    assert (sdk.returncode, errors) == (0, "")
    assert set(kept) == {*ids, *(f"sdk-{number}" for number in range(200))}
    assert all(authgate.family_alive(kept[client_id]["refresh_token"]) for client_id in ids)
    assert authgate.count("POST", "/oauth/token", grant_type="refresh_token") == 30
