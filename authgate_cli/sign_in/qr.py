"""Encode text as a QR code and draw it for a terminal: byte mode, level L, versions 1 to 10.

The rules, with their sections of ISO/IEC 18004:2015:

- 6.1    Version v has 17 + 4v modules a side; rows and columns count from 0 at the top left.
- 6.3    Finder patterns, square rings, sit in three corners, each inside a light separator.
         Timing patterns, dark on even modules, run along row 6 and column 6. From version 2 on,
         alignment patterns, smaller rings, sit on a grid that leaves the finders free (Annex E).
- 7.4    The data are a mode indicator (4 bits), the length (8 bits, from version 10 on 16), the
         bytes and a terminator (4 bits); the codewords EC and 11 in turn fill what is left.
- 7.5    Data are cut into blocks, the shorter first; each block gets its own Reed-Solomon check
         codewords over GF(256), modulo x^8 + x^4 + x^3 + x^2 + 1 (Annex A).
- 7.6    The first codeword of every block, the second of every block, …; then so the checks.
- 7.7    Columns two modules wide from the right, up and down in turn; column 6 is skipped.
- 7.8    Eight masks are tried; the one with the fewest penalty points is kept.
- 7.9    Format information, level and mask under BCH (15, 5), stands there twice (Annex C).
- 7.10   So does version information, BCH (18, 6), from version 7 on (Annex D).

While a symbol is built, it is a dict from (row, column) to True for dark; other places are still free.
"""

from __future__ import annotations

from itertools import groupby, product, zip_longest

Modules = tuple[tuple[bool, ...], ...]
Place = tuple[int, int]
Grid = dict[Place, bool]

HALF_BLOCKS = " ▄▀█"  # by two bits: upper half drawn, lower half drawn

# Table 9, level L, versions 1 to 10: number of blocks, check codewords in each.
_CHECKS = ((1, 7), (1, 10), (1, 15), (1, 20), (1, 26), (2, 18), (2, 20), (2, 24), (2, 30), (4, 18))

