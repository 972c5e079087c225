"""One client's place in the token file, among the entries of others."""

import json
import os
from types import SimpleNamespace

import pytest
from own_process import run

from authgate_cli.errors import StoreFailed
from authgate_cli.store.file_store import FileStore
from authgate_cli.store.locks import STALE
from authgate_cli.store.private_file import leftovers
from authgate_cli.store.token_file import Owner
from authgate_cli.system import real_system
from authgate_cli.tokens import TokenSet

NOW = 1_800_000_000.0
ISSUER = "https://auth.example.com"
OWNER = Owner(ISSUER, "client")
TOKEN = TokenSet("access", "Bearer", NOW + 3600, "refresh", None, None, ISSUER, "client", lifetime=3600)
OTHERS = {"data": {"other": '{"access_token": "theirs"}'}, "tokens": {"old": {"flow": "device"}}, "version": 3}


class Place:
    """A store in a directory of its own, what it warned of, and a clock that moves only by sleeping."""

    def __init__(self, directory):
        self.path = directory / "tokens"
        self.lock = directory / "tokens.lock"
        self.warnings, self.told = [], []
        self.time = NOW
        self.store = self.open(self.sleep)

    def open(self, sleep):
        system = real_system(None, None, {}, lambda: self.time)
        system = system._replace(monotonic=lambda: self.time, sleep=sleep)
        terminal = SimpleNamespace(warn=self.warnings.append, tell=self.told.append)
        return FileStore(str(self.path), OWNER, system, terminal)

    def sleep(self, seconds):
        self.time += seconds

    def write(self, text):
        self.path.touch(0o600)
        self.path.write_text(text)

    @property
    def document(self):
        return json.loads(self.path.read_text())

    @property
    def files(self):
        return sorted(os.listdir(self.path.parent))


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


def test_a_saved_token_is_found_again(place):
    assert place.store.find().token is None
    assert place.store.save(TOKEN) == str(place.path)
    assert place.store.find().token == TOKEN
    assert (place.files, place.warnings) == (["tokens"], [])


def test_what_others_keep_in_the_file_survives(place):
    place.write(json.dumps(OTHERS))
    place.store.save(TOKEN)
    place.store.forget()
    assert place.document == OTHERS


def test_another_issuers_token_is_left_alone_and_ours_stands_beside_it(place):
    theirs = json.dumps({"access_token": "theirs", "issuer": "https://elsewhere.example"})
    place.write(json.dumps({"data": {"client": theirs}}))
    assert "https://elsewhere.example" in place.store.find().warning
    place.store.save(TOKEN)
    assert place.document["data"]["client"] == theirs
    assert place.store.find().token == TOKEN
    place.store.forget()
    assert place.document == {"data": {"client": theirs}}


def test_a_token_that_is_forgotten_is_gone_from_the_disk(place):
    place.store.save(TOKEN)
    place.store.forget()
    assert b"access" not in place.path.read_bytes()
    place.store.forget()


def test_forgetting_what_was_never_stored_touches_nothing(place):
    place.store.forget()
    assert place.files == []


def test_a_token_may_be_larger_than_any_before(place):
    large = TOKEN._replace(access_token="a" * 1_000_000)
    place.store.save(large)
    assert place.store.find().token == large


CORRUPT = ["{", '{"data": []}', '{"data": ' + "[" * 100_000, '{"data": {"x": "\ud800']


@pytest.mark.parametrize("content", CORRUPT, ids=lambda content: ascii(content[:20]))
def test_a_corrupt_file_is_never_overwritten(place, content):
    place.write(content.encode(errors="replace").decode())
    before = place.path.read_bytes()
    for action in (place.store.find, place.store.forget, lambda: place.store.save(TOKEN)):
        with pytest.raises(StoreFailed, match="is corrupt"):
            action()
    assert (place.path.read_bytes(), place.files) == (before, ["tokens"])


STRANGE = {"text": "not JSON", "a list": "[]", "blank": " \n"}


@pytest.mark.parametrize("content", STRANGE.values(), ids=STRANGE)
@pytest.mark.parametrize("action", ["find", "entries", "check_writable", "prepare", "save", "forget", "forget_entry"])
def test_what_does_not_look_like_a_token_file_is_left_alone_and_no_lock_is_put_beside_it(place, content, action):
    place.write(content)
    place.path.chmod(0o644)
    before = place.path.stat()
    with pytest.raises(StoreFailed, match="does not look like a token file"):
        getattr(place.store, action)(*{"save": [TOKEN], "forget_entry": ["client"]}.get(action, []))
    after = place.path.stat()
    assert (after.st_mode, after.st_ino, place.path.read_text()) == (before.st_mode, before.st_ino, content)
    # Whatever is put there, for however short a time, changes the directory.
    assert place.path.parent.stat().st_mtime_ns <= before.st_mtime_ns
    assert (place.files, place.warnings) == (["tokens"], [])


