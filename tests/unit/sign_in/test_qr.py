"""The QR encoder against an independent one, against the standard's tables, and as drawn.

Each file in data/qr holds a text and, below it, its symbol with # for dark. The symbols come from
the PyPI package qrcodegen 1.8.0, with mask 2; among them are the shortest and longest texts of versions
where the layout changes. tests/real/test_qr_decoded.py has zbar read what is drawn.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from authgate_cli.sign_in import qr

VECTORS = sorted((Path(__file__).parents[2] / "data" / "qr").glob("*.txt"))
CAPACITY = (17, 32, 53, 78, 106, 134)  # Table 7: bytes at level L
FORMAT = 0x7DAA  # Table C.1: level L, mask 2

FINDER_AND_SEPARATOR = [
    "#######.",
    "#.....#.",
    "#.###.#.",
    "#.###.#.",
    "#.###.#.",
    "#.....#.",
    "#######.",
    "........",
]


def symbol(length: int) -> qr.Modules:
    modules = qr.encode("https://auth.example.com/device?user_code=".ljust(length, "x")[:length])
    assert modules is not None
    return modules


def vector(path: Path) -> tuple[str, qr.Modules]:
    text, *rows = path.read_text(encoding="utf-8").splitlines()
    return text, tuple(tuple(module == "#" for module in row) for row in rows)


def drawn(modules: qr.Modules) -> list[str]:
    return ["".join(".#"[dark] for dark in row) for row in modules]


def number(bits: list[bool]) -> int:
    return int("".join("01"[bit] for bit in bits), 2)


def formats(modules: qr.Modules) -> tuple[int, int]:
    """Return both copies of the format information, highest bit first."""
    around = [*modules[8][:6], modules[8][7], modules[8][8]]
    around += [modules[row][8] for row in (7, 5, 4, 3, 2, 1, 0)]
    beside = [modules[-1 - i][8] for i in range(7)] + list(modules[8][-8:])
    return number(around), number(beside)


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.stem)
def test_symbol_is_that_of_an_independent_encoder(path: Path) -> None:
    text, expected = vector(path)
    modules = qr.encode(text)
    assert modules is not None
    assert drawn(modules) == drawn(expected)


def test_vectors_cover_the_versions_where_the_layout_changes() -> None:
    assert {(len(vector(path)[1]) - 17) // 4 for path in VECTORS} >= {1, 2, 5, 6}


@pytest.mark.parametrize(("version", "capacity"), list(enumerate(CAPACITY, start=1)))
def test_smallest_version_that_holds_the_text_is_taken(version: int, capacity: int) -> None:
    assert len(symbol(capacity)) == 17 + 4 * version
    if version < len(CAPACITY):
        assert len(symbol(capacity + 1)) == 17 + 4 * (version + 1)


@pytest.mark.parametrize("text", ["x" * 135, "é" * 68, "x" * 5000], ids=len)
def test_text_beyond_version_6_has_no_symbol(text: str) -> None:
    assert qr.encode(text) is None


@pytest.mark.parametrize("length", CAPACITY)
def test_symbol_is_square_and_has_three_finders(length: int) -> None:
    rows = drawn(symbol(length))
    assert {len(row) for row in rows} == {len(rows)}
    assert [row[:8] for row in rows[:8]] == FINDER_AND_SEPARATOR
    assert [row[:-9:-1] for row in rows[:8]] == FINDER_AND_SEPARATOR
    assert [row[:8] for row in rows[:-9:-1]] == FINDER_AND_SEPARATOR
    assert [row[:-9:-1] for row in rows[:-9:-1]] != FINDER_AND_SEPARATOR


@pytest.mark.parametrize("length", CAPACITY)
def test_timing_patterns_alternate(length: int) -> None:
    modules = symbol(length)
    between = range(8, len(modules) - 8)
    assert [modules[6][i] for i in between] == [i % 2 == 0 for i in between]
    assert [modules[i][6] for i in between] == [i % 2 == 0 for i in between]


@pytest.mark.parametrize("length", CAPACITY)
def test_format_information_is_the_word_of_the_table_twice(length: int) -> None:
    modules = symbol(length)
    assert formats(modules) == (FORMAT, FORMAT)
    assert modules[-8][8], "the dark module"


@pytest.mark.parametrize("colour", [False, True], ids=["plain", "colour"])
@pytest.mark.parametrize("length", [17, 80, 134])
def test_rendering_shows_every_module_in_a_quiet_zone(length: int, colour: bool) -> None:
    modules = symbol(length)
    dark = []
    for line in qr.render(modules, colour=colour):
        before, after = ("\x1b[30;47m", "\x1b[0m") if colour else ("", "")
        assert line.startswith(before) and line.endswith(after)
        glyphs = line[len(before) : len(line) - len(after)]
        assert set(glyphs) <= set(qr.HALF_BLOCKS)
        assert len(glyphs) == qr.columns(modules) == len(modules) + 4
        dark.append([(glyph in "▀█") == colour for glyph in glyphs])
        dark.append([(glyph in "▄█") == colour for glyph in glyphs])
    inner = slice(2, 2 + len(modules))
    assert len(dark) == len(modules) + 5
    assert tuple(tuple(row[inner]) for row in dark[inner]) == modules
    assert sum(map(sum, dark)) == sum(map(sum, modules)), "all around is light"
