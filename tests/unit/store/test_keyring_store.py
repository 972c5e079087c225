"""The keyring, with a `keyring` package that does what the real one has been seen to do."""

import json
import os
import signal
import sys
import time
from pathlib import Path

import pytest
from fake_keyring import HANG, HARM, LEAVES_A_DAEMON, LIES, NOISE, FakeKeyring, at_call, at_import, returning
from waiting import eventually

from authgate_cli.errors import StoreFailed
from authgate_cli.store import is_importable
from authgate_cli.store.keyring_store import KeyringStore
from authgate_cli.store.token_file import Owner
from authgate_cli.tokens import TokenSet

ISSUER = "https://auth.example.com"
TOKEN = TokenSet("secret-access", "Bearer", 4600.0, "secret-refresh", None, "email", ISSUER, "client", 3600)
USES = ["find", "prepare", "describe", "forget", "entries", "save"]
LISTED = {"key": "client", "issuer": ISSUER, "client_id": "client", "account": ""}


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """The fake package, where this process and its children find it."""
    fake = FakeKeyring(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)

    def install(*arguments, **how):
        FakeKeyring.install(fake, *arguments, **how)
        for name, value in fake.environment.items():
            monkeypatch.setenv(name, value)

    fake.install = install
    fake.install()
    return fake


def new_store(client_id="client", issuer=ISSUER, tell=lambda _: None, account=""):
    return KeyringStore(Owner(issuer, client_id, account), lambda: 1000.0, False, tell, "/home/jane/tokens")


@pytest.fixture
def store():
    return new_store()


def use(store, name):
    return store.save(TOKEN) if name == "save" else getattr(store, name)()


def failure(action, *arguments):
    """Return how an action fails: the kind of error and its message."""
    with pytest.raises(StoreFailed) as raised:
        action(*arguments)
    return f"{type(raised.value).__name__}: {raised.value.message}"


def index(fake):
    return json.loads(fake.kept()["#index"])


# The keyring at its best


@pytest.mark.parametrize("backend", ["SecretService", "kwallet", "libsecret", "macOS", "Windows", "chainer"])
def test_a_token_is_saved_found_and_forgotten(fake, store, backend):
    fake.install(backend)
    assert (store.save(TOKEN), store.find().token) == ("keyring", TOKEN)
    store.forget()
    assert store.find().token is None
    store.forget()


def test_service_user_and_value_are_those_of_the_sdks(fake, store):
    store.save(TOKEN)
    assert set(fake.kept()) == {"client", "#index"}
    assert json.loads(fake.kept()["client"])["expires_at"] == "1970-01-01T01:16:40Z"


@pytest.mark.parametrize("sample", ["bash-cli", "go-sdk", "python-sdk"])
def test_the_entries_of_the_sdks_are_found(fake, sample):
    document = json.loads((Path(__file__).parents[2] / "data" / "token-files" / f"{sample}.json").read_text())
    [(client_id, text)] = document["data"].items()
    fake.put(client_id, text)
    assert new_store(client_id).find().token.access_token == json.loads(text)["access_token"]


def test_what_others_added_to_an_entry_survives(fake, store):
    fake.put("client", json.dumps({"access_token": "old", "theirs": 7, "issuer": ISSUER}))
    store.save(TOKEN)
    entry = json.loads(fake.kept()["client"])
    assert (entry["theirs"], entry["access_token"]) == (7, "secret-access")


def test_another_issuers_entry_is_left_alone_and_ours_stands_beside_it(fake, store):
    theirs = json.dumps({"access_token": "theirs", "issuer": "https://elsewhere.example"})
    fake.put("client", theirs)
    assert store.find().token is None
    assert "https://elsewhere.example" in store.find().warning
    store.save(TOKEN)
    assert store.find().token == TOKEN
    store.forget()
    assert (store.find().token, fake.kept()["client"]) == (None, theirs)


def test_an_entry_that_nobody_understands_is_no_token(fake, store):
    fake.put("client", "nonsense")
    assert store.find().token is None


def test_a_long_token_is_kept(fake, store):
    long = TOKEN._replace(refresh_token="x" * 300_000)
    store.save(long)
    assert store.find().token == long


@pytest.mark.parametrize(
    ("backend", "name"),
    [("SecretService", "Secret Service"), ("macOS", "macOS Keychain"), ("chainer", "Secret Service")],
)
def test_the_backend_has_a_name(fake, store, backend, name):
    fake.install(backend)
    assert (store.describe(), store.prepare()) == (name, "keyring")


def test_the_lock_is_the_one_that_was_given(store):
    assert store.lock_path == "/home/jane/tokens"


# The index: a keyring cannot be listed


