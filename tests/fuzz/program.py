"""Run the whole program in process, with answers that are spoilt and a clock that only sleeping moves."""

from __future__ import annotations

import io
import json
import os
import tempfile
import unicodedata
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import samples
from samples import ANSWERS, CLIENT, ISSUER, NOW, SECRETS

from authgate_cli import cli, urls
from authgate_cli.oauth.messages import Response
from authgate_cli.system import System
from authgate_cli.system.browser import Environment
from authgate_cli.system.terminal import Terminal

MEMORY = "/dev/shm"  # thousands of small files are written, and none is worth a disk
HOME = Path(tempfile.mkdtemp(prefix="authgate-fuzz-", dir=MEMORY if os.access(MEMORY, os.W_OK) else None))
TOKEN_FILE = HOME / "tokens.json"
COMMANDS = (
    ["login"],
    ["login", "--json"],
    ["login", "--verbose"],
    ["login", "--force"],
    ["token"],
    ["status"],
    ["logout"],
)

# Format characters that are seen: Arabic and Syriac signs, Kaithi numbers, hieroglyph quadrats.
SEEN = {
    *map(chr, [*range(0x600, 0x606), 0x6DD, 0x70F, 0x890, 0x891, 0x8E2, 0x110BD, 0x110CD, *range(0x13430, 0x13440)])
}


class Run(NamedTuple):
    """A command, the token file that it finds, and the answers that are not as they should be."""

    argv: list[str]
    stored: bytes = b""
    answers: dict[str, list[Response]] = {}
    environ: dict[str, str] = {}


def answer(m, path) -> Response:
    """Return an answer to a request of this path, spoilt somewhere."""
    document = ANSWERS[path] if m.random() < 0.8 else m.choice(samples.ERRORS)
    headers = {name: m.text(value) for name, value in samples.HEADERS.items() if m.random() < 0.2}
    return Response(200 if m.random() < 0.7 else m.choice(samples.STATUSES), headers, m.document(document))


def good(path) -> Response:
    """Return the answer as it should be."""
    return Response(200, {}, json.dumps(ANSWERS[path]).encode() if path in ANSWERS else b"")


def shows(*texts: str) -> None:
    """Insist that texts can be shown as they are, as one line each, and give nothing away."""
    for text in texts:
        odd = {letter for letter in text if unicodedata.category(letter) in ("Cc", "Cf", "Cs", "Zl", "Zp")} - SEEN
        assert not odd, f"shows {odd}"
        assert not any(secret in text for secret in SECRETS), "shows a secret"


def make(m) -> Run:
    """Return a run in which one or two of the server's answers are spoilt, and perhaps the token file."""
    stored = json.dumps(m.choice(samples.TOKEN_FILES)).encode() if m.random() < 0.6 else b""
    if stored and m.random() < 0.2:
        stored = m.document(json.loads(stored))
    paths = m.sample(list(ANSWERS), m.randint(1, 2))
    answers = {path: [answer(m, path) for _ in range(m.randint(1, 2))] for path in paths}
    return Run(m.choice(COMMANDS), stored, answers)


def check(run: Run) -> None:
    """Insist that a run ends as the contract says, whatever it was told."""
    TOKEN_FILE.unlink(missing_ok=True)
    for aside in HOME.glob("*.corrupt*"):
        aside.unlink()
    if run.stored:
        TOKEN_FILE.touch(0o600)
        TOKEN_FILE.write_bytes(run.stored)
    status, out, err = _started(run)
    assert status in (0, 1, 2, 3, 4, 5), f"exit status {status}: {err}"
    shows(*err.split("\n"))
    errors = [line for line in err.splitlines() if line.startswith("authgate: error: ")]
    assert len(errors) == (status != 0), errors or "no error is told"
    if run.argv == ["token"]:
        assert out == "" or (status in (0, 5) and out.count("\n") == 1)
    else:
        shows(*out.split("\n"))
    if "--json" in run.argv:
        assert out != "" if status == 0 else out == "" or status == 5  # 5: a token that could not be saved is printed
        json.loads(out or "{}")
    if status and run.stored and "login" not in run.argv and "logout" not in run.argv:
        assert TOKEN_FILE.read_bytes() == run.stored or run.argv == ["status"], "the stored token is not kept"


def _started(run: Run) -> tuple[int, str, str]:
    out, err, world = io.StringIO(), io.StringIO(), _World(run.answers)
    environ = {
        "AUTHGATE_URL": ISSUER,
        "CLIENT_ID": CLIENT,
        "CLIENT_SECRET": samples.CLIENT_SECRET,
        "AUTHGATE_FLOW": "device",
        "AUTHGATE_STORE": "file",
        "AUTHGATE_TOKEN_FILE": str(TOKEN_FILE),
        **run.environ,
    }
    argv = ["--env-file", "/dev/null", *run.argv]
    status = cli.run(argv, environ, Terminal(None, out, err, environ), world.make_system)
    return status, out.getvalue(), err.getvalue()


class _World:
    """The system: answers from a table, in turn and then the good ones; time that sleeping moves."""

    def __init__(self, answers: dict[str, list[Response]]):
        self._answers = {path: list(given) for path, given in answers.items()}
        self._time = 0.0

    def make_system(self, *parts: object) -> System:
        return System(
            now=lambda: NOW,
            send=self._send,
            sleep=self._sleep,
            monotonic=lambda: self._time,
            random_bytes=lambda count: b"v" * count,
            find_browser=lambda: None,
            open_browser=lambda url: None,
            uninterrupted=nullcontext,
            environment=lambda: Environment("linux", terminal=True),
        )

    def _sleep(self, seconds: float) -> None:
        self._time += seconds * 20  # the waiting goes second by second, and may take days

    def _send(self, request: Any) -> Response:
        url = urls.split(request.url)
        waiting = self._answers.get(url.path)
        if not waiting:
            return good(url.path)
        return waiting.pop(0)