def test_bytes_that_are_no_text_are_corrupt(place):
    place.write("")
    place.path.write_bytes(b'{"data": {"client": "\xff"}}')
    with pytest.raises(StoreFailed, match="is corrupt"):
        place.store.find()


def test_what_is_said_of_a_corrupt_file_shows_nothing_of_it(place):
    place.write('{"data": {"client": "eyJsecret"')
    with pytest.raises(StoreFailed) as caught:
        place.store.find()
    assert "eyJsecret" not in caught.value.message


def test_before_a_sign_in_a_corrupt_file_is_moved_aside_and_that_is_said(place):
    place.write("{")
    place.store.prepare()
    assert (place.path.with_name("tokens.corrupt").read_text(), place.files) == ("{", ["tokens.corrupt"])
    assert ["tokens.corrupt" in warning for warning in place.warnings] == [True]
    place.store.save(TOKEN)
    assert place.store.find().token == TOKEN


def test_before_a_sign_in_a_good_file_is_left_as_it_is(place):
    place.write(json.dumps(OTHERS))
    assert place.store.prepare() == str(place.path)
    assert (place.document, place.files, place.warnings) == (OTHERS, ["tokens"], [])


@pytest.mark.skipif(os.name != "posix", reason="Windows has no limit of the size of files")
@pytest.mark.parametrize("check", ["prepare", "check_writable"])
def test_that_nothing_can_be_saved_is_found_out_before_a_sign_in(place, check):
    place.write(json.dumps(OTHERS))
    code = f"""
        import resource, sys, time
        from types import SimpleNamespace
        from authgate_cli.store.file_store import FileStore
        from authgate_cli.system import real_system
        from authgate_cli.store.token_file import Owner
        from authgate_cli.errors import StoreFailed

        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))  # as good as a disk that is nearly full
        system, owner = real_system(None, None, {{}}, time.time), Owner("https://auth.example.com", "client")
        try:
            FileStore(sys.argv[1], owner, system, SimpleNamespace(warn=print, tell=print)).{check}()
        except StoreFailed as error:
            print(error.message)
    """
    [message] = run(code, place.path)
    assert "could not be written: File too large" in message
    assert (place.document, place.files) == (OTHERS, ["tokens"])


@pytest.mark.parametrize("action", ["prepare", "check_writable", "save", "forget"])
def test_whatever_writes_waits_for_the_lock_of_the_sdks(place, action):
    place.store.save(TOKEN)
    place.lock.touch()
    os.utime(place.lock, (NOW, NOW))
    getattr(place.store, action)(*[TOKEN] * (action == "save"))
    assert place.time - NOW > STALE
    assert place.files == ["tokens"]


def test_reading_waits_for_nobody(place):
    place.store.save(TOKEN)
    place.lock.touch()
    assert place.store.find().token == TOKEN
    assert place.time == NOW


def test_what_was_written_while_we_waited_for_the_lock_is_kept(place):
    """Read after the lock is taken, not before: another client's entry may just have been added."""
    place.write("{}")
    place.lock.touch()
    os.utime(place.lock, (NOW, NOW))

    def sleep(seconds):
        place.write(json.dumps(OTHERS))
        place.lock.unlink()

    place.open(sleep).save(TOKEN)
    assert place.document["data"].keys() == {"other", "client"}
    assert place.document["version"] == 3


def test_a_token_removed_while_we_waited_is_not_reported_as_removed_by_us(place):
    place.store.save(TOKEN)
    place.lock.touch()
    os.utime(place.lock, (NOW, NOW))

    def sleep(seconds):
        place.write("{}")
        place.lock.unlink()

    place.open(sleep).forget()


def test_every_clients_token_is_listed_and_forgotten_by_its_key(place):
    place.store.save(TOKEN)
    theirs = place.document
    theirs["tokens"] = {"legacy": {"access_token": "old"}, "broken": {"access_token": 7}}
    place.write(json.dumps(theirs))
    entries = place.store.entries()
    assert [(entry.key, entry.client_id, entry.issuer) for entry in entries] == [
        ("client", "client", ISSUER),
        ("legacy", "legacy", None),
    ]
    assert entries[0].token == TOKEN
    place.store.forget_entry(entries[1])
    assert [entry.key for entry in place.store.entries()] == ["client"]
    assert place.document["tokens"] == {"broken": {"access_token": 7}}


def test_what_is_left_over_is_removed_under_the_lock(place):
    """A temporary file of a process that is just saving has a lock beside it, and is none."""
    place.path.with_name("tokens.1-0123abcd.tmp").touch()
    place.lock.touch()
    os.utime(place.lock, (NOW, NOW))
    assert leftovers(place.store.path) == [str(place.path) + ".1-0123abcd.tmp"]
    place.store.remove_leftovers()
    assert place.time - NOW > STALE
    assert place.files == []
