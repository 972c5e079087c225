"""`.env` files come from every editor and every system; what cannot be read is told by its line."""

from __future__ import annotations

import pytest

from authgate_cli.system.env_file import parse

READ = {
    "plain": (b"A=1", {"A": "1"}),
    "no line end needed": (b"A=1\nB=2", {"A": "1", "B": "2"}),
    "spaces": (b"  A = 1 \t", {"A": "1"}),
    "inner spaces": (b"A=1 2", {"A": "1 2"}),
    "empty value": (b"A=", {"A": ""}),
    "equals in the value": (b"A=b=c", {"A": "b=c"}),
    "last one counts": (b"A=1\nA=2", {"A": "2"}),
    "export": (b"export A=1", {"A": "1"}),
    "export and a tab": (b"export\tA=1", {"A": "1"}),
    "key that begins like export": (b"exportA=1", {"exportA": "1"}),
    "comment": (b"# A=1\nB=2", {"B": "2"}),
    "comment after a value": (b"A=1 # one", {"A": "1"}),
    "comment instead of a value": (b"A= # one", {"A": ""}),
    "hash right after the equals sign": (b"A=#one", {"A": "#one"}),
    "hash alone": (b"A=#", {"A": "#"}),
    "hash after a tab": (b"A=one\t#two", {"A": "one"}),
    "hash after a hash": (b"A=## #", {"A": "##"}),
    "hash in a value": (b"A=one#two", {"A": "one#two"}),
    "blank lines": (b"\n \n\t\nA=1\n\n", {"A": "1"}),
    "CRLF": (b"A=1\r\nB=2\r\n", {"A": "1", "B": "2"}),
    "CR": (b"A=1\rB=2", {"A": "1", "B": "2"}),
    "double quotes": (b'A="one # two"', {"A": "one # two"}),
    "double quotes and a comment": (b'A="one" # two', {"A": "one"}),
    "escaped quote": (rb'A="a\"b\\c"', {"A": r'a"b\c'}),
    "no other escapes": (rb'A="a\nb"', {"A": r"a\nb"}),
    "single quotes": (rb"A='a\b # $c'", {"A": r"a\b # $c"}),
    "empty quotes": (b"A=''", {"A": ""}),
    "spaces in quotes": (b"A=' a '", {"A": " a "}),
    "backslash before the last quote": (rb'A="a\\"', {"A": "a\\"}),
    "quote within a value": (b"A=it's", {"A": "it's"}),
    "no expansion": (b"A=$HOME/${B}", {"A": "$HOME/${B}"}),
    "UTF-8": ("A=é".encode(), {"A": "é"}),
    "BOM": (b"\xef\xbb\xbfA=1", {"A": "1"}),
    "UTF-16 of Windows": ("\ufeffA=é\r\nB=2\r\n".encode("utf-16-le"), {"A": "é", "B": "2"}),
    "UTF-16, the other way round": ("\ufeffA=é\n".encode("utf-16-be"), {"A": "é"}),
    "nothing": (b"", {}),
}


@pytest.mark.parametrize(("data", "values"), READ.values(), ids=READ)
def test_what_is_usual_is_read(data, values):
    assert parse(data) == (values, [])


MALFORMED = {
    "no equals sign": b"A",
    "no key": b"=1",
    "key with a space": b"A B=1",
    "key with a digit first": b"1A=1",
    "key with a dash": b"A-B=1",
    "open double quote": b'A="one',
    "open single quote": b"A='one",
    "text after a quote": b'A="one" two',
    "hash right after a quote": b'A="one"#two',
    "escaped quote at the end": rb'A="one\"',
    "export alone": b"export",
    "null": b"A=1\x00",
    "not UTF-8": b"A=\xff",
}


@pytest.mark.parametrize("line", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_line_is_skipped_and_counted(line):
    assert parse(b"# one\nB=2\n" + line + b"\nC=4") == ({"B": "2", "C": "4"}, [3])


def test_every_malformed_line_is_named():
    assert parse(b"?\r\nA=1\r\n\r\n?\r\n") == ({"A": "1"}, [1, 4])
