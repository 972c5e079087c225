"""The built archive with the Python package keyring, gnome-keyring and a D-Bus session of its own.

Each run of the archive is bounded (`client.COMMAND_TIMEOUT`): a keyring that could hang it, or keep
it from ending, would fail its test.
"""

import json
import signal
import socket
import subprocess
import tempfile
from contextlib import ExitStack
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from client import COMMAND_TIMEOUT, Client
from desktop import PYTHON, VENV, Bus, Display, Keyring

from authgate_cli.system.keyring_process import TRUSTED

GO_AUTHGATE = VENV.with_name(".venv-go-authgate") / "bin" / "python"
SMALL = """
import json, os, pathlib
from keyring.backend import KeyringBackend
from keyring.errors import PasswordDeleteError

class Refused(Exception):
    "CredWrite, 1783, The stub received bad data."

class Keyring(KeyringBackend):
    "Windows' Credential Manager, as far as its size matters."

    __module__ = "keyring.backends.Windows"
    priority = 5
    file = pathlib.Path(os.environ["HOME"], "credentials.json")

    def _kept(self):
        return json.loads(self.file.read_text()) if self.file.exists() else {}

    def get_password(self, service, username):
        return self._kept().get(username)

    def set_password(self, service, username, password):
        if len(password) > 1280:
            raise Refused
        self.file.write_text(json.dumps({**self._kept(), username: password}))

    def delete_password(self, service, username):
        if username not in self._kept():
            raise PasswordDeleteError("not there")
        self.file.write_text(json.dumps({key: value for key, value in self._kept().items() if key != username}))
"""
BY_THE_SDK = """
import sys, time
from authgate.credstore import StoredToken, token_keyring_store
access, refresh, client_id, left = sys.argv[1:]
expires_at = time.time() + float(left)
token_keyring_store("authgate").save(client_id, StoredToken(access, refresh, "Bearer", expires_at, client_id))
"""


@pytest.fixture
def client(archive, authgate, tmp_path):
    """The archive where the package keyring can be imported, and nothing else is there yet."""
    return Client(
        archive,
        tmp_path,
        str(PYTHON),
        AUTHGATE_URL=authgate.issuer,
        CLIENT_ID=authgate.client_id,
        AUTHGATE_FLOW="device",
        AUTHGATE_STORE="auto",
    )


@pytest.fixture
def keyring(client, tmp_path):
    """gnome-keyring, unlocked, in the client's session."""
    with Bus(tmp_path) as bus, Keyring(tmp_path, bus) as keyring:
        client.environment |= keyring.environment
        yield keyring


def report(finished) -> dict:
    assert finished.returncode == 0, finished.stderr
    return json.loads(finished.stdout)


def entry(keyring, user) -> dict:
    return json.loads(keyring.get(user) or "null")


# ---- a keyring that works


@pytest.mark.parametrize("store", ["auto", "keyring"])
def test_sign_in_keeps_the_token_in_the_keyring_and_nowhere_else(client, keyring, authgate, store):
    told = report(client.run("--json", "--show-tokens", "--store", store))

    kept = entry(keyring, authgate.client_id)
    assert told["store"] == "keyring"
    assert kept["access_token"] == told["token"]["access_token"]
    assert kept["refresh_token"] == told["token"]["refresh_token"]
    assert kept["issuer"] == authgate.issuer
    assert not client.token_file.exists()


def test_next_run_uses_it(client, keyring):
    report(client.run("--json"))

    told = report(client.run("--json", "--no-input"))

    assert (told["source"], told["store"]) == ("stored", "keyring")


def expire(keyring, user):
    """Let the stored token be one that has expired."""
    keyring.set(user, json.dumps({**entry(keyring, user), "expires_at": "2001-01-01T00:00:00Z"}))


def test_refreshed_token_goes_back_to_the_keyring(client, keyring, authgate):
    before = report(client.run("--json", "--show-tokens"))["token"]
    expire(keyring, authgate.client_id)

    after = report(client.run("--json", "--show-tokens", "--no-input"))

    assert (after["source"], after["store"]) == ("refreshed", "keyring")
    assert after["token"]["refresh_token"] != before["refresh_token"]
    assert entry(keyring, authgate.client_id)["refresh_token"] == after["token"]["refresh_token"]
    assert not client.token_file.exists()


def test_logout_deletes_it(client, keyring, authgate):
    report(client.run("--json"))

    assert client.run("logout").returncode == 0

    assert keyring.get(authgate.client_id) is None
    assert client.run("token").returncode == 4


