"""The keyring, with a `keyring` package that does what the real one has been seen to do."""

import json
from pathlib import Path
from textwrap import dedent

import pytest
from own_process import run

ISSUER = "https://auth.example.com"
# The chain of a real one: module functions, which ask a backend, whose module tells what it is.
PACKAGE = {
    "keyring/__init__.py": """
        import importlib, os

        _chosen = importlib.import_module("keyring.backends." + os.environ["FAKE_BACKEND"]).Keyring()

        def get_keyring():
            return _chosen

        def get_password(service, user):
            return _chosen.get_password(service, user)

        def set_password(service, user, password):
            _chosen.set_password(service, user, password)

        def delete_password(service, user):
            _chosen.delete_password(service, user)
    """,
    "keyring/errors.py": """
        class KeyringError(Exception): pass
        class NoKeyringError(KeyringError, RuntimeError): pass
        class KeyringLocked(KeyringError): pass
        class PasswordDeleteError(KeyringError): pass
    """,
    "keyring/memory.py": """
        from keyring.errors import PasswordDeleteError

        class Memory:
            def __init__(self):
                self.kept = {}

            def get_password(self, service, user):
                return self.kept.get((service, user))

            def set_password(self, service, user, password):
                self.kept[service, user] = password

            def delete_password(self, service, user):
                if (service, user) not in self.kept:
                    raise PasswordDeleteError("not there")
                del self.kept[service, user]
    """,
    "keyring/backends/__init__.py": "",
    "keyring/backends/chainer.py": """
        from keyring.backends import SecretService, null
        from keyring.memory import Memory
        plain = type("Plain", (Memory,), {"__module__": "keyrings.alt.file"})

        class Keyring(Memory):
            backends = [plain(), SecretService.Keyring(), null.Keyring()]
    """,
    **{
        f"keyring/backends/{name}.py": "from keyring.memory import Memory\nclass Keyring(Memory): pass"
        for name in ("SecretService", "kwallet", "libsecret", "macOS", "Windows", "null", "fail", "file")
    },
}

PROLOGUE = """
import json
from authgate_cli.store import is_importable
from authgate_cli.store.keyring_store import KeyringStore
from authgate_cli.store.token_file import Owner
from authgate_cli.errors import StoreFailed
from authgate_cli.tokens import TokenSet

ISSUER = "https://auth.example.com"
TOKEN = TokenSet("secret-access", "Bearer", 4600.0, "secret-refresh", None, "email", ISSUER, "client", 3600)
store = KeyringStore(Owner(ISSUER, "client"), lambda: 1000.0, False, print, "/home/jane/tokens")

def attempt(action, *arguments):
    try:
        print(action(*arguments))
    except StoreFailed as error:
        print(f"{type(error).__name__}: {error.message}")
"""


@pytest.fixture
def play(tmp_path):
    """Run code against the fake package, to which some mischief may be added."""

    def play(code, backend="SecretService", mischief="", package=PACKAGE):
        for name, text in package.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(dedent(text))
        init = tmp_path / "keyring" / "__init__.py"
        if mischief:
            init.write_text(init.read_text() + dedent(mischief))
        return run(PROLOGUE + dedent(code), path=[tmp_path], environ={"FAKE_BACKEND": backend})

    return play


@pytest.mark.parametrize(
    ("source", "found"), [("environment", "opaque"), (".env", None), ("the stored identity", None)]
)
def test_a_token_that_names_no_issuer_is_left_alone_unless_the_user_named_the_issuer(play, source, found):
    code = f"""
        import io, os
        from authgate_cli.settings import Settings
        from authgate_cli.store import open_store
        from authgate_cli.system import real_system
        from authgate_cli.system.terminal import Terminal

        store.save(TokenSet("opaque"))
        for where in ("auto", "keyring"):
            sources = {{"AUTHGATE_URL": {source!r}}}
            settings = Settings(ISSUER, "client", store=where, token_file="none", sources=sources)
            terminal = Terminal(None, None, io.StringIO(), {{}})
            found = open_store(settings, real_system(settings, terminal, {{}}), terminal, {{}}).load()
            print(found and found.token.access_token)
    """
    assert play(code) == [str(found)] * 2


ROUND = """
    attempt(store.save, TOKEN)
    print(store.find().token == TOKEN)
    attempt(store.forget)
    print(store.find().token)
    attempt(store.forget)
"""


# The keyring at its best