# Table 10: a module of the data is inverted where its mask holds.
_MASKS = (
    lambda row, col: (row + col) % 2 == 0,
    lambda row, col: row % 2 == 0,
    lambda row, col: col % 3 == 0,
    lambda row, col: (row + col) % 3 == 0,
    lambda row, col: (row // 2 + col // 3) % 2 == 0,
    lambda row, col: row * col % 2 + row * col % 3 == 0,
    lambda row, col: (row * col % 2 + row * col % 3) % 2 == 0,
    lambda row, col: ((row + col) % 2 + row * col % 3) % 2 == 0,
)


def encode(text: str) -> Modules | None:
    """Return the smallest symbol of the text in UTF-8, by rows, True for dark, no quiet zone.

    None if that is more than 271 bytes, or if a lone surrogate cannot be encoded.
    """
    try:
        payload = text.encode("utf-8")
    except UnicodeEncodeError:
        return None
    symbols = (_symbol(payload, version) for version in range(1, 1 + len(_CHECKS)))
    return next(filter(None, symbols), None)


def render(modules: Modules, quiet_zone: int = 2, *, colour: bool = False) -> list[str]:
    """Return one line for every two rows of modules, to print as they are, one below the other.

    With colour each line is black on white by ANSI codes and scans on every terminal. Without, the
    light modules and the quiet zone are drawn in the terminal's own foreground: right on a dark
    terminal, inverted on a light one, which some scanners refuse. Either way the output encoding
    must have HALF_BLOCKS. The standard asks for a quiet zone of 4 (6.3.8); 2 scans well.
    """
    blank = (False,) * columns(modules, quiet_zone)
    above, beside = [blank] * quiet_zone, (False,) * quiet_zone
    rows = above + [beside + row + beside for row in modules] + above
    lines = []
    for pair in zip_longest(rows[::2], rows[1::2], fillvalue=blank):
        drawn = (2 * (upper == colour) + (lower == colour) for upper, lower in zip(*pair))
        lines.append("".join(HALF_BLOCKS[halves] for halves in drawn))
    return [f"\x1b[30;47m{line}\x1b[0m" for line in lines] if colour else lines


def columns(modules: Modules, quiet_zone: int = 2) -> int:
    """Return the width of the lines of `render` in terminal columns."""
    return len(modules) + 2 * quiet_zone


def _symbol(payload: bytes, version: int) -> Modules | None:
    """Return the symbol under its best mask, or None if the version is too small."""
    size, (blocks, checks) = 17 + 4 * version, _CHECKS[version - 1]
    patterns = _function_patterns(version, size)
    capacity = (size * size - len(patterns)) // 8 - blocks * checks
    length_bits = 8 if version < 10 else 16
    if 4 + length_bits + 8 * len(payload) > 8 * capacity:
        return None
    message = _message(_data_codewords(payload, length_bits, capacity), blocks, checks)
    content = _placed(message, patterns, size)
    return min((_masked(patterns, content, size, mask) for mask in range(8)), key=_penalty)


def _function_patterns(version: int, size: int) -> Grid:
    """Return every module that holds no data; the format information is that of mask 0."""
    grid: Grid = {}
    for row, col in ((3, 3), (3, size - 4), (size - 4, 3)):
        grid |= _rings(row, col, 4, (2, 4), size)
    for row, col in _alignment_centres(version, size):
        grid |= _rings(row, col, 2, (1,), size)
    for i in range(8, size - 8):
        grid[6, i] = grid[i, 6] = i % 2 == 0
    return grid | _format_information(0, size) | _version_information(version, size)


def _rings(row: int, col: int, radius: int, light: tuple[int, ...], size: int) -> Grid:
    """Return square rings around a module, dark except for the radii in `light`, clipped at the edges."""
    rows, cols = (range(max(0, at - radius), min(size, at + radius + 1)) for at in (row, col))
    return {(r, c): max(abs(r - row), abs(c - col)) not in light for r, c in product(rows, cols)}


def _alignment_centres(version: int, size: int) -> list[Place]:
    """Return the places of Annex E: two lines each way, from version 7 on three."""
    last = size - 7
    lines = (6, last) if version < 7 else (6, (6 + last) // 2, last)
    taken = ((6, 6), (6, last), (last, 6))
    return [at for at in product(lines, lines) if at not in taken] if version > 1 else []


def _format_information(mask: int, size: int) -> Grid:
    """Return level and mask, lowest bit first, around one finder and again beside the others."""
    bits = _with_check_bits(0b01 << 3 | mask, 0b10100110111) ^ 0b101010000010010
    around = [(row, 8) for row in (0, 1, 2, 3, 4, 5, 7, 8)]
    around += [(8, col) for col in (7, 5, 4, 3, 2, 1, 0)]
    beside = [(8, size - 1 - i) for i in range(8)] + [(row, 8) for row in range(size - 7, size)]
    grid = {at: bool(bits >> i % 15 & 1) for i, at in enumerate(around + beside)}
    return grid | {(size - 8, 8): True}


def _version_information(version: int, size: int) -> Grid:
    """Return the version, lowest bit first, above the lower left finder, and its mirror image."""
    bits = _with_check_bits(version, 0b1111100100101)
    grid: Grid = {}
    for i in range(18 if version >= 7 else 0):
        row, col = size - 11 + i % 3, i // 3
        grid[row, col] = grid[col, row] = bool(bits >> i & 1)
    return grid


def _with_check_bits(value: int, generator: int) -> int:
    """Append the remainder of a division by the generator polynomial over GF(2)."""
    degree = generator.bit_length() - 1
    remainder = value << degree
    while (excess := remainder.bit_length() - degree) > 0:
        remainder ^= generator << excess - 1
    return value << degree | remainder


def _data_codewords(payload: bytes, length_bits: int, capacity: int) -> bytes:
    """Return mode, length, payload, terminator and filling; bytes end on a whole codeword."""
    header = 0b0100 << length_bits | len(payload)
    stream = (header << 8 * len(payload) | int.from_bytes(payload, "big")) << 4
    data = stream.to_bytes((4 + length_bits + 4) // 8 + len(payload), "big")
    return data + (b"\xec\x11" * capacity)[: capacity - len(data)]


def _message(data: bytes, count: int, checks: int) -> bytes:
    """Cut the data into blocks and interleave them, then their check codewords."""
    length, longer = divmod(len(data), count)
    starts = [i * length + max(0, i + longer - count) for i in range(count + 1)]
    blocks = [data[start:end] for start, end in zip(starts, starts[1:])]
    generator = _generator(checks)
    turns = [*zip_longest(*blocks), *zip(*(_remainder(block, generator) for block in blocks))]
    return bytes(word for turn in turns for word in turn if word is not None)


def _generator(degree: int) -> list[int]:
    """Return the product of x - 2^i for i below the degree, without its leading 1."""
    generator, root = [1], 1
    for _ in range(degree):
        generator = [a ^ _times(b, root) for a, b in zip([*generator, 0], [0, *generator])]
        root = _times(root, 2)
    return generator[1:]


def _remainder(block: bytes, generator: list[int]) -> list[int]:
    """Return the check codewords: what dividing the block by the generator leaves."""
    remainder = [0] * len(generator)
    for word in block:
        factor = word ^ remainder[0]
        remainder = [a ^ _times(b, factor) for a, b in zip([*remainder[1:], 0], generator)]
    return remainder


def _times(a: int, b: int) -> int:
    """Multiply in GF(256)."""
    result = 0
    for bit in range(7, -1, -1):
        result = result << 1 ^ (result >> 7) * 0b100011101 ^ (b >> bit & 1) * a
    return result


def _placed(message: bytes, patterns: Grid, size: int) -> Grid:
    """Lay the message, highest bits first, over the free modules; the last few stay zero."""
    bits = (bool(word >> i & 1) for word in message for i in range(7, -1, -1))
    grid: Grid = {}
    rows = range(size)
    for right in [*range(size - 1, 6, -2), 5, 3, 1]:
        rows = rows[::-1]
        free = (at for at in product(rows, (right, right - 1)) if at not in patterns)
        grid |= {at: next(bits, False) for at in free}
    return grid


def _masked(patterns: Grid, content: Grid, size: int, mask: int) -> Modules:
    """Return the whole symbol under one mask, which leaves the function patterns alone."""
    data = {at: dark != _MASKS[mask](*at) for at, dark in content.items()}
    grid = patterns | data | _format_information(mask, size)
    return tuple(tuple(grid[row, col] for col in range(size)) for row in range(size))


def _penalty(modules: Modules) -> int:
    """Return the points of Table 11: for lines, for 2 x 2 blocks, for too much of one colour."""
    points = sum(map(_line_penalty, (*modules, *zip(*modules))))
    for upper, lower in zip(modules, modules[1:]):
        squares = zip(upper, upper[1:], lower, lower[1:])
        points += 3 * sum(a == b == c == d for a, b, c, d in squares)
    dark, area = sum(map(sum, modules)), len(modules) ** 2
    return points + 10 * (abs(20 * dark - 10 * area) // area)  # for every 5 % away from one half


def _line_penalty(line: tuple[bool, ...]) -> int:
    """Return the points of a row or column: for runs of five or more, for what mimics a finder."""
    runs = (len(list(run)) for _, run in groupby(line))
    points = sum(length - 2 for length in runs if length >= 5)
    text = "0000" + "".join("01"[dark] for dark in line) + "0000"  # the quiet zone is light
    for i in range(4, len(line) - 2):
        if text.startswith("1011101", i) and "0000" in (text[i - 4 : i], text[i + 7 : i + 11]):
            points += 40
    return points
