"""Both locks of a token file: the SDKs' `<file>.lock`, and the kernel's on `<file>.refresh`."""

import json
import os
import signal
from types import SimpleNamespace

import pytest
from own_process import run, start

from authgate_cli.errors import StoreFailed, Unreachable
from authgate_cli.store.file_store import FileStore
from authgate_cli.store.locks import STALE, file_lock, refresh_lock
from authgate_cli.store.token_file import Owner
from authgate_cli.system import real_system
from authgate_cli.system.signals import uninterrupted

NOW = 1_800_000_000.0


class Clock:
    """Time that passes only while somebody sleeps; `at` says what happens after so many pauses."""

    def __init__(self, at=None, tell=None):
        self.time, self.pauses, self.told, self._at = NOW, [], [], at or {}
        self.tell = tell or self.told.append

    def read(self):
        return self.time

    def sleep(self, seconds):
        self.time += seconds
        self.pauses.append(seconds)
        self._at.get(len(self.pauses), lambda: None)()

    @property
    def waiting(self):
        system = real_system(None, None, {}, self.read)
        return system._replace(monotonic=self.read, sleep=self.sleep), self.tell


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
    with file_lock(str(path), *Clock().waiting):
        assert (lock.read_text(), lock.stat().st_mode & 0o777) == (str(os.getpid()), 0o600)
    assert not lock.exists()


def test_the_lock_goes_away_when_the_work_fails(path, lock):
    with pytest.raises(ZeroDivisionError), file_lock(str(path), *Clock().waiting):
        raise ZeroDivisionError
    assert not lock.exists()


def test_somebody_elses_lock_is_waited_for(path, lock):
    made(lock)
    clock = Clock(at={5: lock.unlink})
    with file_lock(str(path), *clock.waiting):
        assert lock.read_text() == str(os.getpid())
    assert len(clock.pauses) == 5


@pytest.mark.parametrize("age", [STALE + 1, STALE, STALE - 1, 0.0])
def test_a_lock_is_taken_over_when_it_is_thirty_seconds_old_and_not_before(path, lock, age):
    made(lock, age)
    clock, remaining = Clock(), max(0.0, STALE - age)
    with file_lock(str(path), *clock.waiting):
        assert remaining < clock.time - NOW < remaining + 0.3
        assert lock.read_text() == str(os.getpid())
    assert os.listdir(path.parent) == []


def test_a_lock_that_somebody_keeps_renewing_is_an_error_and_stays(path, lock):
    class Renewed(Clock):
        def sleep(self, seconds):
            super().sleep(seconds)
            os.utime(lock, (self.time, self.time))

    made(lock)
    with pytest.raises(StoreFailed, match="is locked by another program"), file_lock(str(path), *Renewed().waiting):
        pytest.fail("the lock is not ours")
    assert lock.read_text() == "somebody"


@pytest.mark.parametrize(("pauses", "told"), [(5, 0), (60, 1)])
def test_after_two_seconds_it_is_said_what_is_being_waited_for(path, lock, pauses, told):
    made(lock)
    clock = Clock(at={pauses: lock.unlink})
    with file_lock(str(path), *clock.waiting):
        assert [str(lock) in line for line in clock.told] == [True] * told
    assert (clock.time - NOW > 2) == bool(told)


@pytest.mark.parametrize("strange", ["mkdir", "symlink"])
def test_what_is_no_lock_is_not_taken_over(path, lock, strange):
    lock.mkdir() if strange == "mkdir" else lock.symlink_to("elsewhere")
    os.utime(lock, (0, 0), follow_symlinks=False)
    with pytest.raises(StoreFailed, match="not a regular file"), file_lock(str(path), *Clock().waiting):
        pytest.fail("the lock is not ours")
    assert os.listdir(path.parent) == ["tokens.lock"]


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root can become two users")
@pytest.mark.parametrize("age", [STALE + 1, 5])
def test_somebody_elses_lock_that_cannot_be_removed_is_an_error_with_a_remedy(path, lock, age):
    """In a sticky directory nobody may rename what is not their own."""
    path.parent.chmod(0o1777)
    lock.write_text("")
    os.chown(lock, 54321, -1)
    code = """
        import os, sys, time
        from authgate_cli.errors import StoreFailed
        from authgate_cli.system import real_system
        from authgate_cli.store.locks import file_lock

        now = os.lstat("tokens.lock").st_mtime + float(sys.argv[1])
        waits = []
        system = real_system(None, None, {}, lambda: now + sum(waits))
        system = system._replace(monotonic=lambda: sum(waits), sleep=waits.append)
        os.setuid(1000)
        try:
            with file_lock("tokens", system, lambda text: None):
                print("ours")
        except StoreFailed as error:
            print(error.message)
            print(error.hint)
        print(sum(waits))
    """
    message, hint, waited = run(code, age, cwd=path.parent)
    assert message == "the old lock tokens.lock cannot be removed"
    assert "--token-file" in hint
    assert float(waited) == pytest.approx(max(0, STALE - age), abs=0.2)
    assert os.listdir(path.parent) == ["tokens.lock"]


