"""Interrupted anywhere: a signal at a random moment, and one at the worst moment, lose nothing.

The moments are drawn from the names of the cases, so that they are the same in every run.
"""

import json
import os
import random
import resource
import signal
import time
from pathlib import Path

import pytest
from client import browser_program
from ports import free_callback
from storms import few_or_many
from waiting import eventually

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc")

KILLS = few_or_many(2, 15)  # of every kind
SIGNALS = ["SIGKILL", "SIGTERM", "SIGINT"]
INTERRUPTED = 130
TOKEN_ENDPOINT = "/oauth/token"
SAVING = 0.02  # seconds, from a request for tokens to their being on disk, and a little more


def has_begun(process):
    """Tell whether the program looks after its signals by now; before that it is Python's start that is hit."""
    try:
        status = Path(f"/proc/{process.pid}/status").read_text()
    except OSError:
        return True
    caught = int(next(line for line in status.splitlines() if line.startswith("SigCgt:")).split()[1], 16)
    return bool(caught >> (signal.SIGTERM - 1) & 1) or process.poll() is not None


def newest(server):
    """Return the refresh token that stands for the last grant, or None when there has been none."""
    families = list(server.families.values())
    return families[-1].refresh_token if families else None


def leftovers(client):
    usual = {client.token_file.name, client.token_file.name + ".refresh"}
    return set(os.listdir(client.home)) - usual


class Interruption:
    """One run that is interrupted, and what it leaves."""

    def __init__(self, client, server, signum):
        self.client, self.server, self.signum = client, server, signum

    def run(self, command, wait, pause):
        """Start a command, `wait` for what begins the interesting part, and interrupt it after a pause."""
        process = self.client.start(*command)
        eventually(lambda: wait(process))
        time.sleep(pause)
        process.send_signal(self.signum)
        self.out, self.err = process.communicate(timeout=60)
        self.status = process.returncode

    def check(self):
        """Nothing is half written, and no one is told lies; only SIGKILL may lose what is under way."""
        # Once our own work is over, Ctrl-C ends Python's clean-up as any signal does; a shell calls that 130 too.
        assert self.status in (0, -self.signum, *([INTERRUPTED] if self.signum == signal.SIGINT else [])), self.err
        assert "Traceback" not in self.err
        assert self.status != INTERRUPTED or self.err.endswith("authgate: error: interrupted\n")
        if self.client.token_file.exists():
            json.loads(self.client.token_file.read_text())
            assert self.client.token_file.stat().st_mode & 0o777 == 0o600
        if self.signum != signal.SIGKILL:
            assert leftovers(self.client) == set()
            if newest(self.server):
                assert self.client.stored()["refresh_token"] == newest(self.server)
                assert self.server.family_alive(newest(self.server))

    def check_next_run(self):
        """The next run works: by refreshing once more, or by signing in."""
        for leftover in leftovers(self.client):
            # The lock of somebody who was killed is nobody's after 30 s; the test does not wait for that.
            os.utime(self.client.home / leftover, (0, 0))
        if self.signum != signal.SIGKILL and newest(self.server):
            done = self.client.run("token", "--min-ttl", "7200")
            assert (done.returncode, done.stderr) == (0, "")
        else:
            done = self.client.run("login", "--flow", "device", "--json")
            assert done.returncode == 0, done.stderr
        assert self.client.stored()["refresh_token"] == newest(self.server)
        assert self.server.family_alive(newest(self.server))


def duration(client, *command):
    """Return how long an undisturbed run takes, from when it has begun."""
    process = client.start(*command)
    eventually(lambda: has_begun(process))
    begun = time.monotonic()
    assert process.wait(60) == 0
    process.communicate()
    return time.monotonic() - begun


SIGN_IN, REFRESH = ("login", "--flow", "device"), ("token",)


@pytest.mark.parametrize("name", SIGNALS)
@pytest.mark.parametrize("phase", ["sign-in", "refresh", "save"])
def test_at_random_moments(client, server, phase, name):
    command = REFRESH if phase == "refresh" else SIGN_IN
    client.store(server.issue())
    length = SAVING if phase == "save" else duration(client, *command, *(["--force"] if phase == "sign-in" else []))
    for number in range(KILLS):
        server.families.clear()
        server.requests.clear()
        client.token_file.unlink(missing_ok=True)
        saves_refresh = phase == "save" and number % 4
        if phase == "refresh" or saves_refresh:
            client.store(server.issue())
        pause = random.Random(f"{phase} {name} {number}").uniform(0, length)

        interruption = Interruption(client, server, signal.Signals[name])
        if phase == "save":
            interruption.run(
                REFRESH if saves_refresh else SIGN_IN, lambda _: server.count("POST", TOKEN_ENDPOINT), pause
            )
        else:
            interruption.run(command, has_begun, pause)

        interruption.check()
        interruption.check_next_run()


