"""Nothing of a server's may move the cursor, forge a line or hide."""

from __future__ import annotations

import sys
import unicodedata

import pytest

from authgate_cli.text import clean, listing

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
}
KEPT = {
    "accents": ("Zoë Müller", "Zoë Müller"),
    "other scripts": ("李小龙 Владимир", "李小龙 Владимир"),
    "emoji": ("🔑", "🔑"),
    "inner spaces": ("a  b", "a  b"),
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


@pytest.mark.parametrize(
    ("words", "sentence"),
    [([], ""), (["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")],
    ids=["none", "one", "two", "three"],
)
def test_listing_joins_words_as_a_sentence_does(words, sentence):
    assert listing(words) == sentence
