"""Windows, as wine is it: one prefix, in which each CPython that `install` has unpacked can run."""

import os
import subprocess
from contextlib import contextmanager
from pathlib import Path

from client import ROOT
from started import Started

FOLDER = ROOT / ".venv-windows"
PYTHONS = {"3.9": FOLDER / "cp39" / "python.exe", "3.13": FOLDER / "cp313" / "python.exe"}
ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "WINEPREFIX": str(FOLDER / "prefix"),
    "WINEDEBUG": "-all",
    "WINEDLLOVERRIDES": "mscoree,mshtml=",  # else it offers to download them
}


def windows_path(path: Path) -> str:
    """Return the name that Windows has for a path of this machine."""
    return "Z:" + str(path).replace("/", "\\")


def wine(*command: "str | Path") -> list[str]:
    """Return the command that runs a program of Windows; a Path is given to it by its name there."""
    return ["wine", *(windows_path(word) if isinstance(word, Path) else word for word in command)]


class OnWindows(Started):
    """The archive on a CPython of Windows. Windows itself says where the home is: the token file is named."""

    def __init__(self, python: Path, archive: Path, home: Path, **environment: str):
        super().__init__(wine(python, archive), home, **ENVIRONMENT, **environment)
        _, self.python_of_windows, self.archive_of_windows = self.start_with
        self.environment["AUTHGATE_TOKEN_FILE"] = windows_path(self.token_file)

    def _options(self, env: "dict | None", how: dict) -> dict:
        return {"encoding": "cp1252", **super()._options(env, how)}  # what Windows gives to output that is redirected

    def on_windows(self, *command: "str | Path", **how) -> subprocess.Popen:
        """Start any program, in the same home."""
        streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        return subprocess.Popen(wine(*command), cwd=self.home, env=self.environ(), **{**streams, **how})


@contextmanager
def running():
    """Keep Windows running: its services start with the first program, and end soon after the last one.

    They inherit the first one's output, which is not to be a pipe that a test reads to its end.
    """
    null = subprocess.DEVNULL
    subprocess.run(wine("wineboot"), env=ENVIRONMENT, stdin=null, stdout=null, stderr=null, check=True)
    keeper = subprocess.Popen(wine("cmd"), env=ENVIRONMENT, stdin=subprocess.PIPE, stdout=null, stderr=null)
    try:
        yield
    finally:
        keeper.communicate()