def test_index_lists_what_is_stored(client, keyring, authgate):
    report(client.run("--json"))

    [listed] = json.loads(keyring.get("#index"))

    assert (listed["key"], listed["client_id"], listed["issuer"]) == (*[authgate.client_id] * 2, authgate.issuer)
    assert client.run("logout").returncode == 0
    assert keyring.get("#index") == "[]"


def test_logout_of_nobody_is_no_error(client, keyring):
    finished = client.run("logout")

    assert (finished.returncode, finished.stderr) == (0, "")


def test_token_of_100_kb_survives(client, keyring, authgate):
    def enlarge(answer):
        family = authgate.families[answer["refresh_token"]]
        family.refresh_token = answer["refresh_token"] + "x" * 100_000
        authgate.families[family.refresh_token] = family
        return {**answer, "refresh_token": family.refresh_token}

    authgate.misbehave("/oauth/token", edit=enlarge, times=None)
    assert report(client.run("--json"))["store"] == "keyring"
    expire(keyring, authgate.client_id)

    told = report(client.run("--json", "--show-tokens", "--no-input"))

    assert (told["source"], told["store"]) == ("refreshed", "keyring")
    assert len(told["token"]["refresh_token"]) > 100_000
    assert entry(keyring, authgate.client_id)["refresh_token"] == told["token"]["refresh_token"]


def test_new_sign_in_moves_the_token_out_of_the_file(client, keyring, authgate):
    report(client.run("--json", "--store", "file"))

    told = report(client.run("--json", "--force"))

    assert told["store"] == "keyring"
    assert authgate.client_id not in client.token_file.read_text()


def test_new_sign_in_moves_the_token_out_of_the_keyring_when_the_file_is_asked_for(client, keyring, authgate):
    """`--store file` does not look at keyrings; `logout` under auto clears what is left there."""
    report(client.run("--json"))
    report(client.run("--json", "--store", "file"))

    assert client.run("logout").returncode == 0

    assert keyring.get(authgate.client_id) is None
    assert authgate.client_id not in client.token_file.read_text()


def test_entry_of_the_python_sdk_is_used_and_stays_readable_to_it(client, keyring, authgate):
    token = authgate.issue()
    saved = token["access_token"], token["refresh_token"], authgate.client_id
    sdk(keyring, BY_THE_SDK, *saved, "3600")

    told = report(client.run("--json", "--no-input", "--show-tokens"))
    sdk(keyring, BY_THE_SDK, *saved, "30")
    renewed = client.run("token").stdout.strip()

    assert renewed not in ("", token["access_token"])
    assert (told["source"], told["store"]) == ("stored", "keyring")
    assert told["token"]["access_token"] == token["access_token"]
    assert set(entry(keyring, authgate.client_id)) == {
        "access_token", "refresh_token", "token_type", "expires_at", "client_id",
    }  # fmt: skip
    read = "from authgate.credstore import *; import sys; print(token_keyring_store('authgate').load(sys.argv[1]))"
    assert renewed in sdk(keyring, read, authgate.client_id)


def sdk(keyring, code, *arguments) -> str:
    """Run code with AuthGate's own Python SDK in the keyring's session."""
    finished = keyring.run(str(GO_AUTHGATE), "-c", code, *arguments)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


def test_backends_that_count_are_those_that_the_package_has_also_for_other_systems():
    code = "import importlib.util, sys; print([name for name in sys.argv[1:] if not importlib.util.find_spec(name)])"
    done = subprocess.run([PYTHON, "-c", code, *TRUSTED], stdout=subprocess.PIPE, text=True, check=True)

    assert done.stdout == "[]\n"


def test_doctor_names_the_keyring(client, keyring):
    assert "keyring: Secret Service" in client.run("doctor").stdout


def test_chain_of_backends_is_followed_to_the_one_that_counts(client, keyring, authgate):
    """With keyrings.alt installed, keyring itself would chain gnome-keyring and a plain-text file."""
    client.environment["PYTHONPATH"] = str(VENV / "extra")

    told = report(client.run("--json", "--show-tokens"))

    assert told["store"] == "keyring"
    assert entry(keyring, authgate.client_id)["access_token"] == told["token"]["access_token"]
    assert files_with(told["token"]["access_token"], client.home) == []


# ---- keyrings that do not


def no_bus(home, stack):
    return {}


def dead_address(home, stack):
    return {"DBUS_SESSION_BUS_ADDRESS": f"unix:path={home}/nobody"}


