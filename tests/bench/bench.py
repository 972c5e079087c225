#!/usr/bin/env python3
"""Measure what the archive costs, and print it as ratios, each beside the budget that it has to keep to.

    make bench                        # installs the SDK example from PyPI where that can be had
    python tests/bench/bench.py --rounds 9 --python /usr/bin/python3.11

The stored token is compared with an archive that does next to nothing, and with `gh auth token`;
the report with the example of AuthGate's Python SDK. Times are medians of one interleaved run,
against the stand-in on loopback, without site packages (`-S`); the SDK's are named in PYTHONPATH.
Seconds differ from machine to machine and are shown for orientation only; valgrind's instructions
do not. What is not installed (valgrind, gh, the SDK) is left out, and that is said.
"""

from __future__ import annotations

import argparse
import ast
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
sys.path.insert(0, str(HERE.parent / "support"))

from authgate_server import AuthGateServer  # noqa: E402
from client import browser_program  # noqa: E402

DELAY = 0.1  # seconds added to every request, where a network is to be imitated
RETURN_GOAL = 50  # milliseconds
SIZES = {"archive, bytes": 220_000, "modules": 56, "lines": 7_500, "longest import chain": 9, "build.py, lines": 80}


class Server(AuthGateServer):
    """The stand-in, which notes when it has sent a browser back to the callback."""

    sent_back = 0.0

    def note_response(self, request, response):
        """Remember when an answer leads to the callback."""
        if "/callback?" in response.headers.get("Location", ""):
            self.sent_back = time.monotonic()
        super().note_response(request, response)


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

    def least(self) -> Case:
        """Return a run of an archive whose byte code imports json, and ends."""
        source, path = self.home / "__main__.py", self.home / "least.pyz"
        source.write_text("import json, os\nos._exit(0)\n")
        compile_it = "import py_compile, sys; py_compile.compile(*sys.argv[1:], doraise=True, invalidation_mode=%s)"
        mode = "py_compile.PycInvalidationMode.UNCHECKED_HASH"
        subprocess.run([self.python, "-c", compile_it % mode, str(source), f"{source}c"], check=True)
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.write(f"{source}c", "__main__.pyc")
        return self.case(str(path))

    def gh(self) -> Case:
        """Return a run of GitHub's own program, which prints a stored token."""
        folder = self.home / ".config" / "gh"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "hosts.yml").write_text("github.com:\n    oauth_token: gho_0123456789\n    user: jane\n")
        return Case([str(shutil.which("gh")), "auth", "token"], self.home, self.environment)

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
        counting(bench)
        returning(bench, options.rounds)  # last: it signs in anew, which ends the tokens that the SDK's store has
    weighing(archive)
    return 0


def starting_up(bench: Bench, rounds: int) -> None:
    """What a stored token costs."""
    cases = {
        "a bare interpreter": bench.case("-c", "pass"),
        "an archive that imports json": bench.least(),
        "`--version`": bench.ours("--version"),
        "`token` from the store": bench.ours("token"),
    }
    gh = {"`gh auth token`": bench.gh()} if shutil.which("gh") else {}
    costs = measure({**cases, **gh}, rounds * 3)
    print("`token` from the store                                 ratio   budget")
    if shutil.which("valgrind"):
        ours, least = (instructions(cases[name]) for name in ("`token` from the store", "an archive that imports json"))
        show("instructions, against an archive that imports json", ours / least, 1.7, f"{ours:,} to {least:,}")
    else:
        print("valgrind is not installed: no instructions are counted")
    token = costs["`token` from the store"].cpu
    if gh:
        show("CPU, against `gh auth token`", token / costs["`gh auth token`"].cpu, 0.65, "aim at 0.50")
    else:
        print("gh is not installed: there is no comparison with `gh auth token`")
    print("\nCPU against a bare interpreter")
    for name, cost in costs.items():
        show(name, cost.cpu / costs["a bare interpreter"].cpu, 0, f"{cost.cpu * 1000:.1f} ms")


def instructions(case: Case) -> int:
    """Return how many instructions a run takes, which no other program's load changes."""
    done = subprocess.run(
        ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", *case.command],
        env={**case.environment, "PYTHONHASHSEED": "0"},
        cwd=case.home,
        capture_output=True,
        text=True,
        check=True,
    )
    return int(re.findall(r"Collected : (\d+)", done.stderr)[-1])


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
    if not bench.sdk:
        print("the SDK example is not installed: there is no comparison with it")
    rows = (("CPU", near, "cpu", 0.30, 1000, "ms"), ("peak memory", near, "memory", 0.60, 1 / 1024, "MiB"))
    for what, costs, field, goal, scale, unit in (*rows, ("wall, 100 ms a request", far, "wall", 0.55, 1000, "ms")):
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


def weighing(archive: Path) -> None:
    """What there is of it to carry and to read."""
    paths = sorted((ROOT / "authgate_cli").rglob("*.py"))
    found = {
        "archive, bytes": archive.stat().st_size,
        "modules": len(paths),
        "lines": sum(len(path.read_text(encoding="utf-8").splitlines()) for path in paths),
        "longest import chain": longest_chain(paths),
        "build.py, lines": len((ROOT / "build.py").read_text(encoding="utf-8").splitlines()),
    }
    print("\n                                                      number   budget")
    for what, number in found.items():
        print(f"{what:51} {number:9,}   {'ok ' if number <= SIZES[what] else 'NOT'} {SIZES[what]:,}")


def longest_chain(paths: list[Path]) -> int:
    """Return how many modules the longest chain of imports has; one for the type checker alone is none."""
    names = {path: path.relative_to(ROOT).with_suffix("").as_posix().removesuffix("/__init__") for path in paths}
    imported = {name: imports_of(path, set(names.values())) - {name} for path, name in names.items()}
    lengths: dict[str, int] = {}

    def length(name: str) -> int:
        if name not in lengths:
            lengths[name] = 1  # a circle is no longer chain; tests/unit/test_architecture.py forbids it
            lengths[name] = 1 + max(map(length, sorted(imported[name])), default=0)
        return lengths[name]

    return max(map(length, names.values()))


def imports_of(path: Path, known: set[str]) -> set[str]:
    """Return which modules of the package a module imports at run time, in a function too."""
    found, nodes = set(), [ast.parse(path.read_text(encoding="utf-8"))]
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            nodes.extend(node.orelse)
        elif isinstance(node, ast.ImportFrom) and node.level:
            base = "/".join([*path.relative_to(ROOT).parts[: -node.level], *(node.module or "").split(".")]).rstrip("/")
            below = {f"{base}/{alias.name}" for alias in node.names} & known
            found |= below or ({base} & known)
        else:
            nodes.extend(ast.iter_child_nodes(node))
    return found


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
