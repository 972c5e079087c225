"""Encode an address as a QR code and draw it for a terminal: byte mode, level L, versions 1 to 6, mask 2.

The rules, with their sections of ISO/IEC 18004:2015:

- 6.1  Version v has 17 + 4v modules a side; rows and columns count from 0 at the top left.
- 6.3  Finder patterns, square rings, are in three corners, each inside a light separator. Timing
       patterns, dark on even modules, run along row 6 and column 6. From version 2 on an alignment
       pattern, a smaller ring, is near the fourth corner.
- 7.4  The data are a mode indicator (4 bits), the length (8 bits), the bytes and a terminator (4
       bits); the codewords EC and 11 in turn fill what is left.
- 7.5  Each block of data gets its own Reed-Solomon check codewords over GF(256), modulo
       x^8 + x^4 + x^3 + x^2 + 1 (Annex A).
- 7.6  The first codeword of every block, the second of every block, …; then the checks in the same way.
- 7.7  They fill columns two modules wide from the right, up and down in turn; column 6 is skipped.
- 7.8  A mask inverts some modules of the data, so that they do not look like a pattern. A reader can
       undo all eight masks. The standard scores them for each symbol; for addresses mask 2 is the best
       one or close to it.
- 7.9  Format information, level and mask, is there twice.

While a symbol is built, it is a dict from (row, column) to True for dark; other places are still free.
"""

from __future__ import annotations

from itertools import product, zip_longest

Modules = tuple[tuple[bool, ...], ...]
Grid = dict[tuple[int, int], bool]

HALF_BLOCKS = " ▄▀█"  # by two bits: upper half drawn, lower half drawn
QUIET_ZONE = 2  # modules around the symbol; the standard asks for 4 (6.3.8), but 2 scans well

# Table 9, level L, versions 1 to 6: number of blocks, check codewords in each.
_CHECKS = ((1, 7), (1, 10), (1, 15), (1, 20), (1, 26), (2, 18))
_FORMAT = 0b111110110101010  # level L and mask 2 with check bits (Table C.1)


def encode(text: str) -> Modules | None:
    """Return the smallest symbol of the text in UTF-8, by rows, True for dark, without the quiet zone.

    None if that is more than 134 bytes.
    """
    payload = text.encode()
    for version, (blocks, checks) in enumerate(_CHECKS, start=1):
        size = 17 + 4 * version
        grid = _function_patterns(size)
        capacity = (size * size - len(grid)) // 8 - blocks * checks
        if len(payload) + 2 <= capacity:  # with mode, length and terminator, 16 bits together
            _place(_codewords(payload, capacity, blocks, checks), grid, size)
            return tuple(tuple(grid[row, col] for col in range(size)) for row in range(size))
    return None


def render(modules: Modules, *, colour: bool) -> list[str]:
    """Return one line for every two rows of modules, to print as they are, one below the other.

    With colour each line is black on white by ANSI codes and scans on every terminal. Without, the
    light modules and the quiet zone are drawn in the terminal's own foreground: right on a dark
    terminal, inverted on a light one, which some scanners refuse. Either way the output encoding
    must have HALF_BLOCKS.
    """
    blank, beside = (False,) * columns(modules), (False,) * QUIET_ZONE
    above = [blank] * QUIET_ZONE
    rows = above + [beside + row + beside for row in modules] + above
    lines = []
    for pair in zip_longest(rows[::2], rows[1::2], fillvalue=blank):
        drawn = (2 * (upper == colour) + (lower == colour) for upper, lower in zip(*pair))
        lines.append("".join(HALF_BLOCKS[halves] for halves in drawn))
    return [f"\x1b[30;47m{line}\x1b[0m" for line in lines] if colour else lines


def columns(modules: Modules) -> int:
    """Return the width of the lines of `render` in terminal columns."""
    return len(modules) + 2 * QUIET_ZONE


def _function_patterns(size: int) -> Grid:
    """Return every module that holds no data."""
    grid: Grid = {}
    for row, col in ((3, 3), (3, size - 4), (size - 4, 3)):
        grid |= _rings(row, col, 4, (2, 4), size)
    if size > 21:
        grid |= _rings(size - 7, size - 7, 2, (1,), size)
    for i in range(8, size - 8):
        grid[6, i] = grid[i, 6] = i % 2 == 0
    around = [*((row, 8) for row in (0, 1, 2, 3, 4, 5, 7, 8)), *((8, col) for col in (7, 5, 4, 3, 2, 1, 0))]
    beside = [*((8, size - 1 - i) for i in range(8)), *((row, 8) for row in range(size - 7, size))]
    for places in (around, beside):
        grid |= {at: bool(_FORMAT >> bit & 1) for bit, at in enumerate(places)}
    grid[size - 8, 8] = True  # always dark (7.9.1)
    return grid


def _rings(row: int, col: int, radius: int, light: tuple[int, ...], size: int) -> Grid:
    """Return square rings around a module, dark except for the radii in `light`, clipped at the edges."""
    rows, cols = (range(max(0, at - radius), min(size, at + radius + 1)) for at in (row, col))
    return {(r, c): max(abs(r - row), abs(c - col)) not in light for r, c in product(rows, cols)}


def _codewords(payload: bytes, capacity: int, blocks: int, checks: int) -> bytes:
    """Return the data in blocks of equal length, interleaved, and then their check codewords."""
    data = bytes.fromhex(f"4{len(payload):02x}{payload.hex()}0")  # mode 4: bytes; terminator 0
    data += (b"\xec\x11" * capacity)[: capacity - len(data)]
    length = capacity // blocks
    parts = [data[start : start + length] for start in range(0, capacity, length)]
    turns = [*zip(*parts), *zip(*(_check_codewords(part, checks) for part in parts))]
    return bytes(word for turn in turns for word in turn)


def _check_codewords(block: bytes, count: int) -> list[int]:
    """Return what is left when the block is divided by the generator, the product of x - 2^i for i < count."""
    generator, root = [1], 1
    for _ in range(count):
        generator = [a ^ _times(b, root) for a, b in zip([*generator, 0], [0, *generator])]
        root = _times(root, 2)
    remainder = [0] * count
    for word in block:
        factor = word ^ remainder[0]
        remainder = [a ^ _times(b, factor) for a, b in zip([*remainder[1:], 0], generator[1:])]
    return remainder


def _times(a: int, b: int) -> int:
    """Multiply in GF(256)."""
    result = 0
    for bit in range(7, -1, -1):
        result = result << 1 ^ (result >> 7) * 0b100011101 ^ (b >> bit & 1) * a
    return result


def _place(codewords: bytes, grid: Grid, size: int) -> None:
    """Put the codewords, highest bits first and masked, on the free modules; for the last few there is no bit."""
    bits = (bool(word >> i & 1) for word in codewords for i in range(7, -1, -1))
    rows = range(size)
    for right in [*range(size - 1, 6, -2), 5, 3, 1]:
        rows = rows[::-1]
        for row, col in product(rows, (right, right - 1)):
            if (row, col) not in grid:
                grid[row, col] = next(bits, False) != (col % 3 == 0)  # mask 2 (Table 10)
