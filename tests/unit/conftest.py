import os
import time

import pytest

SAFETY = 20.0  # seconds; only a test that fails gets to feel it


@pytest.fixture
def eventually():
    """Wait until a condition holds, and return what it returned; fail when it never does."""

    def wait(condition):
        deadline = time.monotonic() + SAFETY
        while not (result := condition()):
            assert time.monotonic() < deadline, "it never came to be"
            time.sleep(0.005)
        return result

    return wait


@pytest.fixture
def program(tmp_path):
    """Write an executable shell script."""

    def write(name, script):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{script}\n")
        os.chmod(path, 0o755)
        return path

    return write