# -- a lock that is lost


SUSPENDED = """
    import os, signal, sys, time
    from types import SimpleNamespace
    from authgate_cli.store.file_store import FileStore
    from authgate_cli.system import real_system
    from authgate_cli.store.token_file import Owner
    from authgate_cli.tokens import TokenSet

    def stop(event, arguments):
        if event == "open" and str(arguments[0]).endswith(".tmp") and not stopped:
            stopped.append(event)
            os.kill(os.getpid(), signal.SIGSTOP)

    def sleep(seconds):
        print("waits", flush=True)
        time.sleep(seconds)

    path, client, action = sys.argv[1:]
    system = real_system(None, None, {}, time.time)._replace(sleep=sleep)
    terminal = SimpleNamespace(warn=print, tell=lambda text: None)
    store = FileStore(path, Owner("https://auth.example.com", client), system, terminal)
    token = TokenSet(client, issuer="https://auth.example.com", client_id=client)
    stopped = []
    if action == "save":
        sys.addaudithook(stop)
        store.save(token)
    elif action == "forget":
        store.save(token)
        sys.addaudithook(stop)
        store.forget()
        print(store.find().token)
"""


def stopped(process):
    with open(f"/proc/{process.pid}/stat") as file:
        return file.read().rpartition(")")[2].split()[0] == "T"


@pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="needs Linux's /proc")
@pytest.mark.parametrize("action", ["save", "forget"])
@pytest.mark.parametrize("holds", ["released", "still held"])
def test_what_others_save_while_a_process_is_suspended_for_long_is_kept(path, lock, eventually, action, holds):
    with start(SUSPENDED, path, "suspended", action) as process:
        eventually(lambda: stopped(process))
        os.utime(lock, (0, 0))  # thirty seconds and more are over
        run(SUSPENDED.replace("stopped = []", "stopped = [1]"), path, "other", "save")
        if holds == "still held":
            lock.write_text("a third program, which also writes")
        process.send_signal(signal.SIGCONT)
        if holds == "still held":
            assert process.stdout.readline() == "waits\n"
            assert lock.read_text() == "a third program, which also writes"
            lock.unlink()
        output, errors = process.communicate(timeout=20)
    told = [line for line in output.splitlines() if line != "waits"]
    assert (process.returncode, errors, told) == (0, "", [] if action == "save" else ["None"])
    data = json.loads(path.read_text())["data"]
    assert set(data) == ({"other", "suspended"} if action == "save" else {"other"})
    assert os.listdir(path.parent) == ["tokens"]


def test_a_lock_that_is_lost_again_and_again_is_an_error(path, lock):
    """As where the clock of a network's file system is an hour off, and everybody thinks every lock stale."""
    store = FileStore(
        str(path),
        Owner("https://auth.example.com", "client"),
        Clock().waiting[0],
        SimpleNamespace(warn=silent, tell=silent),
    )
    code = """
        import os, sys, time
        from types import SimpleNamespace
        from authgate_cli.errors import StoreFailed
        from authgate_cli.store.file_store import FileStore
        from authgate_cli.system import real_system
        from authgate_cli.store.token_file import Owner
        from authgate_cli.tokens import TokenSet

        def take_over(event, arguments):
            if event == "open" and str(arguments[0]).endswith(".tmp"):
                os.unlink(path + ".lock")

        path = sys.argv[1]
        sys.addaudithook(take_over)
        system = real_system(None, None, {}, time.time)._replace(sleep=None)
        terminal = SimpleNamespace(warn=print, tell=print)
        store = FileStore(path, Owner("https://auth.example.com", "client"), system, terminal)
        try:
            store.save(TokenSet("token"))
        except StoreFailed as error:
            print(error.message)
    """
    [message] = run(code, path)
    assert "was lost repeatedly" in message
    assert (os.listdir(path.parent), store.find().token) == ([], None)


