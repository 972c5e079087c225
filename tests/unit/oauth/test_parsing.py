"""JSON from a stranger is one object that says everything once, or it is refused with a reason."""

from __future__ import annotations

import contextlib
import json
from functools import reduce

import pytest

from authgate_cli.oauth.parsing import load, parse_object

READ = {
    "object": (b'{"a": [1, 1.5, true, null, "x"]}', {"a": [1, 1.5, True, None, "x"]}),
    "empty object": (b"{}", {}),
    "UTF-8": ('{"a": "é"}'.encode(), {"a": "é"}),
    "BOM": (b"\xef\xbb\xbf{}", {}),
    "text": ('{"a": "é"}', {"a": "é"}),
    "same key at two levels": (b'{"a": {"a": 1}}', {"a": {"a": 1}}),
    "lone surrogate": (b'{"a": "\\ud800"}', {"a": "\ud800"}),
    "lists 64 deep": (
        b'{"a":[' + b"[" * 62 + b"]" * 62 + b"]}",
        {"a": [reduce(lambda inner, _: [inner], range(61), [])]},
    ),
    "brackets in texts": (
        json.dumps({"a": "[" * 70 + '"' + "{" * 70, '\\"[': "\\" * 70 + '"[' * 70}).encode(),
        {"a": "[" * 70 + '"' + "{" * 70, '\\"[': "\\" * 70 + '"[' * 70},
    ),
    "many lists side by side": (b'{"a": [' + b"[]," * 200 + b"[]]}", {"a": [[]] * 201}),
    "many values": (b'{"a": [' + b"0," * 49_999 + b"0]}", {"a": [0] * 50_000}),
    "unknown members": (b'{"_links": {}, "x": []}', {"_links": {}, "x": []}),
}


@pytest.mark.parametrize(("data", "document"), READ.values(), ids=READ)
def test_an_object_is_read(data, document):
    assert parse_object(data) == document


REFUSED = {
    "empty": (b"", "it is not JSON"),
    "HTML": (b"<!doctype html>", "it is not JSON"),
    "cut off": (b'{"a": 1', "it is not JSON"),
    "two documents": (b"{}{}", "it is not JSON"),
    "raw control character": (b'{"a": "\x1b"}', "it is not JSON"),
    "list": (b"[]", "it is not a JSON object"),
    "text": (b'"a"', "it is not a JSON object"),
    "null": (b"null", "it is not a JSON object"),
    "duplicate keys": (b'{"a": 1, "a": 1}', "it has a duplicate key"),
    "duplicate keys further down": (b'{"x": [{"a": 1, "a": 2}]}', "it has a duplicate key"),
    "duplicate keys by an escape": (b'{"a": 1, "\\u0061": 2}', "it has a duplicate key"),
    "NaN": (b'{"a": NaN}', "it contains NaN"),
    "infinity": (b'{"a": Infinity}', "it contains Infinity"),
    "minus infinity": (b'{"a": -Infinity}', "it contains -Infinity"),
    "endless number": (b'{"a": ' + b"9" * 5_000 + b"}", "it contains a number that is too long"),
    "nested lists": (b"[" * 100_000, "it is nested too deeply"),
    "nested objects": (b'{"a":' * 100_000, "it is nested too deeply"),
    "lists 65 deep": (b'{"a":' + b"[" * 64 + b"]" * 64 + b"}", "it is nested too deeply"),
    "lists 65 deep behind a text": (
        b'{"\\\\": "\\"]]]]", "a":' + b"[" * 64 + b"]" * 64 + b"}",
        "it is nested too deeply",
    ),
    "lists of objects": (b'[{"a":' * 400_000, "it is nested too deeply"),
    "lists that end in a text": (b'{"a": ' + b"[" * 200 + b'"', "it is nested too deeply"),
    "a megabyte of values": (b'{"a": [' + b"0," * 500_000 + b"0]}", "it has too many values"),
    "Latin-1": (b'{"a": "\xe9"}', "it is not UTF-8"),
    "UTF-16": ('{"a": 1}'.encode("utf-16"), "it is not UTF-8"),
    "surrogate in UTF-8": (b'{"a": "\xed\xa0\x80"}', "it is not UTF-8"),
}


@pytest.mark.parametrize(("data", "reason"), REFUSED.values(), ids=REFUSED)
def test_anything_else_is_refused_with_a_reason(data, reason):
    with pytest.raises(ValueError, match=f"^{reason}"):
        parse_object(data)


@pytest.mark.parametrize("number", ["1e999", "-1e999"])
def test_a_number_beyond_all_can_be_written_as_json_again(number):
    document = parse_object(f'{{"a": {number}}}')
    assert parse_object(json.dumps(document)) == document


def test_the_depth_is_counted_before_anything_is_parsed():
    """With a small stack Python 3.13.0 does not survive what is deep, whoever catches RecursionError."""
    deep = "[" * 100_000
    with pytest.raises(ValueError, match="nested too deeply"):
        load(deep)
    assert load(json.dumps(deep)) == deep


@pytest.mark.parametrize("piece", ['"', "\\", '\\"', '["', '"]', "[\\", "é{", '{"a":"\\\\",'], ids=repr)
def test_counting_takes_one_pass_over_a_megabyte_of_anything(piece):
    with contextlib.suppress(ValueError):
        parse_object(piece * (1_000_000 // len(piece)))
