"""What is shown of a token, and when it ends."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from builders import NOW

from authgate_cli.tokens import TokenSet, is_secret, is_token, mask, parse_rfc3339, rfc3339


@pytest.mark.parametrize(
    ("token", "shown"),
    [
        ("a", "****"),
        ("12345678", "****"),
        ("123456789", "12345678..."),
        ("eyJhbGciOiJIUzI1NiJ9.e30.sig", "eyJhbGci..."),
    ],
)
def test_a_token_shows_its_first_8_characters_at_most(token, shown):
    assert mask(token) == shown


@pytest.mark.parametrize("value", ["a", "eyJ.e30.sig", "a~b+c/d=="])
def test_visible_ascii_can_be_a_token(value):
    assert is_token(value)


NO_TOKENS = {
    "missing": None,
    "empty": "",
    "number": 5,
    "list": ["a"],
    "line feed": "a\n",
    "header injection": "a\r\nHost: evil.example",
    "null": "a\0",
    "escape": "\x1b[2J",
    "delete": "a\x7f",
    "not ASCII": "tökén",
    "lone surrogate": "a\ud800",
}


@pytest.mark.parametrize("value", NO_TOKENS.values(), ids=NO_TOKENS)
def test_what_would_break_a_header_is_no_token(value):
    assert not is_token(value)
    assert not is_secret(value)


@pytest.mark.parametrize("value", ["a b", " ", 'a"b', "a,b", "a=b", "=", "a|b"])
def test_more_may_stand_in_a_form_than_in_a_header(value):
    assert not is_token(value)
    assert is_secret(value)


def test_seconds_left_are_counted_from_now():
    assert TokenSet("a", expires_at=NOW + 90).seconds_left(NOW) == 90


def test_a_token_without_expiry_has_all_the_time_there_is():
    assert TokenSet("a").seconds_left(NOW) == float("inf")


@pytest.mark.parametrize(
    ("when", "text"),
    [(0, "1970-01-01T00:00:00Z"), (NOW, "2027-01-15T08:00:00Z"), (NOW + 0.999, "2027-01-15T08:00:00Z")],
)
def test_times_are_written_in_utc_with_whole_seconds(when, text):
    assert rfc3339(when) == text


@pytest.mark.parametrize(
    ("text", "when"),
    [
        ("2027-01-15T08:00:00Z", NOW),
        ("2027-01-15t08:00:00z", NOW),
        ("2027-01-15T08:00:00.25Z", NOW + 0.25),
        ("2027-01-15T08:00:00.123456789Z", NOW + 0.123456789),
        ("2027-01-15T10:00:00+02:00", NOW),
        ("2027-01-15T02:30:00-05:30", NOW),
        ("2024-02-29T00:00:00Z", 1709164800),
        ("2026-12-31T23:59:60Z", 1798761600),
        ("0001-01-01T00:00:00Z", -62135596800),
    ],
)
def test_times_are_read_with_any_fraction_and_offset(text, when):
    assert parse_rfc3339(text) == when


@pytest.mark.parametrize(
    "text",
    [
        "",
        "tomorrow",
        "2027-01-15",
        "2027-01-15T08:00:00",
        "2027-01-15T08:00:00+0200",
        "2027-00-15T08:00:00Z",
        "2027-13-15T08:00:00Z",
        "2027-01-00T08:00:00Z",
        "2027-01-32T08:00:00Z",
        "2027-01-15T24:00:00Z",
        "2027-01-15T08:60:00Z",
        "2027-01-15T08:00:61Z",
        "2027-01-15T08:00:00.Z",
        "2027-01-15T08:00:00Z\n",
        "２０２７-01-15T08:00:00Z",
    ],
)
def test_anything_else_is_no_time(text):
    assert parse_rfc3339(text) is None


def test_every_month_from_1970_to_2400_is_where_the_calendar_has_it():
    months = [datetime(year, month, 1, tzinfo=timezone.utc) for year in range(1970, 2400) for month in range(1, 13)]
    assert [parse_rfc3339(month.isoformat()) for month in months] == [month.timestamp() for month in months]


@pytest.mark.parametrize(
    ("when", "text"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (-1, "1969-12-31T23:59:59Z"),
        (951782400, "2000-02-29T00:00:00Z"),
        (4107542399, "2100-02-28T23:59:59Z"),
        (4107542400, "2100-03-01T00:00:00Z"),
        (32535215999, "3000-12-31T23:59:59Z"),  # the last second that time.gmtime knows on Windows
        (32535216000, "3001-01-01T00:00:00Z"),
        (253402300799, "9999-12-31T23:59:59Z"),
        (-62135596800, "0001-01-01T00:00:00Z"),
        (1735732800.9, "2025-01-01T12:00:00Z"),
    ],
)
def test_a_time_of_any_year_is_written_and_read_again(when, text):
    assert rfc3339(when) == text
    assert parse_rfc3339(text) == int(when)


def test_every_day_of_four_centuries_is_written_as_datetime_writes_it():
    for day in range(-150_000, 150_000, 7):
        expected = datetime(1970, 1, 1) + timedelta(days=day)
        assert rfc3339(day * 86400) == expected.isoformat() + "Z"