WORST = [("SIGTERM", "refresh"), ("SIGINT", "refresh"), ("SIGHUP", "refresh")]
WORST += [(name, "refresh") for name in ("SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGALRM", "SIGXCPU")]
WORST += [("SIGTERM", "device"), ("SIGINT", "device"), ("SIGTERM", "browser"), ("SIGINT", "browser")]


@pytest.mark.parametrize(("name", "way"), WORST)
def test_while_the_answer_is_under_way_a_signal_waits_until_the_tokens_are_on_disk(client, server, tmp_path, name, way):
    env = {}
    if way == "refresh":
        client.store(server.issue())
    elif way == "browser":
        env = {"BROWSER": browser_program(tmp_path), "AUTHGATE_REDIRECT_URI": free_callback(server)}
    signum, running = signal.Signals[name], []

    def interrupt(seen):
        running[0].send_signal(signum)
        return True

    server.misbehave(TOKEN_ENDPOINT, when=interrupt, delay=0.2)
    process = client.start(*(REFRESH if way == "refresh" else ("login", "--flow", way)), env=env)
    running.append(process)
    out, err = process.communicate(timeout=60)

    assert (process.returncode, out) == (INTERRUPTED if name == "SIGINT" else -signum, "")
    assert "Stopping as soon as the server has answered." in err
    assert "Traceback" not in err
    assert client.stored()["refresh_token"] == newest(server)
    assert client.run("token", "--min-ttl", "7200").returncode == 0
    assert server.family_alive(newest(server))


@pytest.fixture
def where_cores_are_written(client):
    """Start a command with core files allowed; those would be in its current directory."""
    pattern = Path("/proc/sys/kernel/core_pattern").read_text().strip()
    if pattern.startswith("|") or "/" in pattern or resource.getrlimit(resource.RLIMIT_CORE)[1] == 0:
        pytest.skip(f"no core file is written to the current directory here ({pattern})")
    command = client.command
    client.command = lambda *arguments: ["sh", "-c", 'ulimit -Sc unlimited; exec "$0" "$@"', *command(*arguments)]
    return client.start


def cores(client):
    return [name for name in os.listdir(client.home) if name.startswith("core")]


@pytest.mark.parametrize("name", ["SIGSEGV", "SIGABRT", "SIGQUIT", "SIGXCPU"])
def test_a_crash_leaves_no_core_file_in_which_a_token_could_be_found(client, server, where_cores_are_written, name):
    client.store(server.issue())
    running, signum = [], signal.Signals[name]
    server.misbehave(TOKEN_ENDPOINT, when=lambda seen: running[0].send_signal(signum) or True, delay=0.2)

    running.append(where_cores_are_written("token"))
    running[0].communicate(timeout=60)

    assert (running[0].returncode, cores(client)) == (-signum, [])


def test_the_command_of_exec_may_write_core_files_as_before(client, where_cores_are_written):
    given = {"AUTHGATE_TOKEN": "ready-made"}
    limit = where_cores_are_written("exec", "--", "sh", "-c", "ulimit -Sc; ulimit -Hc", env=given)
    assert limit.communicate(timeout=60)[0] == "unlimited\nunlimited\n"

    crashed = where_cores_are_written("exec", "--", "sh", "-c", "kill -SEGV $$", env=given)
    crashed.communicate(timeout=60)

    assert (crashed.returncode, len(cores(client))) == (-signal.SIGSEGV, 1)


# Python prints and forgets what is raised in a callback of its own, and its imports have such callbacks.
LOST = """
import signal, sys, weakref

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "{module}":
            class Thing: ...
            thing = Thing()
            reference = weakref.ref(thing, lambda _: signal.raise_signal(signal.SIGINT))
            del thing

sys.meta_path.insert(0, Finder())
"""


# At the start, when the world is wired up, when we look around, and with the flow.
IMPORTED = ["select", "_json", "socket", "json", "keyring", "http.server", "html"]


@pytest.mark.parametrize("module", IMPORTED)
def test_ctrl_c_during_an_import_is_not_lost(client, server, module):
    (client.home / "sitecustomize.py").write_text(LOST.format(module=module))

    done = client.run("login", "--flow", "device", env={"PYTHONPATH": str(client.home)})

    assert (done.returncode, done.stdout) == (INTERRUPTED, "")
    assert done.stderr.endswith("authgate: error: interrupted\n")
    assert "Traceback" not in done.stderr
    assert server.count("POST", TOKEN_ENDPOINT) == 0
