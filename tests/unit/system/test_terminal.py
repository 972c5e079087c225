"""The three standard streams: pipes, files, a pseudo-terminal, and streams that are broken."""

import io
import os
import shutil
import struct
from pathlib import Path

import pytest
from own_process import SAFETY, run, start

from authgate_cli.errors import AuthGateError
from authgate_cli.system.terminal import OutputClosed, Terminal

needs_full = pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has /dev/full")
posix = pytest.mark.skipif(os.name != "posix", reason="pseudo-terminals are a POSIX matter")


class Streams:
    """A terminal on streams in memory."""

    def __init__(self, **more):
        self.stdout, self.stderr = io.StringIO(), io.StringIO()
        self.terminal = Terminal(**{"stdin": None, "stdout": self.stdout, "stderr": self.stderr, "environ": {}, **more})

    @property
    def written(self):
        return self.stdout.getvalue(), self.stderr.getvalue()


class Screen:
    """A terminal on a pseudo-terminal; `shown` is what has been written to it."""

    def __init__(self, columns=40, **environ):
        import fcntl
        import termios
        import tty

        self._outer, inner = os.openpty()
        tty.setraw(inner)
        fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", 25, columns, 0, 0))
        self.stream = open(inner, "w")  # noqa: SIM115
        self.terminal = Terminal(None, io.StringIO(), self.stream, {"TERM": "xterm", **environ})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stream.close()
        os.close(self._outer)

    @property
    def shown(self):
        self.stream.write("\0")  # an end mark: reads of a terminal bring what is there and no end of file
        self.stream.flush()
        data = b""
        while not data.endswith(b"\0"):
            data += os.read(self._outer, 65536)
        return data[:-1].decode()


# What goes where


def test_only_results_go_to_stdout():
    streams = Streams()
    terminal = streams.terminal
    terminal.verbose = True
    terminal.result("result")
    terminal.prompt("prompt")
    terminal.tell("progress")
    terminal.warn("careful")
    terminal.explain("inside")
    terminal.error("failed", "do this")
    assert streams.written == (
        "result",
        "prompt\nprogress\nauthgate: warning: careful\nauthgate: inside\n"
        "authgate: error: failed\nauthgate: hint: do this\n",
    )


def test_an_error_need_not_have_a_hint():
    streams = Streams()
    streams.terminal.error("failed")
    assert streams.written == ("", "authgate: error: failed\n")


def test_quiet_leaves_results_prompts_and_errors():
    with Screen() as screen:
        screen.terminal.quiet = True
        screen.terminal.tell("progress")
        screen.terminal.warn("careful")
        screen.terminal.progress("counting", 0.0)
        screen.terminal.explain("inside")
        screen.terminal.prompt("prompt")
        screen.terminal.error("failed")
        assert screen.shown == "prompt\nauthgate: error: failed\n"


def test_what_happens_inside_is_told_only_when_asked():
    streams = Streams()
    streams.terminal.explain("inside")
    assert streams.written == ("", "")


@pytest.mark.parametrize("write", ["result", "prompt"])
def test_every_line_is_flushed_at_once(tmp_path, write):
    with (tmp_path / "out").open("w") as stream:
        getattr(Terminal(None, stream, stream, {}), write)("seen")
        assert (tmp_path / "out").read_text().strip() == "seen"


# Streams that are broken


def broken_pipe():
    reading, writing = os.pipe()
    os.close(reading)
    return open(writing, "w")  # noqa: SIM115


def closed():
    stream = open(os.devnull, "w")  # noqa: SIM115
    stream.close()
    return stream


def full():
    return open("/dev/full", "w")  # noqa: SIM115


def test_a_reader_that_went_away_is_told_apart():
    with broken_pipe() as stdout, pytest.raises(OutputClosed):
        Terminal(None, stdout, None, {}).result("result")


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        pytest.param(full, "No space left", marks=needs_full),
        (closed, "stdout is closed"),
        (lambda: None, "stdout is closed"),
    ],
)
def test_a_result_that_cannot_be_written_is_an_error(make, reason):
    stdout = make()
    with pytest.raises(AuthGateError, match=reason):
        Terminal(None, stdout, None, {}).result("result")
    if stdout:
        stdout.close()  # and what is left in its buffer raises nothing


@pytest.mark.parametrize("make", [broken_pipe, pytest.param(full, marks=needs_full), closed, lambda: None])
def test_a_stderr_that_is_broken_stops_nobody(make):
    stderr, stdout = make(), io.StringIO()
    terminal = Terminal(None, stdout, stderr, {})
    for _ in range(2):
        terminal.error("failed", "hint")
        terminal.progress("counting", 0.0)
        terminal.end_update()
    terminal.result("result")
    assert stdout.getvalue() == "result"
    if stderr:
        stderr.close()


@needs_full
@pytest.mark.parametrize("make", [broken_pipe, full])
def test_the_interpreters_own_last_flush_is_quiet(make):
    """Otherwise it says `Exception ignored in …` and ends with 120."""
    code = """
        import sys
        from authgate_cli.system.terminal import OutputClosed, Terminal
        from authgate_cli.errors import AuthGateError

        try:
            Terminal(sys.stdin, sys.stdout, sys.stderr, {}).result("result")
        except (OutputClosed, AuthGateError):
            sys.exit(7)
    """
    with make() as stdout, start(code, stdout=stdout) as process:
        _, errors = process.communicate(timeout=SAFETY)
    assert (process.returncode, errors) == (7, "")


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8", "latin-1"])
def test_no_encoding_fails(encoding):
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding, errors="strict", newline="")
    terminal = Terminal(None, stream, stream, {})
    text = "Zoë \u65e5\u672c \U0001f600 \udcff"
    terminal.result(text)
    terminal.warn(text)
    assert b"Zo" in raw.getvalue()
    assert raw.getvalue().count(rb"\udcff") == 2


