"""The quick reader says what json says, of everything."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest

from authgate_cli.json_text import dumps, loads

ROOT = Path(__file__).parents[2]
GOOD = [
    *("{}", "[]", '""', "0", "-1.5e3", "null", " \t\r\n[1, 2]\n", '{"a": {"b": [true, false, null]}}'),
    *('"\\u00e9\\ud83d\\ude00"', '"é"', '{"a": 1, "a": 2}', "123456789012345678901234567890", "1e400", "-0"),
    *("NaN", "[Infinity]", b"\xef\xbb\xbf{}", '"é"'.encode("utf-16"), b'"\xff\xfe"', '"\ud800"'),
]
BAD = [
    *("", " ", "{", "[1,]", '{"a" 1}', "[1] 2", "'a'", "\xa0[]", '"\n"', '"\\x"', "tru", "01", "+1", ".5", "{1: 2}"),
    *("// c\n1", b"\x00", b'"\xff"', '{"a": 1,}', "9" * 5000),
]


def outcome(read, text):
    try:
        return repr(read(text))
    except (ValueError, RecursionError) as error:
        return type(error)


@pytest.mark.parametrize("text", GOOD + BAD, ids=lambda text: repr(text)[:40])
def test_it_agrees_with_json(text):
    assert outcome(loads, text) == outcome(json.loads, text)


def test_it_agrees_with_json_on_what_is_bottomless():
    assert outcome(loads, "[" * 200_000) == outcome(json.loads, "[" * 200_000)


def test_it_agrees_with_json_on_numbers():
    assert isinstance(loads("[1.0]")[0], float)
    assert math.isnan(loads("[NaN]")[0])


def test_it_writes_what_json_writes():
    assert dumps({"a": ["é"]}, indent=2) == json.dumps({"a": ["é"]}, indent=2)


@pytest.mark.parametrize("text", [text for text in BAD if isinstance(text, str) and len(text) < 100], ids=repr)
def test_what_is_wrong_is_told_as_well_when_nobody_has_loaded_json(text):
    code = f"""
from authgate_cli.json_text import loads
try:
    loads({text!r})
except ValueError as error:
    print(type(error).__name__)
"""
    assert run(code) == "JSONDecodeError\n"


def test_json_is_not_loaded_for_what_is_plain():
    code = (
        "import sys; from authgate_cli.json_text import loads; loads('{\"a\": [1.5, null]}'); print(list(sys.modules))"
    )
    loaded = run(code)
    assert "'authgate_cli.json_text'" in loaded
    assert "'json'" not in loaded
    assert "'re'" not in loaded


def test_a_python_without_the_scanner_reads_by_json():
    code = "import sys; sys.modules['_json'] = None; from authgate_cli.json_text import loads; print(loads('[1]'))"
    assert run(code) == "[1]\n"


def run(code: str) -> str:
    command = [sys.executable, "-S", "-c", code]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
