#!/usr/bin/env python3
"""Measure what the archive costs, and print ratios: to a bare interpreter, and to AuthGate's SDK example.

    make bench                        # installs the SDK example from PyPI where that can be had
    python tests/bench/bench.py --rounds 9 --python /usr/bin/python3.11

Everything is measured in one interleaved run, against the stand-in on loopback, without site
packages (`-S`); the SDK's are named in PYTHONPATH. Seconds differ from machine to machine, so
they are shown for orientation only.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(HERE.parent))

from authgate_server import AuthGateServer  # noqa: E402
from client import browser_program  # noqa: E402

DELAY = 0.1  # seconds added to every request, where a network is to be imitated
SIZE_GOAL = 96_000  # bytes
RETURN_GOAL = 50  # milliseconds


class Server(AuthGateServer):
    """The stand-in, which notes when it has sent a browser back to the callback."""

    sent_back = 0.0

    def _back(self, ask: dict, **result: str):
        self.sent_back = time.monotonic()
        return super()._back(ask, **result)


class Cost(NamedTuple):
    """What one run cost: seconds, seconds of CPU, KiB."""

    wall: float
    cpu: float
    memory: float


class Case(NamedTuple):
    """A command, where and with what it is run."""

    command: list[str]
    home: Path
    environment: dict[str, str]

    def run(self) -> Cost:
        """Run it once, to its end. Raise RuntimeError when it fails."""
        launcher = [sys.executable, "-I", "-S", str(HERE / "launch.py")]
        done = subprocess.run(
            [*launcher, *self.command], env=self.environment, cwd=self.home, capture_output=True, text=True, check=True
        )
        wall, cpu, memory, status = map(float, done.stdout.split())
        if status:
            raise RuntimeError(f"status {status:g} of {' '.join(self.command)}:\n{done.stderr}")
        return Cost(wall, cpu, memory)


class Bench:
    """The cases, in one home with a token stored; `sdk` is a folder of site packages, or None."""

    def __init__(self, server: Server, home: Path, python: str, archive: Path, sdk: Path | None):
        self.server, self.home, self.python, self.archive, self.sdk = server, home, python, archive, sdk
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "AUTHGATE_URL": server.issuer,
            "CLIENT_ID": server.client_id,
            "AUTHGATE_STORE": "file",
        }

    def case(self, *arguments: str, **environment: str) -> Case:
        """Return a run of the interpreter without site packages."""
        return Case([self.python, "-S", *arguments], self.home, self.environment | environment)

    def ours(self, *arguments: str, **environment: str) -> Case:
        """Return a run of the archive."""
        return self.case(str(self.archive), *arguments, **environment)

    def example(self) -> Case:
        """Return a run of the SDK example."""
        return self.case(str(HERE / "sdk_example.py"), PYTHONPATH=str(self.sdk))

    def empty(self, name: str, source: str = "") -> Case:
        """Return a run of an archive with next to nothing in it."""
        path = self.home / name
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("__main__.py", source)
        return self.case(str(path))

    def store_tokens(self) -> None:
        """Sign in, and let the SDK's own store have the same token; both are good for an hour."""
        self.ours("login", "--flow", "device").run()
        entry = json.loads(json.loads((self.home / ".authgate-tokens.json").read_text())["data"][self.server.client_id])
        five = {name: entry[name] for name in ("access_token", "refresh_token", "token_type", "client_id")}
        five["expires_at"] = float(self.server.clock() + 3600)
        other = json.dumps({"data": {self.server.client_id: json.dumps(five)}})
        self.sdk_home.mkdir()
        (self.sdk_home / ".authgate-tokens.json").write_text(other)

    @property
    def sdk_home(self) -> Path:
        """Return where the example runs: it keeps its token in the current directory."""
        return self.home / "sdk"


def measure(cases: dict[str, Case], rounds: int) -> dict[str, Cost]:
    """Run all cases in turn, again and again, and return the medians; the first round warms up."""
    costs: dict[str, list[Cost]] = {name: [] for name in cases}
    for number in range(rounds + 1):
        for name, case in cases.items():
            cost = case.run()
            if number:
                costs[name].append(cost)
        if sys.stderr.isatty():
            print(f"\r  round {number} of {rounds}\x1b[K\r", end="", file=sys.stderr, flush=True)
    return {name: Cost(*map(statistics.median, zip(*seen))) for name, seen in costs.items()}


def show(what: str, ratio: float, goal: float, note: str) -> None:
    """Print one line of the table."""
    judged = f"{'ok ' if ratio <= goal else 'NOT'} {goal:.2f}" if goal else ""
    print(f"{what:54} {ratio:5.2f}   {judged:8}   {note}")