@pytest.mark.skipif(os.name != "posix", reason="Windows has only Ctrl-C")
def test_nobody_waits_in_vain_for_a_lock(path, lock):
    made(lock)
    clock = Clock(at={3: lambda: signal.raise_signal(signal.SIGINT)})
    with pytest.raises(KeyboardInterrupt), file_lock(str(path), *clock.waiting):
        pytest.fail("the lock is not ours")
    assert (len(clock.pauses), lock.read_text()) == (3, "somebody")


@pytest.mark.skipif(os.name != "posix", reason="Windows has only Ctrl-C")
def test_with_a_token_in_hand_the_lock_is_waited_for_all_the_same(path, lock):
    made(lock)
    clock = Clock(at={3: lambda: signal.raise_signal(signal.SIGINT), 6: lock.unlink})
    saved = []
    with pytest.raises(KeyboardInterrupt), uninterrupted():
        with file_lock(str(path), *clock.waiting):
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
        from authgate_cli.system import real_system
        from authgate_cli.store.locks import file_lock

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
        with file_lock(path, real_system(None, None, {}, time.time)._replace(sleep=sleep), lambda text: None):
            print(read() == str(os.getpid()))
    """
    made(lock)
    os.utime(lock, (0, 0))
    assert run(code, path, who) == [who, "True"]
    assert os.listdir(path.parent) == []


def test_a_lock_that_cannot_be_made_is_an_error(tmp_path):
    with pytest.raises(StoreFailed, match=r"missing/tokens\.lock cannot be created: No such file"):
        with file_lock(str(tmp_path / "missing" / "tokens"), *Clock().waiting):
            pytest.fail("there is no lock")


HOLD = """
    import sys, time
    from authgate_cli.system import real_system
    from authgate_cli.store.locks import refresh_lock

    with refresh_lock(sys.argv[1], real_system(None, None, {}, time.time), print, 10):
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

    clock = Clock(at={4: let_go}, tell=silent)
    with refresh_lock(str(path), *clock.waiting, 60):
        assert len(clock.pauses) == 4


def test_a_refresh_does_not_wait_for_a_process_that_was_killed(path, holder):
    def kill():
        holder.kill()
        holder.wait(20)

    clock = Clock(at={2: kill}, tell=silent)
    with refresh_lock(str(path), *clock.waiting, 60):
        assert len(clock.pauses) == 2


def test_a_process_that_does_not_finish_its_refresh_is_given_up(path, holder):
    explained = []
    clock = Clock(tell=explained.append)
    with pytest.raises(Unreachable, match="another authgate"):
        with refresh_lock(str(path), *clock.waiting, 60):
            pytest.fail("the lock is not ours")
    assert 60 <= clock.time - NOW < 61
    assert ["waiting for another authgate" in line for line in explained] == [True]


def test_the_refresh_lock_is_free_again_when_the_work_fails(path):
    with pytest.raises(ZeroDivisionError), refresh_lock(str(path), *Clock(tell=silent).waiting, 60):
        raise ZeroDivisionError
    with refresh_lock(str(path), *Clock(tell=silent).waiting, 0):
        pass


def test_the_refresh_lock_is_a_private_file(path):
    with refresh_lock(str(path), *Clock(tell=silent).waiting, 60):
        assert path.with_name("tokens.refresh").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("umask", [0o000, 0o777])
def test_the_refresh_lock_is_private_and_usable_whatever_the_umask(path, umask):
    code = """
        import os, sys, time
        from authgate_cli.system import real_system
        from authgate_cli.store.locks import refresh_lock

        os.umask(int(sys.argv[2]))
        with refresh_lock(sys.argv[1], real_system(None, None, {}, time.time), print, 10, True):
            print("%04o" % (os.stat(sys.argv[1] + ".refresh").st_mode & 0o777))
    """
    assert run(code, path, umask) == ["0600"]


def test_a_refresh_lock_that_others_can_open_is_closed_to_them(path):
    """Whoever can open it can hold it; a copied home may have it with another mode."""
    lock = path.with_name("tokens.refresh")
    lock.touch()
    lock.chmod(0o644)

    with refresh_lock(str(path), *Clock(tell=silent).waiting, 60, required=True):
        assert lock.stat().st_mode & 0o777 == 0o600


def symlink(lock):
    lock.with_name("elsewhere").write_text("")
    lock.symlink_to("elsewhere")


def dangling_symlink(lock):
    lock.symlink_to("elsewhere")


def hard_link(lock):
    lock.with_name("elsewhere").write_text("")
    os.link(lock.with_name("elsewhere"), lock)


def somebody_elses(lock):
    if os.geteuid() != 0:
        pytest.skip("only root can give a file away")
    lock.touch(0o600)
    os.chown(lock, 54321, -1)


