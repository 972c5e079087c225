"""Both locks of a token file: the SDKs' `<file>.lock`, and the kernel's on `<file>.refresh`."""

import os
import signal

import pytest
from own_process import run, start

from authgate_cli.errors import StoreFailed, Unreachable
from authgate_cli.store.locks import STALE, Waiting, file_lock, refresh_lock
from authgate_cli.system.signals import uninterrupted

NOW = 1_800_000_000.0


class Clock:
    """Time that passes only while somebody sleeps; `at` says what happens after so many pauses."""

    def __init__(self, at=None):
        self.time, self.pauses, self._at = NOW, [], at or {}

    def read(self):
        return self.time

    def sleep(self, seconds):
        self.time += seconds
        self.pauses.append(seconds)
        self._at.get(len(self.pauses), lambda: None)()

    @property
    def waiting(self):
        return Waiting(self.read, self.read, self.sleep)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "tokens"


@pytest.fixture
def lock(tmp_path):
    return tmp_path / "tokens.lock"


def silent(text):
    pytest.fail(f"explained: {text}")


def made(lock, age=0.0, text="somebody"):
    lock.write_text(text)
    os.utime(lock, (NOW - age, NOW - age))


def test_the_lock_stands_beside_the_file_while_it_is_held(path, lock):
    with file_lock(str(path), Clock().waiting):
        assert (lock.read_text(), lock.stat().st_mode & 0o777) == (str(os.getpid()), 0o600)
    assert not lock.exists()


def test_the_lock_goes_away_when_the_work_fails(path, lock):
    with pytest.raises(ZeroDivisionError), file_lock(str(path), Clock().waiting):
        raise ZeroDivisionError
    assert not lock.exists()


def test_somebody_elses_lock_is_waited_for(path, lock):
    made(lock)
    clock = Clock(at={5: lock.unlink})
    with file_lock(str(path), clock.waiting):
        assert lock.read_text() == str(os.getpid())
    assert len(clock.pauses) == 5


@pytest.mark.parametrize("age", [STALE + 1, STALE, STALE - 1, 0.0])
def test_a_lock_is_taken_over_when_it_is_thirty_seconds_old_and_not_before(path, lock, age):
    made(lock, age)
    clock, remaining = Clock(), max(0.0, STALE - age)
    with file_lock(str(path), clock.waiting):
        assert remaining < clock.time - NOW < remaining + 0.3
        assert lock.read_text() == str(os.getpid())
    assert os.listdir(path.parent) == []


def test_a_lock_that_somebody_keeps_renewing_is_an_error_and_stays(path, lock):
    class Renewed(Clock):
        def sleep(self, seconds):
            super().sleep(seconds)
            os.utime(lock, (self.time, self.time))

    made(lock)
    with pytest.raises(StoreFailed, match="stays locked by another program"), file_lock(str(path), Renewed().waiting):
        pytest.fail("the lock is not ours")
    assert lock.read_text() == "somebody"


@pytest.mark.skipif(os.name != "posix", reason="Windows has only Ctrl-C")
def test_nobody_waits_in_vain_for_a_lock(path, lock):
    made(lock)
    clock = Clock(at={3: lambda: signal.raise_signal(signal.SIGINT)})
    with pytest.raises(KeyboardInterrupt), file_lock(str(path), clock.waiting):
        pytest.fail("the lock is not ours")
    assert (len(clock.pauses), lock.read_text()) == (3, "somebody")


@pytest.mark.skipif(os.name != "posix", reason="Windows has only Ctrl-C")
def test_with_a_token_in_hand_the_lock_is_waited_for_all_the_same(path, lock):
    made(lock)
    clock = Clock(at={3: lambda: signal.raise_signal(signal.SIGINT), 6: lock.unlink})
    saved = []
    with pytest.raises(KeyboardInterrupt), uninterrupted():
        with file_lock(str(path), clock.waiting):
            saved.append(len(clock.pauses))
    assert (saved, lock.exists()) == ([6], False)


