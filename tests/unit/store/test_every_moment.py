"""A signal before any bytecode of the work on the token file: nothing is left lying about, and nothing is half done."""

import itertools
import json
import os
import signal
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from storms import few_or_many

from authgate_cli.errors import Terminated
from authgate_cli.store import locks
from authgate_cli.store import private_file as files
from authgate_cli.store.file_store import FileStore
from authgate_cli.store.token_file import Owner
from authgate_cli.system import real_system
from authgate_cli.system.signals import ending_cleanly
from authgate_cli.tokens import TokenSet

pytestmark = pytest.mark.skipif(os.name != "posix", reason="Windows has no such signals")

ISSUER = "https://auth.example.com"
OWNER = Owner(ISSUER, "client")
OLD, NEW = (TokenSet(name, refresh_token=name, issuer=ISSUER, client_id="client") for name in ("old", "new"))
STRIDE = few_or_many(11, 1)  # bytecodes from one signal to the next
TRACED = {Path(module.__file__).name for module in (files, locks)}


def interrupted_at_every_step(action):
    """Run an action again and again, each time with a signal some bytecodes later, until it gets to its end."""
    for step in itertools.count(1, STRIDE):
        left = step

        def trace(frame, event, argument):
            nonlocal left
            frame.f_trace_opcodes = os.path.basename(frame.f_code.co_filename) in TRACED
            if event == "opcode":
                left -= 1
                if left == 0:
                    signal.raise_signal(signal.SIGTERM)
            return trace

        sys.settrace(trace)
        try:
            with ending_cleanly():
                action()
        except Terminated:
            yield step
        finally:
            sys.settrace(None)
        if left > 0:
            return


@pytest.fixture
def store(tmp_path):
    terminal = SimpleNamespace(warn=pytest.fail, tell=pytest.fail)
    store = FileStore(str(tmp_path / "tokens"), OWNER, real_system(None, None, {}, time.time), terminal)
    store.save(OLD)
    return store


@pytest.mark.parametrize("action", ["check_writable", "save", "forget"])
def test_a_signal_at_any_moment_leaves_no_lock_and_no_temporary_file(store, tmp_path, action):
    arguments = (NEW,) if action == "save" else ()

    for step in interrupted_at_every_step(lambda: getattr(store, action)(*arguments)):
        assert os.listdir(tmp_path) == ["tokens"], f"at bytecode {step}"
        json.loads((tmp_path / "tokens").read_text())
        assert store.find().token in (OLD, NEW, None)
        if action == "forget":
            store.save(OLD)
    assert step > 100