STRANGE = [
    symlink,
    dangling_symlink,
    hard_link,
    somebody_elses,
    lambda lock: lock.mkdir(),
    lambda lock: os.mkfifo(lock),
]


@pytest.mark.parametrize("make", STRANGE)
@pytest.mark.parametrize("required", [True, False])
def test_what_is_not_our_own_in_place_of_the_refresh_lock_is_not_relied_on(path, make, required):
    lock, explained = path.with_name("tokens.refresh"), []
    make(lock)
    before = sorted(os.listdir(path.parent))
    if required:
        with pytest.raises(StoreFailed, match="so it cannot be used") as caught:
            with refresh_lock(str(path), *Clock(tell=explained.append).waiting, 60, required=True):
                pytest.fail("the lock is not ours")
        assert str(lock) in caught.value.message
        assert "remove it" in caught.value.hint
    else:
        with refresh_lock(str(path), *Clock(tell=explained.append).waiting, 60):
            assert ["continuing without a lock" in line for line in explained] == [True]
    assert (sorted(os.listdir(path.parent)), explained == []) == (before, required)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root can become two users")
def test_somebody_elses_refresh_lock_in_a_sticky_directory_is_an_error(path):
    path.parent.chmod(0o1777)
    somebody_elses(path.with_name("tokens.refresh"))
    code = """
        import os, time
        from authgate_cli.errors import StoreFailed
        from authgate_cli.system import real_system
        from authgate_cli.store.locks import refresh_lock

        os.setuid(1000)
        try:
            with refresh_lock("tokens", real_system(None, None, {}, time.time), print, 10, required=True):
                print("ours")
        except StoreFailed as error:
            print(error.message)
    """
    [message] = run(code, cwd=path.parent)
    assert message == "the lock tokens.refresh belongs to another user (54321), so it cannot be used"


PLATFORM = """
    import errno, sys, time, types
    from authgate_cli.system import real_system

    tries, answers = [], [getattr(errno, name) for name in sys.argv[3:]]

    def lock(descriptor, *how):
        tries.append(how)
        if len(tries) <= len(answers):
            raise OSError(answers[len(tries) - 1], "as this system says it")

    sys.modules["fcntl"] = None
    if sys.argv[2] == "fcntl":
        sys.modules["fcntl"] = types.SimpleNamespace(flock=lock, LOCK_EX=2, LOCK_NB=4)
    sys.modules["msvcrt"] = types.SimpleNamespace(locking=lock, LK_NBLCK=2)
    from authgate_cli.store.locks import refresh_lock

    system = real_system(None, None, {}, time.time)._replace(sleep=lambda seconds: None)
    with refresh_lock(sys.argv[1], system, print, 60, required=True):
        print(len(tries))
"""


@pytest.mark.parametrize("name", ["EACCES", "EDEADLK", "EPERM", "EAGAIN", "EIO", "EINVAL"])
def test_windows_says_in_several_ways_that_somebody_has_the_lock(path, name):
    assert run(PLATFORM, path, "msvcrt", name, name) == ["3"]


@pytest.mark.parametrize(
    ("module", "name"), [("msvcrt", "EBADF"), ("fcntl", "ENOLCK"), ("fcntl", "ENOTSUP"), ("fcntl", "ENOSYS")]
)
def test_a_file_system_without_locks_is_explained_and_works(path, module, name):
    explained, tries = run(PLATFORM, path, module, name)
    assert (tries, "cannot be used (as this system says it)" in explained) == ("1", True)


def test_without_a_home_a_refresh_goes_on_alone_and_says_so():
    explained = []
    with refresh_lock("", *Clock(tell=explained.append).waiting, 60):
        assert ["there is no home directory" in line for line in explained] == [True]


@pytest.mark.parametrize("made_before", [False, True])
def test_in_a_read_only_directory_a_refresh_goes_on_alone_and_says_so(tmp_path, made_before):
    if made_before:
        (tmp_path / "tokens.refresh").touch(0o400)
    tmp_path.chmod(0o555)
    code = """
        import os, time
        from authgate_cli.system import real_system
        from authgate_cli.store.locks import refresh_lock

        if os.geteuid() == 0:
            os.setuid(1000)
        with refresh_lock("tokens", real_system(None, None, {}, time.time), print, 10):
            print("went on")
    """
    explained, went_on = run(code, cwd=tmp_path)
    reason = (
        "belongs to another user (0)" if made_before and os.geteuid() == 0 else "cannot be used (Permission denied)"
    )
    assert "continuing without a lock: " in explained
    assert f"tokens.refresh {reason}" in explained
    assert went_on == "went on"
