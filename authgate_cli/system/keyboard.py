"""Read what is typed or pasted at the terminal while something else is waited for.

- In its line mode a terminal cuts a line at 4,095 bytes (macOS: at 1,024), so this mode is off
  until `close`, and while the program is stopped.
- Nothing is read in the background, where that would stop the whole process (SIGTTIN).
- A terminal in a mode that is neither ours nor line mode belongs to another program, such as a
  pager of our output: that one reads the keyboard, and we do not.
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
    """The lines that a person types; `close` gives the terminal its line mode back."""

    def __init__(self, descriptor: int):
        """Raise OSError or termios.error when it is no terminal."""
        self._descriptor, self._text, self._is_gone = descriptor, "", False
        self._before = termios.tcgetattr(descriptor)
        self._mode = termios.tcgetattr(descriptor)
        self._mode[3] &= ~termios.ICANON
        self._mode[6][termios.VMIN], self._mode[6][termios.VTIME] = 1, 0
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLIN)
        before_stopping(self._restore)
        self._is_ours()

    @property
    def is_begun(self) -> bool:
        """Tell whether a line has been begun, which nothing should be written over."""
        return bool(self._text)

    def line(self) -> str | None:
        """Return the next whole line, without its end; None when there is none yet. Never wait."""
        try:
            while "\n" not in self._text and not self._is_gone and self._is_ours() and self._poll.poll(0):
                data = os.read(self._descriptor, 65536)
                self._is_gone = not data
                self._take(data.decode("utf-8", "replace"))
        except (OSError, termios.error):
            self._is_gone = True
        line, end, rest = self._text.partition("\n")
        if not end:
            return None
        self._text = rest
        return line

    def close(self) -> None:
        """Give the terminal back."""
        before_stopping(None)
        self._restore()

    def _is_ours(self) -> bool:
        """Tell whether the keyboard is ours to read, turning line mode off where it is on (again)."""
        if os.tcgetpgrp(self._descriptor) != os.getpgrp():
            return False
        mode = termios.tcgetattr(self._descriptor)
        if mode[3] & termios.ICANON:
            termios.tcsetattr(self._descriptor, termios.TCSANOW, self._mode)
            mode = termios.tcgetattr(self._descriptor)
        return bool(mode[3] == self._mode[3] and mode[6] == self._mode[6])

    def _restore(self) -> None:
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
    """Begin to watch a terminal for typed lines; None where there is none, or it cannot be done (Windows)."""
    if descriptor is None or termios is None:
        return None
    try:
        return Keyboard(descriptor)
    except (OSError, termios.error):
        return None