def test_what_is_saved_is_listed_and_what_is_forgotten_is_not(fake, store):
    other = TOKEN._replace(issuer="https://other.example", client_id="robot")
    robot = new_store("robot", "https://other.example")
    store.save(TOKEN)
    robot.save(other)
    listed = [(entry.key, entry.client_id, entry.issuer, entry.token) for entry in store.entries()]
    assert listed == [("client", "client", ISSUER, TOKEN), ("robot", "robot", "https://other.example", other)]
    assert index(fake) == [LISTED, {**LISTED, "key": "robot", "issuer": "https://other.example", "client_id": "robot"}]
    store.forget()
    assert [entry.key for entry in store.entries()] == ["robot"]
    store.forget_entry(*store.entries())
    assert (store.entries(), fake.kept()) == ([], {"#index": "[]"})


def test_a_second_issuers_token_is_listed_beside_the_first(fake, store):
    store.save(TOKEN)
    new_store(issuer="https://b.example").save(TOKEN._replace(issuer="https://b.example"))
    assert [entry.key for entry in store.entries()] == ["client", "client@https://b.example"]


def test_an_account_is_listed_beside_the_others(fake, store):
    account = new_store(account="jane@work")
    for each in (store, account):
        each.save(TOKEN)

    assert index(fake) == [LISTED, {**LISTED, "key": "client#jane@work", "account": "jane@work"}]
    assert [(entry.key, entry.account) for entry in new_store("").entries()] == [
        ("client", ""),
        ("client#jane@work", "jane@work"),
    ]
    account.forget()
    assert index(fake) == [LISTED]


def test_saving_again_leaves_the_index_as_it_is(fake, store):
    fake.put("#index", json.dumps([{**LISTED, "theirs": 7}, {**LISTED, "key": "another"}]))
    before = fake.kept()["#index"]
    store.save(TOKEN)
    assert json.loads(fake.kept()["#index"]) == json.loads(before)


@pytest.mark.parametrize(
    "text", ["", "{", "7", "{}", "[" * 10**5, '[7, {}, {"key": 7}, {"key": "x"}]', '[{"key": null}]']
)
def test_an_index_that_nobody_understands_is_begun_anew(fake, store, text):
    fake.put("#index", text)
    assert store.entries() == []
    store.save(TOKEN)
    assert index(fake) == [LISTED]


def test_what_is_listed_and_gone_is_left_out(fake, store):
    fake.put("#index", json.dumps([LISTED]))
    assert store.entries() == []


def test_a_token_is_kept_also_when_the_index_is_not(fake, store):
    fake.install(
        mischief="""
        keep = _chosen.set_password

        def set_password(service, user, text):
            if user == "#index":
                raise OSError(1783, "CredWrite", "The stub received bad data")
            keep(service, user, text)

        _chosen.set_password = set_password
    """
    )
    assert store.save(TOKEN) == "keyring"
    assert store.find().token == TOKEN


def test_an_index_that_cannot_be_read_is_not_written_anew(fake, store):
    fake.put("#index", json.dumps([{**LISTED, "key": "another"}]))
    before = fake.kept()["#index"]
    fake.install(
        mischief="""
        read = _chosen.get_password

        def get_password(service, user):
            if user == "#index":
                raise ValueError
            return read(service, user)

        _chosen.get_password = get_password
    """
    )
    assert failure(store.save, TOKEN).startswith("StoreFailed: the keyring did not save the token")
    assert fake.kept()["#index"] == before


@pytest.mark.parametrize(("name", "count"), [("find", 1), ("entries", 1), ("save", 2)])
def test_each_use_takes_few_processes_because_each_takes_a_fifth_of_a_second(fake, store, tmp_path, name, count):
    store.save(TOKEN)
    fake.install(mischief=f"with open({str(tmp_path / 'uses')!r}, 'a') as uses:\n    uses.write('use\\n')")
    use(store, name)
    assert (tmp_path / "uses").read_text() == "use\n" * count


# Which keyrings count


@pytest.mark.parametrize("backend", ["null", "fail", "file"])
def test_a_backend_that_keeps_nothing_or_in_the_open_is_no_keyring(fake, store, backend):
    fake.install(backend)
    reason = f"the keyring backend keyring.backends.{backend} does not keep secrets in the system's own store"
    assert {failure(use, store, name) for name in USES} == {f"KeyringUnavailable: {reason}"}
    assert fake.kept(f"keyring.backends.{backend}") == {}


