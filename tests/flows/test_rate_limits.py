"""Two people behind one address, who share 20 token requests a minute: both get in."""

import json
import threading
from contextlib import nullcontext

import pytest

START = 1_800_000_000.0
APPROVED = 100  # seconds; until then both keep asking


class SharedTime:
    """One clock for several threads, which goes on when all of them sleep."""

    def __init__(self, people, alarm):
        self._elapsed, self._people, self._alarm = 0.0, people, alarm
        self._wakes, self._changed = [], threading.Condition()

    def monotonic(self):
        return self._elapsed

    def wall(self):
        return START + self._elapsed

    def sleep(self, seconds):
        with self._changed:
            wake = self._elapsed + seconds
            self._wakes.append(wake)
            self._go_on()
            self._changed.wait_for(lambda: self._elapsed >= wake, 20)
            self._wakes.remove(wake)

    def leave(self):
        """Somebody is done, and nobody waits for them."""
        with self._changed:
            self._people -= 1
            self._go_on()

    def _go_on(self):
        pending = [wake for wake in self._wakes if wake > self._elapsed]
        if pending and len(pending) == self._people:
            self._elapsed = min(pending)
            if self._elapsed >= APPROVED:
                self._alarm()
            self._changed.notify_all()


@pytest.mark.parametrize("interval", [0, 1, 5])
def test_both_get_in(authgate, server, interval):
    server.auto_approve, server.rate_limits, server.device_interval = False, True, interval

    def approve():
        for device in server.devices.values():
            device.allowed = True

    people = ("jane", "john")
    shared = SharedTime(len(people), approve)
    server.clock = shared.wall
    results = {}

    def sign_in(name):
        try:
            results[name] = authgate(
                *("login", "--flow", "device", "--json", "--token-file", f"{name}.json"),
                now=shared.wall,
                sleep=shared.sleep,
                monotonic=shared.monotonic,
                uninterrupted=nullcontext,
            )
        finally:
            shared.leave()

    threads = [threading.Thread(target=sign_in, args=(name,)) for name in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert [(results[name].status, json.loads(results[name].out)["source"]) for name in people] == [(0, "device")] * 2
    assert not any("error" in results[name].err for name in people)
    polls = [seen.status for seen in server.requests if seen.path == "/oauth/token"]
    assert 429 in polls  # or nothing would have been shown
    assert shared.monotonic() < APPROVED + 70  # nobody waits longer than the longest pause


def test_too_many_sign_ins_are_said_to_be_just_that(authgate, server):
    """The device endpoint takes 10 a minute: the eleventh is told to come back."""
    server.rate_limits = True
    server.clock = lambda: START
    for _ in range(10):
        assert authgate("login", "--force", "--flow", "device", now=server.clock).status == 0

    result = authgate("login", "--force", "--flow", "device", now=server.clock)

    assert (result.status, result.out) == (3, "")
    assert result.err.splitlines() == [
        "authgate: error: device sign-in cannot start: too many requests (rate limited by the server)",
        "authgate: hint: try again in a minute",
    ]
