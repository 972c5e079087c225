"""Signals, each in a process of its own that sends them to itself."""

import os
import signal

import pytest
from own_process import SAFETY, run, start

OTHERS = [
    "SIGQUIT",
    "SIGUSR1",
    "SIGUSR2",
    "SIGALRM",
    "SIGVTALRM",
    "SIGPROF",
    "SIGPOLL",
    "SIGPWR",
    "SIGSTKFLT",
    "SIGXCPU",
]
RARE = ["SIGABRT", "SIGTRAP", "SIGSYS", "SIGRTMIN", "SIGRTMAX"]
ENDING = ["SIGTERM", "SIGHUP", *(name for name in OTHERS if hasattr(signal, name))]

pytestmark = pytest.mark.skipif(os.name != "posix", reason="Windows has only Ctrl-C")

PROLOGUE = """
import io, os, signal, sys, threading
from authgate_cli.system.signals import die_of, ending_cleanly, uninterrupted
from authgate_cli.errors import Terminated

def say(text):
    print(text, flush=True)

def attempt(action):
    try:
        action()
    except (KeyboardInterrupt, Terminated) as error:
        say(repr(error))

numbers = [getattr(signal, name) for name in sys.argv[1:]]
"""

UNINTERRUPTED = """
def save():
    with uninterrupted(lambda: say("noticed")):
        for number in numbers:
            signal.raise_signal(number)
        say("saved")
    say("not reached after a signal")

attempt(save)
"""


def play(code, *names):
    return run(PROLOGUE + code, *names)


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["SIGINT"], "KeyboardInterrupt()"),
        *(([name], f"Terminated({int(getattr(signal, name))})") for name in [*ENDING, *RARE] if hasattr(signal, name)),
        (["SIGINT", "SIGTERM", "SIGINT"], "KeyboardInterrupt()"),
        (["SIGTERM", "SIGINT"], f"Terminated({int(signal.SIGTERM)})"),
    ],
)
def test_signals_wait_and_the_first_is_delivered_afterwards(names, told):
    assert play(UNINTERRUPTED, *names) == ["noticed", "saved", told]


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_block_within_another_delivers_nothing_before_the_outer_one_is_done(name):
    code = """
def save():
    with uninterrupted(lambda: say("noticed")):
        with uninterrupted(lambda: say("noticed twice")) as signals:
            signal.raise_signal(numbers[0])
        say(f"saved, {signals}")

attempt(save)
"""
    told = {"SIGINT": "KeyboardInterrupt()", "SIGTERM": f"Terminated({int(signal.SIGTERM)})"}[name]
    assert play(code, name) == ["noticed", "saved, []", told]


def test_the_block_may_end_early_for_a_signal():
    code = """
def wait():
    with uninterrupted(lambda: say("noticed")) as signals:
        while not signals:
            signal.raise_signal(signal.SIGTERM)
        say(*signals)

attempt(wait)
"""
    number = int(signal.SIGTERM)
    assert play(code) == ["noticed", f"{number}", f"Terminated({number})"]


def test_without_a_signal_nothing_is_noticed():
    assert play(UNINTERRUPTED) == ["saved", "not reached after a signal"]


@pytest.mark.parametrize("name", ["SIGINT", *ENDING])
def test_a_signal_that_is_ignored_stays_ignored(name):
    """As under nohup, or in a shell's background."""
    code = "signal.signal(numbers[0], signal.SIG_IGN)" + UNINTERRUPTED + "say(signal.getsignal(numbers[0]).name)"
    assert play(code, name) == ["saved", "not reached after a signal", "SIG_IGN"]


def test_the_handlers_of_before_come_back():
    code = """
before = [signal.getsignal(number) for number in numbers]
with ending_cleanly(), uninterrupted(lambda: None):
    during = [signal.getsignal(number) for number in numbers]
say([signal.getsignal(number) for number in numbers] == before and not set(before) & set(during))
"""
    assert play(code, "SIGINT", "SIGTERM", "SIGHUP") == ["True"]


