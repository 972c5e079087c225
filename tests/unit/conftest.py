import os

import pytest
import waiting


@pytest.fixture
def eventually():
    """Wait until a condition holds, and return what it returned; fail when it never does."""
    return waiting.eventually


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