def test_two_trials_at_once_do_not_disturb_each_other(fake, store, tmp_path):
    fake.install(
        mischief=f"""
        def note(service, user, text, write=_chosen.set_password):
            with open({str(tmp_path / "users")!r}, "a") as users:
                users.write(user + "\\n")
            write(service, user, text)
        _chosen.set_password = note
    """
    )
    assert [store.prepare(), store.prepare()] == ["keyring", "keyring"]
    assert len(set((tmp_path / "users").read_text().split())) == 2
    assert fake.kept() == {}


def test_of_a_chain_only_the_link_that_counts_is_used(fake, store):
    fake.install("chainer")
    store.save(TOKEN)
    written = [path.name for path in fake.folder.glob("*.json")]
    assert written == ["keyring.backends.SecretService.json"]


def test_a_chain_without_a_link_that_counts_is_no_keyring(fake, store):
    fake.install("chainer", "del _chosen.backends[1]")
    assert failure(store.find).startswith("KeyringUnavailable: the keyring backend keyring.backends.chainer ")


@pytest.mark.parametrize("package", [{}, {"keyring/notes.txt": "a directory that merely has the name"}])
def test_without_the_package_there_is_no_keyring(tmp_path, monkeypatch, store, package):
    if is_importable("keyring"):
        pytest.skip("the package keyring is installed here")
    fake = FakeKeyring(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    fake.install(package=package)
    assert not is_importable("keyring")
    assert failure(store.find) == "KeyringUnavailable: the Python package keyring is not installed"


def test_whether_there_is_a_package_is_known_without_importing_it(fake):
    assert is_importable("keyring")
    assert "keyring" not in sys.modules


# The keyring at its worst


@pytest.mark.parametrize(("mischief", "use_"), [(at_import, "find"), (at_call, "save")])
@pytest.mark.parametrize("harm", HARM)
def test_whatever_it_does_is_an_error_of_the_store(fake, store, harm, mischief, use_):
    fake.install(mischief=mischief(HARM[harm]))
    told = failure(use, store, use_)
    assert told.startswith("StoreFailed: the keyring cannot be used (")
    assert "secret" not in told


@pytest.mark.parametrize(
    ("mischief", "told"),
    [
        (at_import("raise ModuleNotFoundError('PYTHON_KEYRING_BACKEND')"), "StoreFailed: {} (ModuleNotFoundError)"),
        ("from keyring.errors import *\n" + at_call("raise KeyringLocked"), "StoreFailed: {} (KeyringLocked)"),
        ("from keyring.errors import *\n" + at_call("raise NoKeyringError"), "KeyringUnavailable: {} (NoKeyringError)"),
        (at_call("raise type('\\033[2J' + 'x' * 999, (Exception,), {})"), f"StoreFailed: {{}} ([2J{'x' * 56}…)"),
        (at_call("raise SystemExit"), "StoreFailed: {} (SystemExit)"),
        (HARM["the end of the process"], "StoreFailed: {} (its process ended)"),
    ],
)
def test_what_happened_is_told_by_its_name_alone(fake, store, mischief, told):
    fake.install(mischief=mischief)
    assert failure(store.find) == told.format("the keyring cannot be used")


@pytest.mark.parametrize("value", LIES)
def test_what_was_never_stored_is_no_token(fake, store, value):
    fake.install(mischief=returning(LIES[value]))
    assert (store.find().token, store.entries()) == (None, [])
    assert failure(store.save, TOKEN).startswith("StoreFailed: the keyring did not save the token")


REFUSE = at_call("raise OSError(1783, 'CredWrite')", "set_password")  # Windows, for a long value
EXIT = at_call("import os; os._exit(0)", "set_password")
PANIC = at_call(HARM["a panic of Rust"], "set_password")
DROP = at_call("pass", "set_password")
SPOIL = (
    "keep = _chosen.set_password\n_chosen.set_password = lambda service, user, text: keep(service, user, text[:1280])"
)


@pytest.mark.parametrize("mischief", [REFUSE, EXIT, PANIC, DROP, SPOIL])
@pytest.mark.parametrize("before", [None, '{"access_token": "old"}'])
def test_a_token_that_does_not_come_back_is_an_error_and_nothing_stale_is_left(fake, store, mischief, before):
    """What is left would be found first, and its refresh token is spent."""
    fake.install(mischief=mischief)
    if before:
        fake.put("client", before)
    told = failure(store.save, TOKEN._replace(access_token="a" * 2000))
    assert told == "StoreFailed: the keyring did not save the token"
    assert "client" not in fake.kept()


def test_what_is_stale_and_cannot_be_removed_is_told(fake, store):
    fake.install(mischief=REFUSE + "\n" + at_call("raise SystemExit", "delete_password"))
    fake.put("client", '{"access_token": "old"}')
    with pytest.raises(StoreFailed, match="an older one may be left in it") as raised:
        store.save(TOKEN)
    assert "the entry client of the service authgate" in raised.value.hint


@pytest.mark.parametrize("mischief", [at_call("pass", "delete_password"), at_call("raise OSError", "delete_password")])
def test_a_token_that_stays_where_it_was_is_not_called_forgotten(fake, store, mischief):
    store.save(TOKEN)
    fake.install(mischief=mischief)
    assert failure(store.forget) == "StoreFailed: the keyring did not remove the token"


@pytest.mark.parametrize("mischief", [at_import(HANG["hangs"]), at_call(HANG["hangs deaf"])])
def test_a_keyring_that_hangs_is_given_up_once(fake, mischief):
    """The answers after the first come at once, or this would take a minute."""
    fake.install(mischief=mischief)
    told = []
    store = new_store(tell=told.append)
    assert {failure(store.find) for _ in range(20)} == {"StoreFailed: the keyring did not answer within 3 s"}
    assert told == ["waiting for the keyring …"]


def test_a_keyring_that_hangs_while_it_writes_leaves_nothing_stale(fake, store):
    fake.install(mischief=at_call(HANG["hangs"], "set_password"))
    fake.put("client", '{"access_token": "old"}')
    assert failure(store.save, TOKEN) == "StoreFailed: the keyring did not save the token"
    assert "client" not in fake.kept()


def test_a_keyring_that_makes_noise_works_and_is_not_heard(fake, store, capfd):
    fake.install(mischief=NOISE)
    assert (store.save(TOKEN), store.find().token) == ("keyring", TOKEN)
    store.forget()
    assert store.find().token is None
    assert capfd.readouterr() == ("", "")


@pytest.fixture
def daemon(tmp_path):
    """Return the process that a keyring has left behind; at the end it is killed."""
    found = []

    def find():
        path = tmp_path / "daemon"
        found.append(int(eventually(lambda: path.exists() and path.read_text().endswith("\n") and path.read_text())))
        return found[-1]

    yield find
    for pid in found:
        os.kill(pid, signal.SIGKILL)  # fails if it has ended


@pytest.mark.skipif(os.name != "posix", reason="fork is a POSIX matter")
def test_a_daemon_that_a_keyring_leaves_is_not_waited_for(fake, store, daemon):
    fake.install(mischief=LEAVES_A_DAEMON)
    assert store.save(TOKEN) == "keyring"
    daemon()


@pytest.mark.skipif(os.name != "posix", reason="fork is a POSIX matter")
def test_a_keyring_that_dies_while_its_daemon_keeps_the_pipes_open_is_given_up(fake, store, daemon):
    """The thread that reads the answer does not return: the pipe has another writer."""
    fake.install(mischief=LEAVES_A_DAEMON + "    os._exit(0)\n")
    assert failure(store.find) == "StoreFailed: the keyring did not answer within 3 s"
    daemon()


def test_our_secrets_are_not_in_its_environment(fake, store, monkeypatch):
    monkeypatch.setenv("CLIENT_SECRET", "secret")
    monkeypatch.setenv("AUTHGATE_TOKEN", "secret")
    fake.install(mischief=at_import("import os; assert 'secret' not in os.environ.values()"))
    assert store.find().token is None


def test_nothing_is_imported_from_the_current_directory(fake, store, tmp_path, monkeypatch):
    for name in ("keyring", "json", "authgate_cli", "faulthandler"):
        (tmp_path / "here" / name).mkdir(parents=True)
        (tmp_path / "here" / name / "__init__.py").write_text("import os; os._exit(0)")
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path])
    assert store.save(TOKEN) == "keyring"


def test_the_child_ends_by_itself_when_its_parent_is_gone(fake, tmp_path):
    """Nobody is left to kill it: the parent was killed while a backend hung."""
    from own_process import start

    fake.install(mischief=f"open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))\n" + HANG["hangs deaf"])
    code = "from authgate_cli.system.keyring_process import ask; ask(1.0, print, 'read', 'client')"
    with start(code, path=[tmp_path], environ=fake.environment) as parent:
        deadline = time.monotonic() + 20
        while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        parent.kill()
    stat = Path("/proc", (tmp_path / "pid").read_text(), "stat")
    while stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z":
        assert time.monotonic() < deadline, "the child is still there"
        time.sleep(0.05)


@pytest.mark.parametrize("trusted", [True, False])
def test_a_token_that_names_no_issuer_is_used_only_at_an_issuer_that_the_user_named(fake, trusted):
    new_store().save(TokenSet("opaque"))
    store = KeyringStore(Owner(ISSUER, "client"), lambda: 1000.0, False, lambda _: None, "/home/jane/tokens", trusted)

    assert (store.find().token is not None) == trusted