@pytest.mark.parametrize(
    ("encoding", "text", "shown"),
    [("utf-8", "█▀▄", True), ("ascii", "█", False), ("cp1252", "█", False), ("cp437", "█", True), ("ascii", "x", True)],
)
def test_whether_characters_can_be_shown_is_known_before(encoding, text, shown):
    with io.TextIOWrapper(io.BytesIO(), encoding) as stream:
        assert Terminal(None, None, stream, {}).can_show(text) is shown


def test_a_closed_stderr_shows_only_ascii():
    terminal = Terminal(None, None, None, {})
    assert (terminal.can_show("x"), terminal.can_show("█")) == (True, False)


@posix
@pytest.mark.parametrize("closed", ["0", "1", "2", "0, 1, 2"])
def test_the_place_of_a_closed_stream_goes_to_nobody_else(tmp_path, closed):
    """Otherwise the next file opened becomes, say, stderr, and a warning is written into it."""
    code = f"""
        import os, sys
        for descriptor in ({closed},):
            os.close(descriptor)
        from authgate_cli.system.terminal import reserve_standard_descriptors
        reserve_standard_descriptors()
        before = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT)
        os.write(before, str(before > 2).encode())
        os._exit(0)
    """
    with start(code, tmp_path / "file") as process:
        process.communicate(timeout=SAFETY)
    assert (tmp_path / "file").read_text() == "True"


# A terminal


@posix
@pytest.mark.parametrize(
    ("environ", "can_update", "colour"),
    [
        ({}, True, True),
        ({"NO_COLOR": "1"}, True, False),
        ({"NO_COLOR": ""}, True, True),
        ({"TERM": "dumb"}, False, False),
    ],
)
def test_no_color_and_dumb_terminals_are_respected(environ, can_update, colour):
    with Screen(**environ) as screen:
        assert (screen.terminal.can_update, screen.terminal.colour) == (can_update, colour)


@posix
def test_a_line_is_updated_in_place_and_taken_away():
    with Screen() as screen:
        screen.terminal.progress("5:00 left", 0.0)
        screen.terminal.progress("4:59 left", 0.0)
        screen.terminal.end_update()
        screen.terminal.end_update()
        assert screen.shown == "\r5:00 left\x1b[K\r4:59 left\x1b[K\r\x1b[K"


@posix
def test_a_line_that_follows_starts_on_a_clean_one():
    with Screen() as screen:
        screen.terminal.progress("5:00 left", 0.0)
        screen.terminal.tell("done")
        assert screen.shown == "\r5:00 left\x1b[K\r\x1b[Kdone\n"


@posix
@pytest.mark.parametrize(
    ("columns", "shown"),
    [(10, 9), (2, 1), (1, 1), pytest.param(0, shutil.get_terminal_size().columns - 1, id="size unknown")],
)
def test_an_updated_line_never_wraps(columns, shown):
    with Screen(columns) as screen:
        screen.terminal.progress("x" * 200, 0.0)
        assert screen.shown == "\r" + "x" * shown + "\x1b[K"


@posix
@pytest.mark.parametrize(
    ("columns", "shown"),
    [
        (80, "Waiting for approval, 29:41 left; the server is busy (it says so)"),
        (60, "Waiting for approval, 29:41 left; the server is busy"),
        (50, "29:41 left; the server is busy"),
        (30, "29:41 left"),
        (6, "29:41"),
    ],
)
def test_what_matters_least_is_left_out_of_a_narrow_line(columns, shown):
    with Screen(columns) as screen:
        screen.terminal.progress("Waiting for approval, 29:41 left; the server is busy (it says so)", 0.0)
        assert screen.shown == f"\r{shown}\x1b[K"


@posix
@pytest.mark.parametrize(("columns", "shown"), [(33, "Waiting for approval, 29:41 left"), (32, "29:41 left")])
def test_a_line_without_a_note_is_shortened_to_the_time(columns, shown):
    with Screen(columns) as screen:
        screen.terminal.progress("Waiting for approval, 29:41 left", 0.0)
        assert screen.shown == f"\r{shown}\x1b[K"


def test_what_is_no_terminal_is_not_updated():
    streams = Streams(environ={"TERM": "xterm"})
    streams.terminal.progress("5:00 left", 0.0)
    streams.terminal.end_update()
    assert streams.written == ("", "")
    assert (streams.terminal.can_update, streams.terminal.colour, streams.terminal.is_terminal) == (False,) * 3


def test_progress_is_shown_in_place_on_a_terminal():
    with Screen(80) as screen:
        screen.terminal.progress("5:00 left", 0.0)
        assert screen.shown == "\r5:00 left\x1b[K"


def test_progress_is_a_line_every_thirty_seconds_elsewhere():
    streams = Streams()
    for now in range(0, 91, 10):
        streams.terminal.progress(f"{now} s", now)
    assert streams.written == ("", "30 s\n60 s\n90 s\n")


# What is typed


def test_a_terminal_may_be_typed_at():
    with Screen(80) as screen:
        terminal = Terminal(screen.stream, None, None, {})
        assert (terminal.can_type, terminal.typing_descriptor()) == (True, screen.stream.fileno())


@pytest.mark.parametrize("stdin", [None, io.StringIO("typed\n")])
def test_what_is_no_terminal_is_not_typed_at(stdin):
    terminal = Terminal(stdin, None, None, {})
    assert (terminal.can_type, terminal.typing_descriptor()) == (False, None)


def test_a_pipe_is_not_typed_at():
    code = """
        import sys
        from authgate_cli.system.terminal import Terminal

        print(Terminal(sys.stdin, None, None, {}).typing_descriptor())
    """
    assert run(code) == ["None"]
