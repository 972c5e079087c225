"""Run a few lines of Python in another process, for what changes signals, users or limits."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SAFETY = 30  # seconds; only a test that fails waits so long


def start(code, *arguments, environ=None, path=(), **options):
    """Start the code with pipes for its standard streams; `path` is searched for modules first."""
    ours = {"PYTHONPATH": os.pathsep.join(map(str, [*path, ROOT])), "PYTHONUNBUFFERED": ""}
    environ = {**os.environ, **ours, **(environ or {})}
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(code), *map(str, arguments)]
    streams = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    return subprocess.Popen(command, env=environ, text=True, **{**streams, **options})


def run(code, *arguments, **options):
    """Return the lines that the code prints; fail unless it ends by itself, with status 0 and an empty stderr."""
    with start(code, *arguments, **options) as process:
        try:
            output, errors = process.communicate(timeout=SAFETY)
        finally:
            process.kill()
    assert (process.returncode, errors) == (0, "")
    return output.splitlines()