@pytest.mark.parametrize("backend", ["SecretService", "kwallet", "libsecret", "macOS", "Windows", "chainer"])
def test_a_token_is_saved_found_and_forgotten(play, backend):
    assert play(ROUND, backend) == ["keyring", "True", "True", "None", "False"]


def test_service_user_and_value_are_those_of_the_sdks(play):
    [line] = play("""
        import keyring
        store.save(TOKEN)
        print(json.dumps([[service, user, text] for (service, user), text in keyring.get_keyring().kept.items()]))
    """)
    [[service, user, text], index] = json.loads(line)
    assert index == ["authgate", "#index", json.dumps([{"issuer": ISSUER, "client_id": "client", "account": ""}])]
    assert (service, user) == ("authgate", "client")
    assert json.loads(text)["expires_at"] == "1970-01-01T01:16:40Z"


def test_all_that_was_saved_is_listed_until_it_is_removed(play):
    owners = [("client", ""), ("client", "jane@work"), ("other", "")]
    lines = play(f"""
        for client, account in {owners!r}:
            store = KeyringStore(Owner(ISSUER, client, account), lambda: 1000.0, False, print, "")
            store.save(TOKEN._replace(client_id=client))
        def listed():
            nobody = KeyringStore(Owner("", ""), lambda: 1000.0, False, print, "")
            print(json.dumps([(one.key, one.issuer, one.client_id, one.account) for one in nobody.entries()]))
            return nobody
        listed().forget_entry("client#jane@work")
        listed()
        store.forget()
        listed()
    """)
    keys = {"client": ("client", ""), "client#jane@work": ("client", "jane@work"), "other": ("other", "")}
    everything = [[key, ISSUER, client, account] for key, (client, account) in keys.items()]
    assert [json.loads(line) for line in lines] == [everything, [everything[0], everything[2]], everything[:1]]


@pytest.mark.parametrize("index", ["", "no JSON", "{}", "[7]", "null", '[{"issuer": 7}]'])
def test_an_index_that_is_not_ours_costs_nobody_a_sign_in(play, index):
    assert play(f"""
        import keyring
        keyring.set_password("authgate", "#index", {index!r})
        print(store.save(TOKEN), [one.key for one in store.entries()])
    """) == ["keyring ['client']"]


@pytest.mark.parametrize("sample", ["bash-cli", "go-sdk", "python-sdk"])
def test_the_entries_of_the_sdks_are_found(play, sample):
    document = json.loads((Path(__file__).parents[2] / "data" / "token-files" / f"{sample}.json").read_text())
    [(client_id, text)] = document["data"].items()
    found = play(f"""
        import keyring
        keyring.set_password("authgate", {client_id!r}, {text!r})
        store = KeyringStore(Owner(ISSUER, {client_id!r}), lambda: 1000.0, False, print, "")
        print(store.find().token.access_token)
    """)
    assert found == [json.loads(text)["access_token"]]


def test_what_others_added_to_an_entry_survives(play):
    [line] = play("""
        import keyring
        keyring.set_password("authgate", "client", '{"access_token": "old", "theirs": 7, "issuer": "%s"}' % ISSUER)
        store.save(TOKEN)
        print(keyring.get_password("authgate", "client"))
    """)
    assert (json.loads(line)["theirs"], json.loads(line)["access_token"]) == (7, "secret-access")


def test_another_issuers_entry_is_left_alone_and_ours_stands_beside_it(play):
    theirs = json.dumps({"access_token": "theirs", "issuer": "https://elsewhere.example"})
    assert play(f"""
        import keyring
        keyring.set_password("authgate", "client", {theirs!r})
        print(store.find().token, "https://elsewhere.example" in store.find().warning)
        store.save(TOKEN)
        print(store.find().token == TOKEN, store.forget(), store.find().token)
        print(keyring.get_password("authgate", "client"))
    """) == ["None True", "True True None", theirs]


def test_an_entry_that_nobody_understands_is_no_token(play):
    assert play("""
        import keyring
        keyring.set_password("authgate", "client", "nonsense")
        print(store.find().token)
    """) == ["None"]


@pytest.mark.parametrize(
    ("backend", "name"),
    [("SecretService", "Secret Service"), ("macOS", "macOS Keychain"), ("chainer", "Secret Service")],
)
def test_the_backend_has_a_name(play, backend, name):
    assert play("print(store.describe(), store.prepare())", backend) == [f"{name} keyring"]


# Which keyrings count


