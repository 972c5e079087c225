"""Calls that may hang, really hanging."""

import os
import threading

import pytest
from own_process import run

from authgate_cli.system.threads import TookTooLong, call_within


def test_a_result_is_handed_on():
    assert call_within(lambda: "result", 10) == "result"


def test_nothing_is_a_result_too():
    assert call_within(lambda: None, 10) is None


@pytest.mark.parametrize("error", [ValueError, SystemExit, KeyboardInterrupt])
def test_an_error_is_handed_on_whatever_it_is(error):
    def fail():
        raise error("why")

    with pytest.raises(error, match="why"):
        call_within(fail, 10)


@pytest.fixture
def hang():
    """A call that hangs until the test is over."""
    over = threading.Event()
    yield over.wait
    over.set()


def test_a_call_that_hangs_is_given_up(hang):
    with pytest.raises(TookTooLong):
        call_within(hang, 0.05)


def test_a_call_that_is_quick_is_not_spoken_of():
    call_within(lambda: None, 10, lambda: pytest.fail("spoke"))


def test_a_long_wait_is_spoken_of_once():
    """The notice itself ends the hanging, so that the call returns because it was given."""
    noticed, over = [], threading.Event()

    def notice():
        noticed.append(True)
        over.set()

    assert call_within(over.wait, 20, notice) is True
    assert noticed == [True]


def test_a_call_left_behind_does_not_keep_the_process_from_ending():
    code = """
        import threading
        from authgate_cli.system.threads import TookTooLong, call_within

        def hang():
            threading.Thread(target=threading.Event().wait).start()  # inherits that it need not be waited for
            threading.Event().wait()

        try:
            call_within(hang, 0.05)
        except TookTooLong:
            print("given up")
    """
    assert run(code) == ["given up"]


def test_where_no_thread_can_be_had_the_call_is_made_all_the_same():
    code = """
        import os, resource
        from authgate_cli.system.threads import call_within
        if os.geteuid() == 0:
            os.setuid(65534)  # root may have as many as it likes
        resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))
        print(call_within(lambda: "result", 10))
    """
    assert run(code) == ["result"]


@pytest.mark.skipif(os.name != "posix", reason="needs a timer that sends signals")
def test_a_signal_while_a_thread_starts_raises_what_its_handler_raises():
    """With threading.Thread, several of these would be a RuntimeError of its locks."""
    code = """
        import random, signal
        from authgate_cli.system.threads import Background

        class Stop(BaseException):
            pass

        def stop(signum, frame):
            raise Stop

        signal.signal(signal.SIGALRM, stop)
        others = []
        for _ in range(6000):
            try:
                try:
                    signal.setitimer(signal.ITIMER_REAL, random.uniform(5e-6, 15e-5))
                    Background(lambda: None).result()
                finally:
                    signal.setitimer(signal.ITIMER_REAL, 0)
            except Stop:
                pass
            except BaseException as error:
                others.append(repr(error))
        print(others)
    """
    assert run(code) == ["[]"]
