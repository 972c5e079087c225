"""Read a QR code from a terminal's output with zbar, as a phone would."""

import re
import subprocess

DARK = {" ": (0, 0), "▀": (1, 0), "▄": (0, 1), "█": (1, 1)}  # the upper half and the lower, in black ink
MODULE = 8  # pixels a side


def decoded(shown: str) -> str:
    """Return the text of the code."""
    command = ["zbarimg", "-q", "--raw", "-"]
    return subprocess.run(command, input=_as_picture(shown), capture_output=True).stdout.decode().strip()


def _as_picture(shown: str) -> bytes:
    """Draw the black-on-white lines of half blocks as a PGM picture, two rows of modules a line."""
    rows = []
    for line in re.findall(r"\x1b\[30;47m(.*?)\x1b\[0m", shown):
        rows += zip(*(DARK[block] for block in line))
    pixels = b"".join(bytes(0 if dark else 255 for dark in row for _ in range(MODULE)) * MODULE for row in rows)
    return b"P5 %d %d 255\n" % (len(rows[0]) * MODULE, len(rows) * MODULE) + pixels
