"""What is typed at a pseudo-terminal, in the foreground and in the background."""

import os
import threading

import pytest
from own_process import run

if os.name == "posix":
    import termios

pytestmark = pytest.mark.skipif(os.name != "posix", reason="pseudo-terminals are a POSIX matter")


def on_a_terminal(code, typed=b""):
    """Run code whose stdin is the controlling terminal of its session; return what it prints.

    What is `typed` comes once line mode is off, as it does when somebody has read the prompt.
    """
    prologue = """
import fcntl, os, termios
from authgate_cli.system.keyboard import open_keyboard
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
"""
    outer, inner = os.openpty()
    over = threading.Event()
    typist = threading.Thread(target=type_at, args=(outer, inner, typed, over))
    try:
        typist.start()
        return run(prologue + code, stdin=inner, start_new_session=True)
    finally:
        over.set()
        typist.join()
        os.close(inner)
        os.close(outer)


def type_at(outer, inner, typed, over):
    """Type, and take away what the terminal shows of it."""
    os.set_blocking(outer, False)
    while not over.wait(0.002):
        if typed and not termios.tcgetattr(inner)[3] & termios.ICANON:
            try:
                typed = typed[os.write(outer, typed) :]
            except BlockingIOError:
                pass
        try:
            os.read(outer, 65536)
        except BlockingIOError:
            pass


TYPED = """
import time
keyboard = open_keyboard(0)
def lines(count):
    found = []
    while len(found) < count:
        line = keyboard.line()
        found += [] if line is None else [line]
        time.sleep(0.001)
    return found
"""


def test_marks_of_bracketed_paste_are_no_part_of_a_line():
    typed = b"\x1b[200~http://127.0.0.1:8088/?code=1\x1b[201~\n"
    assert on_a_terminal(TYPED + "print(*lines(1))", typed) == ["http://127.0.0.1:8088/?code=1"]


def test_typed_lines_are_noticed_and_read():
    code = """
print(lines(2), keyboard.line(), keyboard.is_begun)
"""
    assert on_a_terminal(TYPED + code, b"http://127.0.0.1:8088/?code=1\nsecond\n") == [
        "['http://127.0.0.1:8088/?code=1', 'second'] None False",
    ]


@pytest.mark.parametrize("length", [4094, 4095, 4096, 20_000, 100_000])
def test_a_line_of_any_length_is_read_whole(length):
    """In its line mode a terminal drops what comes after 4,095 bytes (macOS: 1,024)."""
    code = "[line] = lines(1); print(len(line), line)"
    assert on_a_terminal(TYPED + code, b"<" + b"x" * length + b">\n") == [f"{length + 2} <{'x' * length}>"]


def test_what_is_typed_can_be_corrected():
    code = """
print(lines(2))
while not keyboard.is_begun:
    keyboard.line()
keyboard.close()
"""
    assert on_a_terminal(TYPED + code, b"abc\x7f\x7fd\n\x7fwrong\x15right\nmore") == ["['ad', 'right']"]


def test_ctrl_d_and_other_controls_mean_nothing():
    assert on_a_terminal(TYPED + "print(lines(3))", b"one\n\x04\ntw\x1bo\n") == ["['one', '', 'two']"]


def test_a_terminal_that_has_gone_has_no_lines():
    code = """
import signal
signal.signal(signal.SIGHUP, signal.SIG_IGN)
keyboard = open_keyboard(0)
os.close(0)
print(keyboard.line(), keyboard.is_begun)
keyboard.close()
"""
    assert on_a_terminal(code) == ["None False"]


def test_the_terminal_gets_its_mode_back():
    code = """
before = termios.tcgetattr(0)
keyboard = open_keyboard(0)
print(termios.tcgetattr(0) == before)
keyboard.close()
print(termios.tcgetattr(0) == before)
"""
    assert on_a_terminal(code) == ["False", "True"]


def test_line_mode_that_a_shell_has_turned_on_is_turned_off_again():
    """As when we were stopped and go on."""
    code = """
before = termios.tcgetattr(0)
keyboard = open_keyboard(0)
ours = termios.tcgetattr(0)
termios.tcsetattr(0, termios.TCSANOW, before)
print(keyboard.line(), termios.tcgetattr(0) == ours)
"""
    assert on_a_terminal(code) == ["None True"]


def test_the_keyboard_is_left_to_a_pager_of_our_output():
    code = """
keyboard = open_keyboard(0)
mode = termios.tcgetattr(0)
mode[3] &= ~termios.ECHO
termios.tcsetattr(0, termios.TCSANOW, mode)
print(keyboard.line(), termios.tcgetattr(0) == mode)
keyboard.close()
print(termios.tcgetattr(0) == mode)
"""
    assert on_a_terminal(code, b"q") == ["None True", "True"]


def test_in_the_background_the_terminal_is_neither_read_nor_changed():
    """Either would stop the whole process (SIGTTIN, SIGTTOU)."""
    code = """
keyboard = open_keyboard(0)
before = termios.tcgetattr(0)
child = os.fork()
if child == 0:
    os.setpgid(0, 0)  # as a shell does with a job in the background
    print(keyboard.line(), flush=True)
    keyboard.close()
    again = open_keyboard(0)
    print(again.line(), termios.tcgetattr(0) == before, flush=True)
    os._exit(0)
_, status = os.waitpid(child, os.WUNTRACED)
line = None
while line is None:  # it may still be on its way
    line = keyboard.line()
print(status, line)
"""
    assert on_a_terminal(code, b"typed\n") == ["None", "None True", "0 typed"]


def test_ctrl_z_gives_line_mode_back_while_the_program_is_stopped():
    code = """
import signal, time
before = termios.tcgetattr(0)
child = os.fork()
if child == 0:
    while os.tcgetpgrp(0) != os.getpid():
        time.sleep(0.001)
    keyboard = open_keyboard(0)
    ours = termios.tcgetattr(0)
    signal.raise_signal(signal.SIGTSTP)
    while termios.tcgetattr(0) != ours:
        keyboard.line()
    signal.raise_signal(signal.SIGTSTP)
    keyboard.close()
    os._exit(7)
os.setpgid(child, child)
os.tcsetpgrp(0, child)
for _ in range(2):
    _, status = os.waitpid(child, os.WUNTRACED)
    print(os.WIFSTOPPED(status), os.WSTOPSIG(status) == signal.SIGTSTP, termios.tcgetattr(0) == before)
    os.kill(child, signal.SIGCONT)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    assert on_a_terminal(code) == ["True True True", "True True True", "7"]


def test_where_there_is_no_terminal_nothing_is_typed():
    code = """
        from authgate_cli.system.keyboard import open_keyboard

        print(open_keyboard(None), open_keyboard(0))
    """
    assert run(code) == ["None None"]