def bus_without_the_service(home, stack):
    return stack.enter_context(Bus(home)).environment


def bus_that_never_answers(home, stack):
    folder = stack.enter_context(tempfile.TemporaryDirectory())  # a socket's path has to be short
    listener = stack.enter_context(socket.socket(socket.AF_UNIX))
    listener.bind(f"{folder}/bus")
    listener.listen()
    return {"DBUS_SESSION_BUS_ADDRESS": f"unix:path={folder}/bus"}


def collection_locked(home, stack):
    keyring = _keyring(home, stack)
    keyring.lock()
    return keyring.environment


def collection_missing(home, stack):
    return _keyring(home, stack, unlocked=False).environment


def daemon_frozen(home, stack):
    keyring = _keyring(home, stack)
    keyring.freeze()
    return keyring.environment


def locked_with_a_display_and_nobody_before_it(home, stack):
    """CI tells that nobody is there; its prompt stays unanswered."""
    display = stack.enter_context(Display())
    keyring = _keyring(home, stack, display=display.environment)
    keyring.lock()
    return {**keyring.environment, "CI": "true"}


def backend_that_does_not_exist(home, stack):
    return {"PYTHON_KEYRING_BACKEND": "no.such.Keyring"}


def bad_keyringrc(home, stack):
    folder = home / ".config" / "python_keyring"
    folder.mkdir(parents=True)
    (folder / "keyringrc.cfg").write_text("[backend]\ndefault-keyring=no.such.Keyring\n")
    return {}


def unreadable_keyringrc(home, stack):
    folder = home / ".config" / "python_keyring"
    folder.mkdir(parents=True)
    (folder / "keyringrc.cfg").write_text("not a settings file\n")
    return {}


def null_backend(home, stack):
    return {"PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring"}


def fail_backend(home, stack):
    return {"PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring"}


def plain_text_backend(home, stack):
    return {"PYTHONPATH": str(VENV / "extra")}


def chain_of_nothing(home, stack):
    return {"PYTHON_KEYRING_BACKEND": "keyring.backends.chainer.ChainerBackend"}


def _keyring(home, stack, unlocked=True, display=None):
    return stack.enter_context(Keyring(home, stack.enter_context(Bus(home, display)), unlocked))


# What is not there is nothing to warn of; what is there and does not work is.
UNUSABLE = {
    no_bus: "authgate: the keyring backend keyring.backends.fail ",
    dead_address: "authgate: the keyring backend keyring.backends.fail ",
    bus_without_the_service: "authgate: the keyring backend keyring.backends.fail ",
    bus_that_never_answers: "authgate: the keyring backend keyring.backends.fail ",
    collection_locked: "authgate: warning: the keyring cannot be used (KeyringLocked)",
    collection_missing: "authgate: warning: the keyring cannot be used (InitError)",
    daemon_frozen: "authgate: warning: the keyring did not answer within 3 s",
    locked_with_a_display_and_nobody_before_it: "authgate: warning: the keyring did not answer within 3 s",
    backend_that_does_not_exist: "authgate: warning: the keyring cannot be used (ModuleNotFoundError)",
    bad_keyringrc: "authgate: warning: the keyring cannot be used (ModuleNotFoundError)",
    unreadable_keyringrc: "authgate: warning: the keyring cannot be used (MissingSectionHeaderError)",
    null_backend: "authgate: the keyring backend keyring.backends.null ",
    fail_backend: "authgate: the keyring backend keyring.backends.fail ",
    plain_text_backend: "authgate: the keyring backend keyrings.alt.file ",
    chain_of_nothing: "authgate: the keyring backend keyring.backends.chainer ",
}


@pytest.fixture(params=UNUSABLE, ids=lambda arrange: arrange.__name__)
def unusable(request, client, tmp_path):
    """Arrange one of them; return how the program speaks of it."""
    with ExitStack() as stack:
        client.environment |= request.param(tmp_path, stack)
        yield UNUSABLE[request.param]


def test_auto_goes_on_with_the_file(client, unusable):
    signed_in = client.run("--json", "--show-tokens", "--verbose")
    again = report(client.run("--json", "--no-input"))

    told = report(signed_in)
    assert told["store"] == str(client.token_file)
    assert (again["source"], again["store"]) == ("stored", str(client.token_file))
    assert unusable in signed_in.stderr
    assert signed_in.stderr.count("authgate: warning: ") == unusable.count("warning")
    assert files_with(told["token"]["access_token"], client.home) == [client.token_file]


