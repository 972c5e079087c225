"""The kept discovery document: private, bound to its issuer, and ignored on any doubt."""

from __future__ import annotations

import json
import os
import stat

import pytest

from authgate_cli.edges.document_cache import DocumentCache, cache_folder

ISSUER, DOCUMENT, NOW = "https://auth.example.com", b'{"issuer": "\xc3\xbc"}', 1_000_000.0


class Clock:
    now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def cache(tmp_path, clock):
    return DocumentCache(str(tmp_path / "cache" / "authgate"), clock)


@pytest.fixture
def kept(cache, tmp_path):
    """The file in which a document is kept for an hour."""
    cache.store(ISSUER, DOCUMENT, 3600)
    (path,) = (tmp_path / "cache" / "authgate").iterdir()
    return path


def test_a_document_is_kept_as_long_as_it_may_be(cache, kept, clock):
    assert cache.load(ISSUER) == DOCUMENT
    clock.now = NOW + 3599
    assert cache.load(ISSUER) == DOCUMENT
    clock.now = NOW + 3600
    assert cache.load(ISSUER) is None


def test_a_document_from_the_future_is_not_believed(cache, kept, clock):
    clock.now = NOW - 1
    assert cache.load(ISSUER) is None


def test_nobody_else_may_read_it_or_its_folder(kept):
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE(kept.parent.stat().st_mode) == 0o700


def test_nothing_else_is_left_behind(kept):
    assert list(kept.parent.iterdir()) == [kept]


def test_each_issuer_has_its_own(cache, kept):
    cache.store(ISSUER + "/", b"{}", 3600)
    assert (cache.load(ISSUER), cache.load(ISSUER + "/")) == (DOCUMENT, b"{}")
    assert cache.load("https://other.example.com") is None


def test_a_document_of_another_issuer_in_its_place_is_not_used(cache, kept):
    fields = json.loads(kept.read_text())
    kept.write_text(json.dumps({**fields, "issuer": "https://evil.example"}))
    assert cache.load(ISSUER) is None


def test_what_may_not_be_kept_takes_the_earlier_one_away(cache, kept):
    cache.store(ISSUER, b"{}", 0)
    assert cache.load(ISSUER) is None
    assert not kept.exists()


NONSENSE = {
    "nothing": "",
    "no JSON": "{",
    "a list": "[]",
    "a number": "1",
    "too deep": "[" * 100_000,
    "other types": json.dumps({"issuer": ISSUER, "kept_at": "0", "expires_at": None, "document": 1}),
    "no document": json.dumps({"issuer": ISSUER, "kept_at": NOW, "expires_at": NOW + 9}),
    "no text": json.dumps({"issuer": ISSUER, "kept_at": NOW, "expires_at": NOW + 9, "document": None}),
    "half a pair": json.dumps({"issuer": ISSUER, "kept_at": NOW, "expires_at": NOW + 9, "document": "\ud800"}),
    "no number": f'{{"issuer": "{ISSUER}", "kept_at": NaN, "expires_at": NaN, "document": "x"}}',
}


@pytest.mark.parametrize("text", NONSENSE.values(), ids=NONSENSE)
def test_nonsense_is_no_document_and_no_error(cache, kept, text):
    kept.write_text(text)
    assert cache.load(ISSUER) is None


def test_one_that_others_could_have_written_is_never_used(cache, kept):
    kept.chmod(0o622)
    assert cache.load(ISSUER) is None
    assert not kept.exists()
    assert cache.load(ISSUER) is None


def test_a_symlink_is_not_followed(cache, kept, tmp_path):
    kept.rename(tmp_path / "elsewhere")
    kept.symlink_to(tmp_path / "elsewhere")
    assert cache.load(ISSUER) is None
    cache.store(ISSUER, b"{}", 3600)
    assert kept.is_symlink()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_another_users_file_is_not_used(cache, kept):
    os.chown(kept, 12345, -1)
    assert cache.load(ISSUER) is None


def test_where_nothing_can_be_kept_nothing_fails(tmp_path, clock):
    (tmp_path / "file").write_text("")
    for folder in ("/dev/null/authgate", str(tmp_path / "file" / "authgate"), "/proc/authgate"):
        cache = DocumentCache(folder, clock)
        cache.store(ISSUER, DOCUMENT, 3600)
        cache.store(ISSUER, DOCUMENT, 0)
        assert cache.load(ISSUER) is None


def test_bytes_that_are_no_text_are_not_kept(cache):
    cache.store(ISSUER, b"\xff", 3600)
    assert cache.load(ISSUER) is None


@pytest.mark.parametrize(
    ("xdg", "home", "folder"),
    [
        ("/var/cache/me", "/home/me", "/var/cache/me/authgate"),
        ("", "/home/me", "/home/me/.cache/authgate"),
        ("relative", "/home/me", "/home/me/.cache/authgate"),
        ("/var/cache/me", "", "/var/cache/me/authgate"),
        ("", "", None),
        ("relative", "", None),
        ("", "relative", None),
    ],
)
def test_the_folder_is_where_caches_belong(xdg, home, folder):
    assert cache_folder({"XDG_CACHE_HOME": xdg}, home) == folder
    if not xdg:
        assert cache_folder({}, home) == folder
