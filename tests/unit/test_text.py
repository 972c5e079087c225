"""Nothing of a server's may move the cursor, forge a line or hide."""

from __future__ import annotations

import sys
import unicodedata

import pytest

from authgate_cli.text import MARKS, clean, columns, listing

# Format characters that are seen: Arabic and Syriac signs, Kaithi numbers, hieroglyph quadrats.
SEEN = {*range(0x600, 0x606), 0x6DD, 0x70F, 0x890, 0x891, 0x8E2, 0x110BD, 0x110CD, *range(0x13430, 0x13440)}

HOSTILE = {
    "escape sequence": ("\x1b[31mred", "[31mred"),
    "C1 escape": ("\x9b31mred", "31mred"),
    "bell and backspace": ("a\x07\x08b", "ab"),
    "null": ("a\0b", "ab"),
    "delete": ("a\x7fb", "ab"),
    "right-to-left override": ("user\u202egpj.exe", "usergpj.exe"),
    "bidi isolate": ("a\u2066b\u2069", "ab"),
    "zero-width space": ("pay\u200bpal", "paypal"),
    "byte order mark": ("\ufeffa", "a"),
    "soft hyphen": ("a\xadb", "ab"),
    "variation selector": ("a\ufe0fb", "ab"),
    "tag characters": ("a\U000e0041b", "ab"),
    "blank that is a letter": ("a\u3164b", "ab"),
    "lone surrogate": ("a\ud800b", "ab"),
}
ONE_LINE = {
    "line feed": ("a\nb", "a b"),
    "CR LF": ("a\r\nb", "a b"),
    "tab": ("a\tb", "a b"),
    "next line": ("a\x85b", "a b"),
    "line separator": ("a\u2028b", "a b"),
    "paragraph separator": ("a\u2029b", "a b"),
    "around": ("\n a \n", "a"),
    "runs of spaces": ("a" + " " * 500 + "b", "a b"),
    "runs of wide spaces": ("a\u3000\u3000\u2003\xa0 \u1680b", "a b"),
    "spaces around what cannot be seen": ("a \u200b \x1b b", "a b"),
    "joiners of hieroglyphs": ("a\U00013430\U0001343fb", "ab"),
    "blanks of other kinds": ("a\u2800\u2800\U0001d159b", "ab"),
}
KEPT = {
    "accents": ("Zoë Müller", "Zoë Müller"),
    "other scripts": ("李小龙 Владимир", "李小龙 Владимир"),
    "emoji": ("🔑", "🔑"),
    "marks of Vietnamese": ("e\u0302\u0301", "e\u0302\u0301"),
    "marks of Hebrew": ("\u05e9\u05c1\u05b8\u0594", "\u05e9\u05c1\u05b8\u0594"),
    "marks of Burmese": ("\u1000\u103c\u103d\u102d\u102f", "\u1000\u103c\u103d\u102d\u102f"),
    "number": (3600, "3600"),
    "truth": (True, "True"),
}


def table(cases):
    return pytest.mark.parametrize(("dirty", "shown"), cases.values(), ids=cases)


@table(HOSTILE)
def test_what_could_deceive_is_taken_out(dirty, shown):
    assert clean(dirty) == shown


@table(ONE_LINE)
def test_text_becomes_one_line(dirty, shown):
    assert clean(dirty) == shown


@table(KEPT)
def test_what_people_write_is_kept(dirty, shown):
    assert clean(dirty) == shown


def test_no_invisible_character_of_unicode_is_left():
    kinds = ("Cc", "Cf", "Cs", "Zl", "Zp")
    characters = (chr(code) for code in range(sys.maxunicode + 1) if code not in SEEN)
    invisible = "".join(character for character in characters if unicodedata.category(character) in kinds)
    assert clean(invisible, limit=len(invisible)) == ""


def test_long_text_is_cut_with_an_ellipsis():
    assert clean("x" * 501) == "x" * 499 + "…"


def test_text_of_just_the_limit_is_not_cut():
    assert clean("x" * 500) == "x" * 500


@pytest.mark.parametrize("mark", ["\u0301", "\u20dd", "\u0e34", "\u0903", "\U0001d167"], ids=ascii)
def test_a_pile_of_marks_is_folded(mark):
    assert clean("a" + mark * 500 + "b") == "a" + mark * MARKS + "b"
    assert clean(("a" + mark * 2) * 3) == ("a" + mark * 2) * 3


@pytest.mark.parametrize(
    ("text", "width"),
    [("", 0), ("abc", 3), ("李小龙", 6), ("ｆｕｌｌ", 8), ("é", 1), ("e\u0301", 1), ("한", 2), ("🔑", 2), ("ﾊﾝ", 2)],
    ids=ascii,
)
def test_the_columns_of_a_terminal_are_counted(text, width):
    assert columns(text) == width


@pytest.mark.parametrize(
    "text", ["李" * 300, "a李" * 200, "李a" * 200, "e\u0301" * 300, "🔑" * 90, "x" * 300], ids=ascii
)
@pytest.mark.parametrize("limit", [99, 100])
def test_wide_text_is_cut_by_the_columns_that_it_takes(text, limit):
    shown = clean(text, limit)
    assert shown.endswith("…")
    assert limit - 1 <= columns(shown) <= limit


@pytest.mark.parametrize(
    ("words", "sentence"),
    [([], ""), (["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")],
    ids=["none", "one", "two", "three"],
)
def test_listing_joins_words_as_a_sentence_does(words, sentence):
    assert listing(words) == sentence
