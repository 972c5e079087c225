"""The QR encoder against an independent one, against the standard's tables, and as drawn.

Each file in data/qr holds a text and, below it, its symbol with # for dark. The symbols come from
the PyPI package qrcodegen 1.8.0; which of the eight masks is right was settled by the scores that
segno 1.6.6 gives to the complete symbols. Between them they use every mask, and the longest and
shortest texts of versions where the layout changes.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from authgate_cli.sign_in import qr

VECTORS = sorted((Path(__file__).parents[2] / "data" / "qr").glob("*.txt"))
CAPACITY = (17, 32, 53, 78, 106, 134, 154, 192, 230, 271)  # Table 7: bytes at level L
FORMAT_L = (0x77C4, 0x72F3, 0x7DAA, 0x789D, 0x662F, 0x6318, 0x6C41, 0x6976)  # Table C.1, by mask
VERSIONS = {7: 0x07C94, 8: 0x085BC, 9: 0x09A99, 10: 0x0A4D3}  # Table D.1

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


def masks_in_format(modules: qr.Modules) -> tuple[int, int]:
    """Read the mask from both copies of the format information, highest bit first."""
    around = [*modules[8][:6], modules[8][7], modules[8][8]]
    around += [modules[row][8] for row in (7, 5, 4, 3, 2, 1, 0)]
    beside = [modules[-1 - i][8] for i in range(7)] + list(modules[8][-8:])
    return FORMAT_L.index(number(around)), FORMAT_L.index(number(beside))


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.stem)
def test_symbol_is_that_of_an_independent_encoder(path: Path) -> None:
    text, expected = vector(path)
    modules = qr.encode(text)
    assert modules is not None
    assert drawn(modules) == drawn(expected)


def test_vectors_cover_every_mask_and_the_versions_where_the_layout_changes() -> None:
    symbols = [vector(path)[1] for path in VECTORS]
    assert {masks_in_format(modules)[0] for modules in symbols} == set(range(8))
    assert {(len(modules) - 17) // 4 for modules in symbols} >= {1, 2, 6, 7, 9, 10}


@pytest.mark.parametrize(("version", "capacity"), list(enumerate(CAPACITY, start=1)))
def test_smallest_version_that_holds_the_text_is_taken(version: int, capacity: int) -> None:
    assert len(symbol(capacity)) == 17 + 4 * version
    if version < len(CAPACITY):
        assert len(symbol(capacity + 1)) == 17 + 4 * (version + 1)


@pytest.mark.parametrize("text", ["x" * 272, "é" * 136, "x" * 5000], ids=len)
def test_text_beyond_version_10_has_no_symbol(text: str) -> None:
    assert qr.encode(text) is None


def test_text_that_utf_8_cannot_hold_has_no_symbol() -> None:
    assert qr.encode("https://auth.example.com/\ud800") is None


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
def test_format_information_is_a_word_of_the_table_twice(length: int) -> None:
    modules = symbol(length)
    around, beside = masks_in_format(modules)
    assert around == beside
    assert modules[-8][8], "the dark module"


@pytest.mark.parametrize("version", VERSIONS)
def test_version_information_is_the_word_of_the_table_twice(version: int) -> None:
    modules = symbol(CAPACITY[version - 1])
    places = [(-9 - i % 3, 5 - i // 3) for i in range(18)]
    assert number([modules[row][col] for row, col in places]) == VERSIONS[version]
    assert number([modules[col][row] for row, col in places]) == VERSIONS[version]


@pytest.mark.parametrize(
    ("line", "points"),
    [
        pytest.param("0101010101", 0, id="nothing"),
        pytest.param("0111100001", 0, id="runs of four"),
        pytest.param("0111110101", 3, id="run of five"),
        pytest.param("0111111101", 5, id="run of seven"),
        pytest.param("11001011101000011", 40, id="finder, light after"),
        pytest.param("11000010111010011", 40, id="finder, light before"),
        pytest.param("11000101110100011", 0, id="finder, too little light"),
        pytest.param("10111010011001101", 40, id="finder at the edge"),
    ],
)
def test_penalty_of_a_line(line: str, points: int) -> None:
    assert qr._line_penalty(tuple(module == "1" for module in line)) == points


def test_penalty_of_an_all_dark_symbol() -> None:
    size = 21
    lines, blocks, balance = 2 * size * (3 + size - 5), 3 * (size - 1) ** 2, 10 * 10
    assert qr._penalty(((True,) * size,) * size) == lines + blocks + balance


@pytest.mark.parametrize("colour", [False, True], ids=["plain", "colour"])
@pytest.mark.parametrize("quiet_zone", [0, 1, 2, 4])
@pytest.mark.parametrize("length", [17, 80, 271])
def test_rendering_shows_every_module(length: int, quiet_zone: int, colour: bool) -> None:
    modules = symbol(length)
    dark = []
    for line in qr.render(modules, quiet_zone, colour=colour):
        before, after = ("\x1b[30;47m", "\x1b[0m") if colour else ("", "")
        assert line.startswith(before) and line.endswith(after)
        glyphs = line[len(before) : len(line) - len(after)]
        assert len(glyphs) == qr.columns(modules, quiet_zone)
        dark.append([(glyph in "▀█") == colour for glyph in glyphs])
        dark.append([(glyph in "▄█") == colour for glyph in glyphs])
    inner = slice(quiet_zone, quiet_zone + len(modules))
    assert len(dark) == len(modules) + 2 * quiet_zone + 1
    assert tuple(tuple(row[inner]) for row in dark[inner]) == modules
    assert sum(map(sum, dark)) == sum(map(sum, modules)), "all around is light"


def test_default_rendering_is_plain_with_a_quiet_zone_of_two() -> None:
    modules = symbol(17)
    lines = qr.render(modules)
    assert lines == qr.render(modules, 2, colour=False)
    assert qr.columns(modules) == 25 == len(lines[0])
    assert set("".join(lines)) <= set(qr.HALF_BLOCKS)
