"""The QR code on a real terminal, read by a decoder that is not ours."""

import re
import subprocess

import pytest
from authgate_server import AuthGateServer
from client import Client
from screen import Screen

from authgate_cli.protocol.qr import HALF_BLOCKS

MODULE = 8  # pixels a side


@pytest.fixture
def terminal(archive, tmp_path):
    with AuthGateServer(auto_approve=False) as server:
        client = Client(archive, tmp_path, AUTHGATE_URL=server.issuer, CLIENT_ID=server.client_id)
        terminal = Screen(client, "login", "--flow", "device")
        yield terminal
        terminal.close()


def test_qr_code_holds_the_complete_address(terminal, tmp_path):
    address = terminal.wait_for(r"open directly +(http\S+)")[1]
    picture = tmp_path / "qr.pgm"
    picture.write_bytes(as_picture(terminal.shown))

    done = subprocess.run(["zbarimg", "-q", "--raw", str(picture)], capture_output=True, text=True, check=False)

    assert done.stdout.strip() == address


def as_picture(shown: str) -> bytes:
    """Draw the black-on-white lines of half blocks as a PGM picture, two rows of modules a line."""
    rows = []
    for line in re.findall(r"\x1b\[30;47m(.*?)\x1b\[0m", shown):
        halves = [HALF_BLOCKS.index(block) for block in line]
        rows += [[half >> 1 for half in halves], [half & 1 for half in halves]]
    pixels = b"".join(bytes(0 if dark else 255 for dark in row for _ in range(MODULE)) * MODULE for row in rows)
    return b"P5 %d %d 255\n" % (len(rows[0]) * MODULE, len(rows) * MODULE) + pixels