def test_a_signal_is_delivered_even_when_the_work_failed():
    code = """
def save():
    with uninterrupted(lambda: say("noticed")):
        signal.raise_signal(numbers[0])
        raise OSError("disk full")

attempt(save)
"""
    assert play(code, "SIGINT") == ["noticed", "KeyboardInterrupt()"]


def test_a_signal_during_a_write_does_not_end_the_work():
    """The notice cannot be written then: `RuntimeError: reentrant call` is what Python says."""
    code = """
class Interrupted(io.RawIOBase):
    def writable(self):
        return True

    def write(self, data):
        signal.raise_signal(signal.SIGTERM)
        return len(data)

stream = io.BufferedWriter(Interrupted())

def save():
    with uninterrupted(lambda: stream.write(b"noticed")):
        stream.write(b"progress")
        stream.flush()
        say("saved")

attempt(save)
"""
    assert play(code) == ["saved", f"Terminated({int(signal.SIGTERM)})"]


def test_a_failure_of_the_work_is_told_when_no_signal_came():
    code = """
try:
    with uninterrupted(lambda: say("noticed")):
        raise OSError("disk full")
except OSError as error:
    say(error)
"""
    assert play(code) == ["disk full"]


def test_a_thread_has_no_handlers_and_no_trouble():
    code = """
def work():
    with ending_cleanly(), uninterrupted(lambda: None):
        say("worked")

thread = threading.Thread(target=work)
thread.start()
thread.join()
"""
    assert play(code) == ["worked"]


@pytest.mark.parametrize("name", ENDING)
def test_a_signal_that_ends_us_lets_us_clean_up_first(name):
    code = """
def work():
    with ending_cleanly():
        try:
            signal.raise_signal(numbers[0])
        finally:
            say("cleaned up")

attempt(work)
"""
    assert play(code, name) == ["cleaned up", f"Terminated({int(getattr(signal, name))})"]


@pytest.mark.parametrize("name", ["SIGINT", *ENDING])
def test_whoever_waits_for_us_sees_the_signal_that_ended_us(name):
    code = """
signal.signal(numbers[0], lambda *_: say("handled"))
die_of(numbers[0])
"""
    with start(PROLOGUE + code, name) as process:
        assert process.communicate(timeout=SAFETY) == ("", "")
    assert process.returncode == -getattr(signal, name)


def test_a_signal_from_outside_waits_too():
    code = """
def save():
    with uninterrupted(lambda: os.write(1, b"noticed\\n")):
        say("ready")
        sys.stdin.readline()  # a network, say
        say("saved")

attempt(save)
"""
    with start(PROLOGUE + code) as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        assert process.stdout.readline() == "noticed\n"
        output, _ = process.communicate("\n", timeout=SAFETY)
    assert output.splitlines() == ["saved", f"Terminated({int(signal.SIGTERM)})"]


def test_a_signal_during_an_import_ends_us_when_that_is_over(tmp_path):
    """Python prints and forgets what a handler raises in a callback of an import; the signal comes again."""
    code = """
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "module":
            class Thing: ...
            thing = Thing()
            reference = weakref.ref(thing, lambda _: signal.raise_signal(numbers[0]))
            del thing

import weakref
sys.meta_path.insert(0, Finder())

def work():
    with ending_cleanly():
        import module
        say("imported")
        while True:
            pass

attempt(work)
"""
    (tmp_path / "module.py").touch()
    told = f"Terminated({int(signal.SIGTERM)})"
    assert run(PROLOGUE + code, "SIGTERM", path=[tmp_path]) in ([told], ["imported", told])


CORES = """
import resource
from authgate_cli.system import signals

def soft():
    return resource.getrlimit(resource.RLIMIT_CORE)[0]

before = soft()
signals.allow_core_files(False)
say(soft())
signals.allow_core_files(False)
signals.allow_core_files(True)
say(soft() == before)
"""


def test_core_files_are_limited_to_nothing_and_to_what_was_before():
    assert play(CORES) == ["0", "True"]
