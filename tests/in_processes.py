"""Run the tests in four processes at once and report them as one run: `python -m pytest -p tests.in_processes`.

pytest is the only thing that the tests may need, so this does what pytest-xdist would do. This
process collects the tests, starts four more that collect the same ones, and prints what they
report; so progress, failures, closing line and exit status are pytest's own. The test files
stand in one queue, a pipe, and each process takes the next file when it is about to finish one:
the order of `testpaths` decides, and whatever takes long should come first.
"""

from __future__ import annotations

import json
import os
import queue
import secrets
import subprocess
import sys
import threading
from itertools import groupby

import pytest

PROCESSES = 4  # half of the time a test waits: four keep two cores busy
NUMBER = 2  # bytes that hold the number of a test file
FIRST, EACH = 10_000, 5_000  # ports for each process, see support/ports.py


def pytest_addoption(parser):
    parser.addoption("--worker", nargs=2, type=int, metavar=("QUEUE", "REPORTS"), help="for use by this plugin itself")


def pytest_configure(config):
    descriptors = config.getoption("worker")
    config.pluginmanager.register(Worker(config, *descriptors) if descriptors else Coordinator(config))


def by_file(numbered):
    """Return the tests of each file with their numbers; the same list in every process."""
    return [list(tests) for _, tests in groupby(numbered, key=lambda test: test[1].path)]


class Coordinator:
    """Hand out the test files and report what the workers say."""

    def __init__(self, config):
        self._config = config
        self._told = queue.SimpleQueue()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session):
        if session.testsfailed or self._config.option.collectonly:
            return None  # pytest's own loop says so
        waiting, fill = os.pipe()
        files = range(len(by_file(enumerate(session.items))))
        os.write(fill, b"".join(number.to_bytes(NUMBER, "big") for number in files))
        os.close(fill)
        first_port = FIRST + secrets.randbelow(EACH)
        workers = [self._start(waiting, first_port + number * EACH) for number in range(PROCESSES)]
        os.close(waiting)
        try:
            self._report(session)
        finally:
            for worker in workers:
                worker.terminate()
                worker.wait()
        return True

    def _start(self, waiting, first_port):
        """Start a worker, and a thread that reads what it reports."""
        reports, told = os.pipe()
        command = [sys.executable, "-m", "pytest", *self._config.invocation_params.args]
        command += ["-p", "no:cacheprovider", "--worker", str(waiting), str(told)]
        worker = subprocess.Popen(
            command,
            env={**os.environ, "AUTHGATE_TEST_PORTS": str(first_port)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=(waiting, told),
        )
        os.close(told)
        threading.Thread(target=self._read, args=(worker, reports), daemon=True).start()
        return worker

    def _read(self, worker, reports):
        with open(reports, encoding="utf-8") as lines:
            for line in lines:
                self._told.put(json.loads(line))
        self._told.put({"ended": worker.wait()})

    def _report(self, session):
        """Pass on every report, as if the test had run here, until both workers have ended."""
        hook, running = self._config.hook, PROCESSES
        missing = dict(enumerate(session.items))
        while running:
            told = self._told.get()
            if "ended" in told:
                running -= 1
                continue
            number = told.pop("number")
            report = hook.pytest_report_from_serializable(config=self._config, data=told)
            hook.pytest_runtest_logreport(report=report)
            if report.when == "teardown":
                del missing[number]
            if session.shouldfail:
                raise session.Failed(session.shouldfail)
        for item in missing.values():
            why = "its process ended before this test was over"
            hook.pytest_runtest_logreport(
                report=pytest.TestReport(item.nodeid, item.location, {}, "failed", why, "call")
            )


class Worker:
    """Run the files that the queue gives and report to the coordinator."""

    def __init__(self, config, waiting, reports):
        self._config, self._waiting = config, waiting
        for descriptor in (waiting, reports):
            os.set_inheritable(descriptor, False)  # what a test leaves running must not keep them open
        self._reports = reports

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session):
        files = by_file(enumerate(session.items))
        numbers = iter(lambda: os.read(self._waiting, NUMBER), b"")
        tests = (test for number in numbers for test in files[int.from_bytes(number, "big")])
        test, nobody = next(tests, None), (None, None)
        while test:
            self._number, item = test
            test = next(tests, None)  # pytest wants to know it, to keep the fixtures that both need
            self._config.hook.pytest_runtest_protocol(item=item, nextitem=(test or nobody)[1])
        return True

    def pytest_runtest_logreport(self, report):
        told = self._config.hook.pytest_report_to_serializable(config=self._config, report=report)
        with open(self._reports, "w", encoding="utf-8", closefd=False) as lines:
            lines.write(json.dumps({**told, "number": self._number}) + "\n")
