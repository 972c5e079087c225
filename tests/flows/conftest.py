"""Run whole command lines in process, against an AuthGate server on a real loopback socket."""

import io
import threading
import time
from pathlib import Path
from typing import NamedTuple

import pytest
from authgate_server import AuthGateServer
from ports import free_callback
from robot import Robot
from secrecy import insist, said

from authgate_cli import cli
from authgate_cli.system import real_system
from authgate_cli.system.browser import Environment
from authgate_cli.system.terminal import Terminal


class Result(NamedTuple):
    status: int
    out: str
    err: str


@pytest.fixture
def server():
    with AuthGateServer(device_interval=0) as server:
        yield server


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    """An empty home, which is the current directory too."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def token_file(home) -> Path:
    return home / ".authgate-tokens.json"


class Watched(io.StringIO):
    """A stderr that somebody reads as it is written."""

    def __init__(self, watch):
        super().__init__()
        self._watch = watch

    def write(self, text):
        self._watch(text)
        return super().write(text)


class Hurry:
    """A monotonic clock that sleeping moves on, so that a poll takes no time; `sleep` lets other threads run."""

    def __init__(self):
        self._ahead = 0.0

    def monotonic(self):
        return time.monotonic() + self._ahead

    def sleep(self, seconds):
        time.sleep(min(seconds, 0.002))
        self._ahead += seconds


def forbidden_browser(url):
    raise AssertionError("no browser may be opened here")


ATTENDED = Environment("linux", terminal=True)


@pytest.fixture
def authgate(server, home):
    """Run a command line; the browser is a function, and forbidden unless one is given. Sleeping takes no time.

    When the test is over, no secret of the server's may have been shown where none belongs.
    """
    everything = []

    def run(
        *argv: str,
        browser=None,
        here=ATTENDED,
        env=None,
        watch=lambda text: None,
        now=time.time,
        **system,
    ) -> Result:
        environ = {
            "HOME": str(home),
            "AUTHGATE_URL": server.issuer,
            "CLIENT_ID": server.client_id,
            "AUTHGATE_STORE": "file",
            **(env or {}),
        }
        environ = {name: value for name, value in environ.items() if value is not None}
        if browser:
            here = here._replace(display=True)
        out, err, hurry = io.StringIO(), Watched(watch), Hurry()
        system = {"sleep": hurry.sleep, "monotonic": hurry.monotonic, **system}

        def make_system(settings, terminal, environ):
            ours = {
                "environment": lambda: here,
                "find_browser": lambda: "test-browser" if browser else None,
                "open_browser": browser or forbidden_browser,
            }
            return real_system(settings, terminal, environ, now)._replace(**{**ours, **system})

        status = cli.run(list(argv), environ, Terminal(None, out, err, environ), make_system)
        everything.append(said(argv, out.getvalue(), err.getvalue()))
        return Result(status, out.getvalue(), err.getvalue())

    yield run
    insist(everything, server.secrets())


class RobotBrowser:
    """A browser program that visits the page in the background, as a person would in another window."""

    def __init__(self, deny=False, visit=None):
        self.addresses, self.page, self.failure = [], None, None
        self._visit = visit or (lambda url: Robot({}, deny=deny).visit(url))
        self._thread = None

    def __call__(self, url):
        self.addresses.append(url)
        self._thread = threading.Thread(target=self._run, args=(url,))
        self._thread.start()
        return self

    def failed(self):
        return False

    def _run(self, url):
        try:
            self.page = self._visit(url)
        except Exception as error:  # looked at by the test, in its own thread
            self.failure = error

    def finish(self):
        self._thread.join(20)
        return self.page


@pytest.fixture
def robot():
    browsers = []

    def make(**how) -> RobotBrowser:
        browsers.append(RobotBrowser(**how))
        return browsers[-1]

    yield make
    for browser in browsers:
        if browser.addresses:
            browser.finish()


@pytest.fixture
def callback(server) -> str:
    """A registered callback on a free port."""
    return free_callback(server)
