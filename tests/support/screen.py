"""A pseudo-terminal with the archive on it."""

import os
import pty
import re
import select
import shlex
import subprocess
import time

from secrecy import said

PATIENCE = 30  # seconds; a safety net


class Screen:
    """A terminal with the archive on it, or another `program`; with `shell`, one into which the archive's is typed."""

    def __init__(self, client, *arguments, columns=100, rows=50, env=None, shell=False, program=()):
        self._client, self._arguments, self._typed = client, arguments, []
        ours, theirs = pty.openpty()
        os.set_blocking(ours, False)
        subprocess.run(["stty", "cols", str(columns), "rows", str(rows)], stdin=theirs, check=True)
        self.descriptor, self.shown = ours, ""
        command = ["sh", "-i"] if shell else program or client.command(*arguments)
        self.process = subprocess.Popen(
            # The first terminal that a new session opens is its own; so Ctrl-C is a signal to it.
            ["sh", "-c", 'exec "$@" <>"$0" >&0 2>&0', os.ttyname(theirs), *command],
            cwd=client.home,
            env=client.environ(**{"TERM": "xterm-256color", "LANG": "C.UTF-8", **(env or {})}),
            start_new_session=True,
        )
        os.close(theirs)
        if shell:
            self.type(shlex.join(client.command(*arguments)) + "\n")

    def wait_for(self, pattern: str) -> re.Match:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if found := re.search(pattern, self.shown):
                return found
            if not self._read() and self.process.poll() is not None:
                break
        raise AssertionError(f"{pattern} was not shown:\n{self.shown}")

    def type(self, text: str) -> None:
        self._typed.append(text)
        data = text.encode()
        while data:
            try:
                data = data[os.write(self.descriptor, data) :]
            except BlockingIOError:  # more than a terminal holds: it shows what it has got, and goes on
                self._read()

    def finish(self) -> int:
        deadline = time.monotonic() + PATIENCE
        while self._read():  # a program that counts down for ever always has something to show
            assert time.monotonic() < deadline, f"the program does not end:\n{self.shown}"
        return self.process.wait(PATIENCE)

    def close(self) -> None:
        shown = self.shown
        for text in self._typed:  # the terminal shows it again, and that is no doing of ours
            shown = shown.replace(text.strip(), "")
        self._client.everything.append(said(self._arguments, "", shown))
        self.process.kill()
        self.process.wait()
        os.close(self.descriptor)

    def _read(self) -> bool:
        """Read what is there; False at the end."""
        select.select([self.descriptor], [], [], PATIENCE)
        try:
            data = os.read(self.descriptor, 65536)
        except OSError:
            return False
        self.shown += data.decode("utf-8", "replace")
        return bool(data)