@pytest.mark.parametrize("who", ["faster", "third"])
def test_a_lock_made_anew_during_a_takeover_is_left_alone(path, lock, who):
    """Whoever is faster removes the old lock and makes one between our look and our act.

    The audit hook is that other process: it runs just before the first rename or removal. And it
    is a third one, which finds no lock before we have put the new one back.
    """
    code = """
        import os, sys, time
        from authgate_cli.store.locks import Waiting, file_lock

        path, lock, swapped = sys.argv[1], sys.argv[1] + ".lock", []

        def make(text):
            with open(lock, "x") as file:
                file.write(text)

        def be_faster(event, arguments):
            if event in ("os.rename", "os.remove") and not swapped:
                swapped.append(event)
                os.unlink(lock)
                make("faster")
            elif event == "os.link" and sys.argv[2] == "third":
                make("third")

        def read():
            with open(lock) as file:
                return file.read()

        def sleep(seconds):
            print(read())
            os.unlink(lock)

        sys.addaudithook(be_faster)
        with file_lock(path, Waiting(time.time, time.monotonic, sleep)):
            print(read() == str(os.getpid()))
    """
    made(lock)
    os.utime(lock, (0, 0))
    assert run(code, path, who) == [who, "True"]
    assert os.listdir(path.parent) == []


def test_a_lock_that_cannot_be_made_is_an_error(tmp_path):
    with pytest.raises(StoreFailed, match=r"missing/tokens\.lock cannot be created: No such file"):
        with file_lock(str(tmp_path / "missing" / "tokens"), Clock().waiting):
            pytest.fail("there is no lock")


HOLD = """
    import sys, time
    from authgate_cli.store.locks import Waiting, refresh_lock

    with refresh_lock(sys.argv[1], Waiting(time.time, time.monotonic, time.sleep), 10, print):
        print("issued", flush=True)
        sys.stdin.readline()
"""


@pytest.fixture
def holder(path):
    """Another process that holds the refresh lock until it is told or killed."""
    with start(HOLD, path) as process:
        assert process.stdout.readline() == "issued\n"
        yield process
        process.kill()


def test_a_refresh_waits_for_another_process(path, holder):
    def let_go():
        holder.communicate("\n", timeout=20)

    clock = Clock(at={4: let_go})
    with refresh_lock(str(path), clock.waiting, 60, silent):
        assert len(clock.pauses) == 4


def test_a_refresh_does_not_wait_for_a_process_that_was_killed(path, holder):
    def kill():
        holder.kill()
        holder.wait(20)

    clock = Clock(at={2: kill})
    with refresh_lock(str(path), clock.waiting, 60, silent):
        assert len(clock.pauses) == 2


def test_a_process_that_does_not_finish_its_refresh_is_given_up(path, holder):
    clock = Clock()
    with pytest.raises(Unreachable, match="another authgate"), refresh_lock(str(path), clock.waiting, 60, silent):
        pytest.fail("the lock is not ours")
    assert 60 <= clock.time - NOW < 61


def test_the_refresh_lock_is_free_again_when_the_work_fails(path):
    with pytest.raises(ZeroDivisionError), refresh_lock(str(path), Clock().waiting, 60, silent):
        raise ZeroDivisionError
    with refresh_lock(str(path), Clock().waiting, 0, silent):
        pass


def test_the_refresh_lock_is_a_private_file(path):
    with refresh_lock(str(path), Clock().waiting, 60, silent):
        assert path.with_name("tokens.refresh").stat().st_mode & 0o777 == 0o600


def test_a_symlink_in_place_of_the_refresh_lock_is_not_followed(path):
    path.with_name("tokens.refresh").symlink_to("elsewhere")
    explained = []
    with refresh_lock(str(path), Clock().waiting, 60, explained.append):
        assert len(explained) == 1
    assert not path.with_name("elsewhere").exists()


def test_without_a_home_a_refresh_goes_on_alone_and_says_so():
    explained = []
    with refresh_lock("", Clock().waiting, 60, explained.append):
        assert ["there is no home directory" in line for line in explained] == [True]


@pytest.mark.parametrize("made_before", [False, True])
def test_in_a_read_only_directory_a_refresh_goes_on_alone_and_says_so(tmp_path, made_before):
    if made_before:
        (tmp_path / "tokens.refresh").touch(0o400)
    tmp_path.chmod(0o555)
    code = """
        import os
        from authgate_cli.store.locks import Waiting, refresh_lock

        if os.geteuid() == 0:
            os.setuid(1000)
        with refresh_lock("tokens", Waiting(None, lambda: 0, None), 10, print):
            print("went on")
    """
    explained, went_on = run(code, cwd=tmp_path)
    assert "refreshing without a lock: tokens.refresh cannot be opened (Permission denied)" in explained
    assert went_on == "went on"
