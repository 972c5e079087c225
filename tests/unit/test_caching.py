"""How long an answer may be kept (RFC 9111)."""

from __future__ import annotations

import pytest

from authgate_cli.protocol.caching import lifetime

DAY = 24 * 3600


@pytest.mark.parametrize(
    ("control", "seconds"),
    [
        ("public, max-age=3600", 3600),
        ("max-age=60", 60),
        ("Max-Age=60, PRIVATE", 60),
        ('max-age="60"', 60),
        ("max-age=31536000", DAY),
        ("s-maxage=60", 0),
        ("", 0),
        ("public", 0),
        ("no-store, max-age=60", 0),
        ("max-age=60, no-cache", 0),
        ('max-age=60, no-cache="set-cookie"', 0),
        ("max-age=0", 0),
        ("max-age=-1", 0),
        ("max-age=1e9", 0),
        ("max-age=\u0661\u0662", 0),
        ("max-age=9999999999999", 0),
        ("max-age=60, max-age=90", 0),
    ],
)
def test_cache_control_decides(control, seconds):
    assert lifetime({"cache-control": control}) == seconds


@pytest.mark.parametrize(("age", "seconds"), [("0", 3600), ("600", 3000), ("3600", 0), ("9999", 0), ("old", 0)])
def test_what_is_old_already_lives_for_less_time(age, seconds):
    assert lifetime({"cache-control": "max-age=3600", "age": age}) == seconds


def test_nothing_is_kept_without_a_word():
    assert lifetime({}) == 0
