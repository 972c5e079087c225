"""Open a browser without letting it do harm.

It gets no stdin and no stdout: it may neither eat what is typed nor write between results. It
is not waited for, it outlives us, and its environment holds none of our secrets. Not the
`webbrowser` module: that one hands its own stdout on and waits for text browsers.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess

from ..settings import SECRET_VARIABLES
from ..values import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

# They need the terminal that we are using, and on a server they help nobody.
TEXT_BROWSERS = frozenset(["browsh", "elinks", "links", "links2", "lynx", "w3m", "www-browser"])
_WINDOWS = ("rundll32.exe", "url.dll,FileProtocolHandler")  # takes any URL as it is, unlike cmd's start
_BY_PLATFORM: dict[str, list[tuple[str, ...]]] = {
    "darwin": [("open",)],
    "win32": [_WINDOWS],
    "wsl": [("wslview",), _WINDOWS],
    "linux": [("xdg-open",), ("gio", "open"), ("x-www-browser",), ("firefox",), ("chromium",), ("google-chrome",)],
}


class _Detached(subprocess.Popen):  # type: ignore[type-arg]
    def __del__(self, *_: object) -> None:
        """Do not warn that nobody waited for it: it outlives us by intention."""


class Opened:
    """A browser program that was started."""

    def __init__(self, process: subprocess.Popen[bytes]):
        self._process = process

    def failed(self) -> bool:
        """Tell whether the program has ended by saying that it could not open anything."""
        return self._process.poll() not in (None, 0)


def find_browser(environ: Mapping[str, str], platform: str) -> tuple[str, ...] | None:
    """Return the command that opens a graphical browser here, or None.

    BROWSER may list several commands; a `%s` in one is where the address goes.
    """
    display = environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY")
    if platform not in ("darwin", "win32", "wsl") and not environ.get("BROWSER") and not display:
        return None  # there, xdg-open would start a text browser
    wanted = [_command(entry) for entry in environ.get("BROWSER", "").split(os.pathsep) if entry.strip()]
    for command in wanted or _BY_PLATFORM.get(platform, _BY_PLATFORM["linux"]):
        program = shutil.which(command[0], path=environ.get("PATH", os.defpath)) if command else None
        # Debian's www-browser and x-www-browser are links to whatever is installed.
        names = {os.path.basename(program), os.path.basename(os.path.realpath(program))} if program else set()
        if program and not names & TEXT_BROWSERS:
            return (program, *command[1:])
    return None


def open_browser(command: tuple[str, ...], url: str, environ: Mapping[str, str]) -> Opened | None:
    """Start the program; None when it cannot even be started."""
    arguments = [part.replace("%s", url) for part in command]
    if not any("%s" in part for part in command):
        arguments.append(url)
    environment = {name: value for name, value in environ.items() if name not in SECRET_VARIABLES}
    try:
        process = _Detached(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=environment,
            start_new_session=True,  # Ctrl-C here is not meant for the browser
        )
    except OSError:
        return None
    return Opened(process)


def _command(entry: str) -> tuple[str, ...]:
    entry = entry.strip()
    if os.path.exists(entry):
        return (entry,)  # a path with spaces in it
    try:
        return tuple(shlex.split(entry))
    except ValueError:
        return (entry,)
