"""Talk to the person and to the next program.

- stdout carries the result and nothing else; prompts, progress, warnings and errors go to stderr.
- Every line is flushed at once: a prompt must be seen even when stdout is a pipe.
- Nothing here fails on an encoding, and a stderr that is closed or full stops nobody.
- A reader of stdout that went away ends the program quietly; other write errors are told.
"""

from __future__ import annotations

import os
from contextlib import suppress
from io import TextIOWrapper

from ..errors import OutputFailed, UsageError
from ..text import escape
from ..values import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TextIO

_PROGRESS_INTERVAL = 30.0  # seconds between lines, where none can be updated in place


class OutputClosed(Exception):
    """Whoever read our stdout has stopped reading; `exit_status` is what the program ends with."""

    def __init__(self, exit_status: int = 0):
        super().__init__(exit_status)
        self.exit_status = exit_status


class Terminal:
    """The three standard streams; each may be None (closed)."""

    def __init__(
        self,
        stdin: TextIO | None,
        stdout: TextIO | None,
        stderr: TextIO | None,
        environ: Mapping[str, str],
    ):
        self._stdin, self._stdout, self._stderr = stdin, stdout, stderr
        self.quiet = self.verbose = False
        self._environ = environ
        self._line_open = False
        self._warnings: set[str] = set()
        self._last_progress: float | None = None
        self.can_type = _is_terminal(stdin)
        self.can_update = _is_terminal(stderr) and environ.get("TERM", "dumb" if os.name == "posix" else "") != "dumb"
        self.is_interactive = _is_terminal(stderr)
        self.is_terminal = self.can_type or self.is_interactive
        for stream in (stdout, stderr):
            if isinstance(stream, TextIOWrapper) and not stream.closed:
                stream.reconfigure(errors="backslashreplace")

    def result(self, text: str, exit_status: int = 0) -> None:
        """Write to stdout, all of it. Raise OutputFailed, or OutputClosed for a closed pipe.

        `exit_status` is what the result means, whether or not anybody reads it to its end.
        """
        if self._stdout is None:
            raise OutputFailed("the result cannot be written: stdout is closed")
        try:
            self._stdout.write(text)
            self._stdout.flush()
        except BrokenPipeError:
            _discard(self._stdout)
            raise OutputClosed(exit_status) from None
        except (OSError, ValueError) as error:
            _discard(self._stdout)
            reason = getattr(error, "strerror", None) or "stdout is closed"
            raise OutputFailed(f"the result cannot be written: {reason}") from error

    def read_all(self) -> str:
        """Return all of stdin. Raise UsageError when it is closed or no text."""
        if self._stdin is None:
            raise UsageError("stdin cannot be read: it is closed")
        try:
            return self._stdin.read()
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "it is closed, or no text"
            raise UsageError(f"stdin cannot be read: {reason}") from error

    def prompt(self, text: str = "") -> None:
        """Tell the person what to do; shown even with --quiet."""
        self._write(text)

    def tell(self, text: str) -> None:
        """Report progress."""
        if not self.quiet:
            self._line(text)

    def warn(self, text: str) -> None:
        """Warn, once of the same thing."""
        if not self.quiet and text not in self._warnings:
            self._warnings.add(text)
            self._line(f"authgate: warning: {text}")

    def explain(self, text: str) -> None:
        """Say what happens inside, for --verbose."""
        if self.verbose:
            self._line(f"authgate: {text}")

    def error(self, message: str, hint: str | None = None) -> None:
        """Print an error, and the next step under it."""
        self._line(f"authgate: error: {message}")
        if hint:
            self._line(f"authgate: hint: {hint}")

    def update(self, text: str) -> None:
        """Show progress that replaces itself, on a terminal that can do so and that no shell is using meanwhile.

        Where it does not fit, what follows a semicolon is left out, and then what precedes a comma.
        """
        if not self.quiet and self.can_update and not self._is_in_background():
            self._line_open = True
            room, main = max(self.size[0] - 1, 1), text.partition("; ")[0]
            shown = next((one for one in (text, main) if len(one) <= room), main.rpartition(", ")[2])
            self._put("\r" + shown[:room] + "\x1b[K")

    def progress(self, text: str, now: float) -> None:
        """Say what is waited for: in place where that can be, else every 30 s. `now` is of a monotonic clock."""
        if self.can_update:
            self.update(text)
        elif self._last_progress is None:
            self._last_progress = now
        elif now - self._last_progress >= _PROGRESS_INTERVAL:
            self._last_progress = now
            self.tell(text)

    def end_update(self) -> None:
        """Take the replaced line away."""
        if self._line_open:
            self._line_open = False
            self._put("\r\x1b[K")

    @property
    def size(self) -> tuple[int, int]:
        """Return the terminal's columns and rows."""
        try:
            columns, rows = os.get_terminal_size(self._stderr.fileno())  # type: ignore[union-attr]
        except (OSError, ValueError, AttributeError):
            columns = rows = 0  # what a serial console says, too
        return columns or 80, rows or 24

    @property
    def colour(self) -> bool:
        """Tell whether colours are welcome (no-color.org)."""
        return self.can_update and not self._environ.get("NO_COLOR")

    def strong(self, text: str) -> str:
        """Return text that stands out, where colours are welcome."""
        return f"\x1b[1m{text}\x1b[0m" if self.colour else text

    def can_show(self, text: str) -> bool:
        """Tell whether stderr's encoding has these characters."""
        try:
            text.encode(getattr(self._stderr, "encoding", None) or "ascii")
        except (UnicodeError, LookupError):
            return False
        return True

    def typing_descriptor(self) -> int | None:
        """Return the descriptor of the terminal where somebody can type to us; None where nobody can."""
        try:
            return self._stdin.fileno() if self._stdin and self.can_type else None
        except (OSError, ValueError):
            return None

    def _is_in_background(self) -> bool:
        try:
            return os.tcgetpgrp(self._stderr.fileno()) != os.getpgrp()  # type: ignore[union-attr]
        except (OSError, ValueError, AttributeError):  # not the terminal of our session; Windows
            return False

    def _line(self, text: str) -> None:
        """Write one line, whatever the words of a command line or the name of a file hold."""
        self._write(escape(text))

    def _write(self, text: str) -> None:
        self.end_update()
        self._put(text + "\n")

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
    """Give /dev/null the place of a standard stream that is closed.

    Otherwise the first file opened would become, say, stderr, and a warning would go into it.
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


def _discard(stream: TextIO) -> None:
    """Point a stream that cannot be written to /dev/null, so that the interpreter's own last flush is quiet."""
    with suppress(OSError, ValueError):
        descriptor = os.open(os.devnull, os.O_WRONLY)
        os.dup2(descriptor, stream.fileno())
        os.close(descriptor)
