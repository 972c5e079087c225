"""Keyring and file: where a token is looked for, kept and forgotten."""

from __future__ import annotations

import io

import pytest

from authgate_cli.errors import StoreFailed
from authgate_cli.store import Store
from authgate_cli.store.token_file import Found
from authgate_cli.system.terminal import Terminal
from authgate_cli.tokens import TokenSet

OLD, NEW = TokenSet("old-token"), TokenSet("new-token")


class Place:
    """A place that keeps one token in memory, or fails."""

    def __init__(self, name, token=None, broken=False):
        self.name = self.title = self.label = self.lock_path = name
        self.token, self.broken = token, broken

    def find(self):
        self._work()
        return Found("client", self.token)

    def save(self, token, before=None):
        self._work()
        self.token = token
        return self.label

    def forget(self):
        self._work()
        had, self.token = self.token is not None, None
        return had

    def _work(self):
        if self.broken:
            raise StoreFailed(f"{self.name} is broken")


def store(*places, elsewhere=()):
    return Store(places, Terminal(None, None, io.StringIO(), {}), elsewhere)


def test_a_token_elsewhere_is_not_used():
    assert store(Place("file"), elsewhere=(Place("keyring", OLD),)).load() is None


def test_a_new_sign_in_removes_the_token_from_every_other_place():
    keyring, file = Place("keyring", OLD), Place("file")
    assert store(file, elsewhere=(keyring,)).save_new(NEW) == "file"
    assert (keyring.token, file.token) == (None, NEW)


def test_signing_out_finds_and_forgets_the_tokens_of_every_place():
    keyring, file = Place("keyring", OLD), Place("file", NEW)
    everything = store(file, elsewhere=(keyring,))
    assert {stored.token for stored in everything.load_all()} == {OLD, NEW}
    everything.forget()
    assert (keyring.token, file.token) == (None, None)


def test_a_refreshed_token_goes_back_where_it_came_from():
    keyring, file = Place("keyring"), Place("file", OLD)
    both = store(keyring, file)
    both.save(NEW, "refreshed", both.load())
    assert (keyring.token, file.token) == (None, NEW)


def test_a_broken_keyring_leaves_the_file():
    file = Place("file", OLD)
    assert store(Place("keyring", broken=True), file).load().token == OLD


def test_what_is_used_instead_of_a_broken_keyring_is_said():
    err = io.StringIO()
    Store((Place("keyring", broken=True), Place("token file")), Terminal(None, None, err, {})).load()
    assert err.getvalue() == "authgate: warning: keyring is broken; using the token file\n"


def test_the_last_place_has_to_work():
    with pytest.raises(StoreFailed):
        store(Place("keyring"), Place("file", broken=True)).load()
