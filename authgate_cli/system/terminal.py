"""The standard streams: results on stdout; messages, progress and colours on stderr.

- stdout carries the result and nothing else; prompts, progress, warnings and errors go to stderr.
- Every line is flushed at once: a prompt must be seen even when stdout is a pipe.
- No encoding error is raised here, and output to a closed or full stderr is dropped.
- If the reader of stdout has gone, the program ends quietly; other write errors are reported.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from contextlib import suppress
from io import TextIOWrapper

from ..errors import AuthGateError, UsageError
from ..text import escape
from ..values import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import TextIO

_PROGRESS_INTERVAL = 30.0  # seconds between lines, if they cannot be updated in place


class OutputClosed(Exception):
    """The reader of stdout has closed it; the program ends with `exit_status`."""

    def __init__(self, exit_status: int):
        self.exit_status = exit_status


class Terminal:
    """The three standard streams; each may be None (closed)."""

    def __init__(self, stdin: TextIO | None, stdout: TextIO | None, stderr: TextIO | None, environ: Mapping[str, str]):
        self._stdin, self._stdout, self._stderr = stdin, stdout, stderr
        self.quiet = self.verbose = False
        self._line_open = False
        self._warnings: set[str] = set()
        self._next_line: float | None = None  # when progress is told again
        self.can_type = _is_terminal(stdin)
        self.is_interactive = _is_terminal(stderr)
        self.can_update = self.is_interactive and environ.get("TERM", "dumb" if os.name == "posix" else "") != "dumb"
        self.colour = self.can_update and not environ.get("NO_COLOR")  # no-color.org
        self.is_terminal = self.can_type or self.is_interactive
        for stream in (stdout, stderr):
            if isinstance(stream, TextIOWrapper) and not stream.closed:
                stream.reconfigure(errors="backslashreplace")

    def result(self, text: str, exit_status: int = 0) -> None:
        """Write all of the text to stdout. Raise AuthGateError, or OutputClosed for a closed pipe.

        `exit_status` is the status to end with if the pipe is closed.
        """
        if self._stdout is None:
            raise AuthGateError("the result cannot be written: stdout is closed")
        try:
            self._stdout.write(text)
            self._stdout.flush()
        except (OSError, ValueError) as error:
            _discard(self._stdout)
            if isinstance(error, BrokenPipeError) or (os.name == "nt" and getattr(error, "errno", 0) == errno.EINVAL):
                raise OutputClosed(exit_status) from None
            reason = getattr(error, "strerror", None) or "stdout is closed"
            raise AuthGateError(f"the result cannot be written: {reason}") from error

    def read_all(self) -> str:
        """Return all of stdin. Raise UsageError if it is closed or not text."""
        if self._stdin is None:
            raise UsageError("stdin cannot be read: it is closed")
        try:
            return self._stdin.read()
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "it is closed, or not text"
            raise UsageError(f"stdin cannot be read: {reason}") from error

    def prompt(self, text: str = "") -> None:
        """Tell the user what to do; shown even with --quiet."""
        self.end_update()
        self._put(text + "\n")

    def tell(self, text: str) -> None:
        """Print a message, unless --quiet is given."""
        if not self.quiet:
            self._line(text)

    def warn(self, text: str) -> None:
        """Print a warning, each text only once."""
        if not self.quiet and text not in self._warnings:
            self._warnings.add(text)
            self._line(f"authgate: warning: {text}")

    def explain(self, text: str) -> None:
        """Print a detail for --verbose."""
        if self.verbose:
            self._line(f"authgate: {text}")

    def error(self, message: str, hint: str | None = None) -> None:
        """Print an error, and the hint below it."""
        self._line(f"authgate: error: {message}")
        if hint:
            self._line(f"authgate: hint: {hint}")

    def progress(self, text: str, now: float) -> None:
        """Show progress: in place on a terminal that can do that, otherwise a line every 30 s. `now` is monotonic.

        If "Waiting, 4:59 left; note (reason)" is too long, parts of it are left out: first the reason, then
        "Waiting" or the note, and at last both.
        """
        if not self.can_update:
            if self._next_line is None:
                self._next_line = now + _PROGRESS_INTERVAL
            elif now >= self._next_line:
                self._next_line = now + _PROGRESS_INTERVAL
                self.tell(text)
        elif not self.quiet and not self._is_in_background():
            self._line_open = True
            room, short, main = max(self.size[0] - 1, 1), text.partition(" (")[0], text.partition("; ")[0]
            texts = (text, short, short.partition(", ")[2], main)
            shown = next((one for one in texts if one and len(one) <= room), main.rpartition(", ")[2])
            self._put("\r" + shown[:room] + "\x1b[K")

    def end_update(self) -> None:
        """Erase the progress line."""
        if self._line_open:
            self._line_open = False
            self._put("\r\x1b[K")

    @property
    def size(self) -> tuple[int, int]:
        """Return the terminal's columns and rows."""
        return _size(self._stderr)

    @property
    def result_columns(self) -> int | None:
        """Return the columns of the terminal that stdout is; None if it is not a terminal."""
        return _size(self._stdout)[0] if _is_terminal(self._stdout) else None

    def can_show(self, text: str) -> bool:
        """Tell whether stderr's encoding has these characters."""
        try:
            text.encode(getattr(self._stderr, "encoding", None) or "ascii")
        except (UnicodeError, LookupError):
            return False
        return True

    def typing_descriptor(self) -> int | None:
        """Return the descriptor of the terminal that stdin is, or None."""
        return self._stdin.fileno() if self._stdin and self.can_type else None

    def _is_in_background(self) -> bool:
        try:
            return os.tcgetpgrp(self._stderr.fileno()) != os.getpgrp()  # type: ignore[union-attr]
        except (OSError, ValueError, AttributeError):  # not the terminal of our session; Windows
            return False

    def _line(self, text: str) -> None:
        """Write one line, with invisible characters escaped: it may contain arguments or file names."""
        self.prompt(escape(text))

    def _put(self, text: str) -> None:
        if self._stderr is None:
            return
        try:
            self._stderr.write(text)
            self._stderr.flush()
        except (OSError, ValueError):
            _discard(self._stderr)
            self._stderr = None


def minutes_and_seconds(seconds: float) -> str:
    """Format a time as minutes and seconds, such as 4:59."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def reserve_standard_descriptors() -> None:
    """Open /dev/null in place of each standard stream that is closed.

    Otherwise the first file that is opened could become stderr, and a warning would be written into it.
    """
    with suppress(OSError):
        while (descriptor := os.open(os.devnull, os.O_RDWR)) < 3:
            pass
        os.close(descriptor)


def _is_terminal(stream: TextIO | None) -> bool:
    try:
        return stream is not None and stream.isatty()
    except (OSError, ValueError):
        return False


def _size(stream: TextIO | None) -> tuple[int, int]:
    try:
        columns, rows = os.get_terminal_size(stream.fileno())  # type: ignore[union-attr]
    except (OSError, ValueError, AttributeError):
        columns = rows = 0  # as a serial console reports
    return columns or 80, rows or 24


def _discard(stream: TextIO) -> None:
    """Redirect a stream that cannot be written to /dev/null, so that the interpreter's last flush does not fail."""
    with suppress(OSError, ValueError):
        descriptor = os.open(os.devnull, os.O_WRONLY)
        os.dup2(descriptor, stream.fileno())
        os.close(descriptor)
