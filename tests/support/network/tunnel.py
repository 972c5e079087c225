"""Pass bytes between two connections, as a proxy does."""

from __future__ import annotations

import select

SAFETY = 30.0  # seconds; only a test that fails waits so long


def carry(one, other, note=lambda speaker, data: None):
    """Pass on what either says until one of them ends or both are silent; `note` is told of every piece."""
    peer = {one: other, other: one}
    while speakers := select.select([one, other], [], [], SAFETY)[0]:
        for speaker in speakers:
            data = speaker.recv(65536)
            if not data:
                return
            note(speaker, data)
            peer[speaker].sendall(data)