@pytest.mark.parametrize("backend", ["null", "fail", "file"])
def test_a_backend_that_keeps_nothing_or_in_the_open_is_no_keyring(play, backend):
    code = """
        for action in (store.find, store.prepare, store.check_writable, store.describe, store.forget):
            attempt(action)
        attempt(store.save, TOKEN)
        import keyring
        print(keyring.get_keyring().kept)
    """
    reason = f"the keyring backend keyring.backends.{backend} does not keep secrets in the system's own store"
    assert play(code, backend) == [f"KeyringUnavailable: {reason}"] * 6 + ["{}"]


def test_of_a_chain_only_the_link_that_counts_is_used(play):
    assert play(
        """
        import keyring
        attempt(store.save, TOKEN)
        print([len(link.kept) for link in (keyring.get_keyring(), *keyring.get_keyring().backends)])
        """,
        "chainer",
    ) == ["keyring", "[0, 0, 2, 0]"]


def test_a_chain_without_a_link_that_counts_is_no_keyring(play):
    [line] = play("attempt(store.find)", "chainer", "del type(_chosen).backends[1]")
    assert line.startswith("KeyringUnavailable: the keyring backend keyring.backends.chainer ")


@pytest.mark.parametrize("package", [{}, {"keyring/notes.txt": "a directory that merely has the name"}])
def test_without_the_package_there_is_no_keyring(play, package):
    assert play("print(is_importable('keyring')); attempt(store.find)", package=package) == [
        "False",
        "KeyringUnavailable: the Python package keyring is not installed",
    ]


def test_whether_there_is_a_package_is_known_without_importing_it(play):
    assert play("import sys; print(is_importable('keyring'), 'keyring' in sys.modules)") == ["True False"]


# The keyring at its worst


@pytest.mark.parametrize(
    ("mischief", "told"),
    [
        ("raise ModuleNotFoundError('a bad PYTHON_KEYRING_BACKEND')", "StoreFailed: {} (ModuleNotFoundError)"),
        (
            "from keyring.errors import *\ndef get_keyring(): raise NoKeyringError()",
            "KeyringUnavailable: {} (NoKeyringError)",
        ),
        (
            "from keyring.errors import *\ndef get_password(*_): raise KeyringLocked('secret')",
            "StoreFailed: {} (KeyringLocked)",
        ),
        ("def get_password(*_): raise OSError('secret')", "StoreFailed: {} (OSError)"),
    ],
)
@pytest.mark.parametrize("action", ["store.find", "store.prepare", "store.forget", "store.save, TOKEN"])
def test_a_keyring_that_fails_is_an_error_of_the_store(play, mischief, told, action):
    assert play(f"attempt({action})", mischief=mischief) == [told.format("the keyring cannot be used")]


REFUSE = """
    def set_password(*_):
        raise OSError(1783, "CredWrite", "The stub received bad data")  # Windows, for a long value
"""
DROP = "def set_password(*_): pass"
SPOIL = "def set_password(service, user, password): _chosen.set_password(service, user, password[:1280])"


@pytest.mark.parametrize("mischief", [REFUSE, DROP, SPOIL])
@pytest.mark.parametrize("before", [None, '{"access_token": "old"}'])
def test_a_token_that_does_not_come_back_is_an_error_and_nothing_stale_is_left(play, mischief, before):
    code = f"""
        import keyring
        before = {before!r}
        if before:
            keyring.get_keyring().set_password("authgate", "client", before)
        attempt(store.save, TOKEN._replace(access_token="a" * 2000))
        print(keyring.get_keyring().kept)
    """
    assert play(code, mischief=mischief) == ["StoreFailed: the keyring did not keep the token", "{}"]


HANG = "def get_password(*_): __import__('threading').Event().wait()"
HANG_IN_A_THREAD = """
    import threading

    def get_password(*_):
        thread = threading.Thread(target=threading.Event().wait)
        thread.start()
        thread.join()
"""
HANG_AT_IMPORT = "__import__('threading').Event().wait()"


@pytest.mark.parametrize("mischief", [HANG, HANG_IN_A_THREAD, HANG_AT_IMPORT])
def test_a_keyring_that_hangs_is_given_up_once_and_the_process_ends(play, mischief):
    """That it ends is what the helper insists on; the answers after the first come at once."""
    told = "StoreFailed: the keyring did not answer within 3 s"
    assert (
        play("for _ in range(20): attempt(store.find)", mischief=mischief)
        == ["waiting for the keyring …"] + [told] * 20
    )


def test_the_lock_is_the_one_that_was_given(play):
    assert play("print(store.lock_path)") == ["/home/jane/tokens"]
