"""Read lines that are typed or pasted at the terminal, without waiting for them.

- In line mode a terminal cuts a line at 4,095 bytes (macOS: at 1,024), so line mode is turned off
  until `close`; it is turned on again while the program is stopped.
- Nothing is read while the program is in the background: that would stop it (SIGTTIN).
- If the terminal is in a mode that is neither ours nor line mode, another program uses it, such as a
  pager of our output; then nothing is read.
"""

from __future__ import annotations

import os
import select
from contextlib import suppress

from .signals import before_stopping

try:
    import termios
except ImportError:  # Windows
    termios = None  # type: ignore[assignment]

_ERASE, _KILL = "\x08\x7f", "\x15"  # backspace, Ctrl-U


class Keyboard:
    """The lines that the user types; `close` turns line mode on again."""

    def __init__(self, descriptor: int):
        """Raise OSError or termios.error if it is not a terminal."""
        self._descriptor, self._text = descriptor, ""
        self._before = termios.tcgetattr(descriptor)
        self._mode = termios.tcgetattr(descriptor)
        self._mode[3] &= ~termios.ICANON
        self._mode[6][termios.VMIN], self._mode[6][termios.VTIME] = 1, 0
        before_stopping(self._restore)
        self._is_ours()

    @property
    def is_begun(self) -> bool:
        """Tell whether the user has begun to type a line, which progress must not overwrite."""
        return bool(self._text)

    def line(self) -> str | None:
        """Return the next complete line without its end, or None if there is none yet. Never wait."""
        with suppress(OSError, termios.error):  # the terminal has gone
            # On macOS, poll() reports every terminal as readable; select() is correct.
            while "\n" not in self._text and self._is_ours() and select.select([self._descriptor], [], [], 0)[0]:
                data = os.read(self._descriptor, 65536)
                if not data:
                    break
                self._take(data.decode("utf-8", "replace"))
        line, end, rest = self._text.partition("\n")
        if not end:
            return None
        self._text = rest
        # Another program may have left bracketed paste on. The escape characters of its marks are gone already.
        return line.removeprefix("[200~").removesuffix("[201~")

    def close(self) -> None:
        """Turn line mode on again."""
        before_stopping(None)
        self._restore()

    def _is_ours(self) -> bool:
        """Tell whether we may read the keyboard; turn line mode off if it is on."""
        if os.tcgetpgrp(self._descriptor) != os.getpgrp():
            return False
        mode = termios.tcgetattr(self._descriptor)
        if mode[3] & termios.ICANON:
            termios.tcsetattr(self._descriptor, termios.TCSANOW, self._mode)
            mode = termios.tcgetattr(self._descriptor)
        return bool(mode[3] == self._mode[3])  # not [6]: PyPy returns VMIN as bytes where CPython has an int

    def _restore(self) -> None:
        self._text = ""  # a terminal drops it too: nobody could see it after the program goes on
        with suppress(OSError, termios.error):  # the terminal has gone
            if self._is_ours():
                termios.tcsetattr(self._descriptor, termios.TCSANOW, self._before)

    def _take(self, text: str) -> None:
        for character in text:
            if character in _ERASE:
                self._text = self._text if self._text.endswith("\n") else self._text[:-1]
            elif character == _KILL:
                self._text = self._text[: self._text.rfind("\n") + 1]
            elif character == "\n" or character.isprintable():
                self._text += character


def open_keyboard(descriptor: int | None) -> Keyboard | None:
    """Open the keyboard of a terminal; return None if there is no terminal, or on Windows."""
    if descriptor is None or termios is None:
        return None
    try:
        return Keyboard(descriptor)
    except (OSError, termios.error):
        return None
