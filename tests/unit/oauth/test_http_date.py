"""Retry-After is seconds or a date (RFC 9110 section 10.2.3); nonsense is as good as nothing."""

from __future__ import annotations

import time

import pytest
from builders import NOW

from authgate_cli.oauth.messages import http_date, retry_after

WAITS = {
    "seconds": ("120", 120),
    "no wait": ("0", 0),
    "spaces": (" 5 ", 5),
    "date": ("Fri, 15 Jan 2027 08:02:00 GMT", 120),
    "obsolete date": ("Friday, 15-Jan-27 08:02:00 GMT", 120),
    "date that has passed": ("Fri, 15 Jan 2027 07:00:00 GMT", 0),
    "nothing": ("", None),
    "below zero": ("-5", None),
    "fraction": ("1.5", None),
    "words": ("soon", None),
    "other digits": ("²", None),
    "Arabic digits": ("٥", None),
    "number without end": ("9" * 400, None),
    "date with commas": ("Wed, 21 Oct , 212000 , 2 GMT226 07:28:0!GMT", None),
    "impossible date": ("Fri, 99 Foo 99999 99:99:99 GMT", None),
}


@pytest.mark.parametrize(("value", "seconds"), WAITS.values(), ids=WAITS)
def test_the_wait_is_in_seconds_from_now(value, seconds):
    assert retry_after({"retry-after": value}, NOW) == seconds


def test_without_the_header_nothing_is_said():
    assert retry_after({}, NOW) is None


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="POSIX sets a zone by TZ")
def test_a_date_without_a_zone_is_universal_time(monkeypatch):
    monkeypatch.setenv("TZ", "XXX5")  # five hours behind, and known without a time zone database
    time.tzset()
    try:
        assert http_date("Fri Jan 15 08:00:00 2027") == NOW
    finally:
        monkeypatch.undo()
        time.tzset()