def test_keyring_insisted_on_is_an_error_before_anybody_is_asked(client, authgate, unusable):
    finished = client.run("--store", "keyring")

    assert finished.returncode == 5
    assert unusable.rpartition("the keyring")[2] in finished.stderr
    assert "authgate: hint: " in finished.stderr
    assert authgate.count("POST", "/oauth/device/code") == 0


def test_doctor_says_why(client, unusable):
    assert unusable.rpartition("the keyring")[2] in client.run("doctor").stdout


def test_frozen_daemon_does_not_keep_logout_from_the_file(client, keyring, authgate):
    report(client.run("--json", "--store", "file"))
    keyring.freeze()

    assert client.run("logout").returncode == 0

    assert authgate.client_id not in client.token_file.read_text()


def files_with(secret, folder) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and secret in path.read_text(errors="replace")]


# ---- a locked keyring and somebody who can unlock it


@pytest.fixture
def locked(client, tmp_path):
    """A locked collection on a display; the first look at it opens a prompt there."""
    with Display() as display, Bus(tmp_path, display.environment) as bus, Keyring(tmp_path, bus) as keyring:
        keyring.lock()
        client.environment |= keyring.environment
        yield keyring, display


def test_no_input_means_that_nobody_types_a_password_either(client, locked):
    finished = client.run("token", "--no-input")

    assert finished.returncode == 4
    assert "the keyring did not answer within 3 s" in finished.stderr


@pytest.fixture
def waiting(client, locked):
    """A sign-in that has said that it waits for the keyring."""
    process = client.start("--json")
    try:
        assert process.stderr.readline() == "waiting for the keyring …\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def ended(process) -> CompletedProcess:
    output, errors = process.communicate(timeout=COMMAND_TIMEOUT)
    return CompletedProcess(process.args, process.returncode, output, errors)


def test_person_types_the_keyrings_password(locked, waiting, authgate):
    keyring, display = locked
    display.answer_prompt()

    assert report(ended(waiting))["store"] == "keyring"
    assert "access_token" in entry(keyring, authgate.client_id)


def test_person_cancels_the_prompt(client, locked, waiting):
    _, display = locked
    display.cancel_prompt()

    finished = ended(waiting)
    assert report(finished)["store"] == str(client.token_file)
    assert finished.stderr.count("authgate: warning: the keyring cannot be used (KeyringLocked)") == 1


def test_person_loses_patience(waiting, authgate):
    waiting.send_signal(signal.SIGINT)

    finished = ended(waiting)
    assert (finished.returncode, finished.stdout) == (130, "")
    assert finished.stderr == "authgate: error: interrupted\n"
    assert authgate.count("POST", "/oauth/device/code") == 0


# ---- one that refuses long values


@pytest.fixture
def small(client, authgate, tmp_path):
    """A keyring with Windows' limit, and a short token of this client in it."""
    (tmp_path / "small_keyring.py").write_text(SMALL)
    client.environment |= {"PYTHONPATH": str(tmp_path), "PYTHON_KEYRING_BACKEND": "small_keyring.Keyring"}
    kept = {"access_token": "short", "issuer": authgate.issuer, "expires_at": "2001-01-01T00:00:00Z"}
    credentials = tmp_path / "credentials.json"
    credentials.write_text(json.dumps({authgate.client_id: json.dumps(kept)}))
    return credentials


def enlarge(answer):
    return {**answer, "refresh_token": "x" * 1300}


def test_token_too_long_for_the_keyring_is_kept_in_the_file(client, small, authgate):
    authgate.misbehave("/oauth/token", edit=enlarge)

    finished = client.run("--json")

    assert report(finished)["store"] == str(client.token_file)
    assert finished.stderr.count("authgate: warning: ") == 1
    assert "authgate: warning: the keyring did not save the token; using the token file" in finished.stderr
    assert small.read_text() == "{}"
    assert report(client.run("--json", "--no-input"))["source"] == "stored"


def test_token_too_long_for_a_keyring_insisted_on_is_an_error(client, small, authgate):
    authgate.misbehave("/oauth/token", edit=enlarge)

    finished = client.run("--json", "--store", "keyring")

    assert finished.returncode == 5
    assert json.loads(finished.stdout)["store"] is None
    assert "authgate: error: the new token could not be saved: the keyring did not save the token" in finished.stderr
    assert small.read_text() == "{}"
    assert not client.token_file.exists()
