"""The Pythons that people have: the machine's, Debian's old, new and coming ones, PyPy, and one without a GIL."""

import sys
from pathlib import Path
from typing import NamedTuple

from isolated import isolated

MACHINES = Path(sys.base_prefix).parent  # where the machine keeps one Python, it keeps the others


class Python(NamedTuple):
    """A Python, and the root file system that it lives in, if that is not the machine's."""

    path: str
    root: "str | None" = None

    def isolated(self, *arguments: str, shared: "dict[Path, str] | None" = None, **how) -> list[str]:
        """Return the command that runs it in namespaces of its own, with the machine's Pythons in /mnt.

        Where the machine keeps them, other users than root may not come in.
        """
        folders = {**({} if self.root else {MACHINES: "/mnt"}), **(shared or {})}
        return isolated(self.path, *arguments, root=self.root, shared=folders, **how)


def of_the_machine(version: str) -> Python:
    """Return the machine's own Python of a version; one that is not there fails whatever wants to run it."""
    found = sorted(path.name for path in MACHINES.glob(f"{version}.*"))
    return Python(f"/mnt/{(found or [version])[-1]}/bin/python3")


PYTHONS = {
    "3.9 of Debian bullseye": Python("/usr/bin/python3", "bullseye"),
    "the machine's 3.10": of_the_machine("3.10"),
    "the machine's 3.11": of_the_machine("3.11"),
    "the machine's 3.12": of_the_machine("3.12"),
    "the machine's 3.13": of_the_machine("3.13"),
    "Debian's own": Python("/usr/bin/python3"),
    "Debian trixie's": Python("/usr/bin/python3", "trixie"),
    "Debian testing's": Python("/usr/bin/python3", "testing"),  # the newest, and another one next month
    "PyPy of Debian trixie": Python("/usr/bin/pypy3", "pypy"),
    "without a GIL": Python("/usr/local/bin/python3", "free-threaded"),
}
