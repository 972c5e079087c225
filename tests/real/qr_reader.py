"""Read a QR code off a terminal's screen, as a phone before it would: with zbar, no decoder of ours."""

import re
import subprocess

from authgate_cli.protocol.qr import HALF_BLOCKS

MODULE = 8  # pixels a side


def decoded(shown: str) -> str:
    """Return what the code says."""
    command = ["zbarimg", "-q", "--raw", "-"]
    return subprocess.run(command, input=_as_picture(shown), capture_output=True).stdout.decode().strip()


def _as_picture(shown: str) -> bytes:
    """Draw the black-on-white lines of half blocks as a PGM picture, two rows of modules a line."""
    rows = []
    for line in re.findall(r"\x1b\[30;47m(.*?)\x1b\[0m", shown):
        halves = [HALF_BLOCKS.index(block) for block in line]
        rows += [[half >> 1 for half in halves], [half & 1 for half in halves]]
    pixels = b"".join(bytes(0 if dark else 255 for dark in row for _ in range(MODULE)) * MODULE for row in rows)
    return b"P5 %d %d 255\n" % (len(rows[0]) * MODULE, len(rows) * MODULE) + pixels