def main() -> int:
    """Measure and print."""
    options = _options()
    installed = options.sdk.resolve().glob("lib/*/site-packages/authgate") if options.sdk else ()
    sdk = next((path.parent for path in installed), None)
    archive = options.archive.resolve()
    print(f"{_version(options.python)} -S, {os.cpu_count()} processors, medians of {options.rounds} rounds\n")
    with Server(device_interval=0) as server, tempfile.TemporaryDirectory() as home:
        bench = Bench(server, Path(home), options.python, archive, sdk)
        bench.store_tokens()
        starting_up(bench, options.rounds)
        reporting(bench, options.rounds)
        returning(bench, options.rounds)
        counting(bench)
    size = archive.stat().st_size
    print(f"\narchive: {size} bytes, {'ok' if size <= SIZE_GOAL else 'NOT'}: at most {SIZE_GOAL}")
    return 0


def starting_up(bench: Bench, rounds: int) -> None:
    """What a cached `token` costs."""
    cases = {
        "a bare interpreter": bench.case("-c", "pass"),
        "an empty archive": bench.empty("empty.pyz"),
        "`import json` in an archive": bench.empty("json.pyz", "import json"),
        "`--version`": bench.ours("--version"),
        "`token` from the store": bench.ours("token"),
    }
    costs = measure(cases, rounds * 3)
    bare = costs["a bare interpreter"].cpu
    print("CPU against a bare interpreter                         ratio   goal       CPU")
    for name, cost in costs.items():
        goal = 2.5 if name.startswith("`token`") else 0.0
        show(name, cost.cpu / bare, goal, f"{cost.cpu * 1000:.1f} ms")


def reporting(bench: Bench, rounds: int) -> None:
    """What the report from a stored token costs, near the server and far from it."""
    cases = {"ours": bench.ours("login")}
    if bench.sdk:
        cases["sdk"] = bench.example()._replace(home=bench.sdk_home)
    near = measure(cases, rounds)
    for path in ("/.well-known/openid-configuration", "/oauth/userinfo", "/oauth/tokeninfo"):
        bench.server.misbehave(path, times=None, delay=DELAY)
    far = measure(cases, rounds)
    bench.server.clear_misbehaviour()
    print("\nThe report from a stored token, against the SDK example")
    rows = (("CPU", near, "cpu", 0.30, 1000, "ms"), ("peak memory", near, "memory", 0.65, 1 / 1024, "MiB"))
    for what, costs, field, goal, scale, unit in (*rows, ("wall, 100 ms a request", far, "wall", 0.40, 1000, "ms")):
        ours = getattr(costs["ours"], field)
        sdk = getattr(costs["sdk"], field) if bench.sdk else float("nan")
        show(what, ours / sdk, goal, f"{ours * scale:.1f} {unit}, SDK {sdk * scale:.1f} {unit}")


def returning(bench: Bench, rounds: int) -> None:
    """How long the prompt takes to come back when the person has approved in a browser."""
    case = bench.ours("login", "--force", "--flow", "browser", BROWSER=browser_program(bench.home))
    waits = []
    for _ in range(rounds):
        case.run()
        waits.append(time.monotonic() - bench.server.sent_back)
    wait = statistics.median(waits) * 1000
    judged = "ok" if wait <= RETURN_GOAL else "NOT"
    print(f"\napproval in the browser to the prompt: {wait:.0f} ms, {judged}: at most {RETURN_GOAL} ms")


def counting(bench: Bench) -> None:
    """Count requests, connections, system calls and files opened, one run each."""
    print("\n                                   requests  connections  system calls  files opened")
    cases = {"token": bench.ours("token"), "login": bench.ours("login"), "status": bench.ours("status")}
    if bench.sdk:
        cases["SDK example"] = bench.example()._replace(home=bench.sdk_home)
    for name, case in cases.items():
        before = len(bench.server.requests), bench.server.accepted
        case.run()
        requests, connections = len(bench.server.requests) - before[0], bench.server.accepted - before[1]
        calls, opened = _traced(case) if shutil.which("strace") else ("no strace", "")
        print(f"{name:34} {requests:8}  {connections:11}  {calls:>12}  {opened:>12}")


def _traced(case: Case) -> tuple[str, str]:
    log = case.home / "strace.log"
    subprocess.run(
        ["strace", "-f", "-qq", "-o", str(log), *case.command],
        env=case.environment,
        cwd=case.home,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=True,
    )
    lines = log.read_text(errors="replace").splitlines()
    calls = [line for line in lines if re.match(r"\d+ +\w+\(", line)]
    opened = [line for line in calls if re.search(r" open(at)?\(.* = \d+$", line)]
    return str(len(calls)), str(len(opened))


def _version(python: str) -> str:
    return subprocess.run([python, "--version"], capture_output=True, text=True, check=True).stdout.strip()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure what the archive costs.")
    parser.add_argument("--archive", type=Path, default=ROOT / "dist" / "authgate.pyz")
    parser.add_argument("--python", default=sys.executable, help="the interpreter to measure with")
    parser.add_argument(
        "--sdk", type=Path, help="a virtual environment with the SDK; without, there is nothing to compare with"
    )
    parser.add_argument("--rounds", type=int, default=15)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
