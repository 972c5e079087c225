"""Wait for what other threads and processes do."""

import time

PATIENCE = 30.0  # seconds; a safety net, not a measurement


def eventually(condition, seconds=PATIENCE):
    """Wait until a condition holds and return what it returned; fail when it never does."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.005)
    raise AssertionError(f"not within {seconds:g} s")
