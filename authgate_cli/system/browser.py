"""Find and open a browser with the webbrowser module, in a separate process.

There it gets no stdin and no stdout, outlives us, and its environment holds none of our secrets.
Without TERM, webbrowser offers no text browsers: they need the terminal that we are using.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys

from ..settings import SECRET_VARIABLES
from ..values import TYPE_CHECKING
from .environment import TEXT_BROWSERS

if TYPE_CHECKING:
    from collections.abc import Mapping

# It prints the name of the browser, or opens an address and ends with a status that says whether
# that failed. webbrowser knows no opener of WSL, and on Windows it falls back to programs of the
# current directory. It does not wait for every program, so the child does; not for ever, as the
# program may be the browser itself.
_CHILD = """
import os, shutil, signal, sys, webbrowser

def browsers(platform):
    asked = [entry for entry in os.environ.get("BROWSER", "").split(os.pathsep) if entry]
    if asked:
        return [webbrowser.get(entry) for entry in asked]
    if platform == "win32":
        return [webbrowser.get("windows-default")]
    openers = [["wslview", "%s"], ["rundll32.exe", "url.dll,FileProtocolHandler", "%s"]]
    found = [webbrowser.GenericBrowser(opener) for opener in openers if platform == "wsl" and shutil.which(opener[0])]
    return found or [webbrowser.get()]

platform, *address = sys.argv[1:]
try:
    found = browsers(platform)
except webbrowser.Error:
    sys.exit(1)
if not address:
    print(found[0].name)
    sys.exit(0)
if hasattr(signal, "alarm"):
    signal.alarm(600)
opened = any(browser.open(address[0]) for browser in found)
try:
    sys.exit(os.wait()[1] != 0)
except (AttributeError, ChildProcessError):
    sys.exit(not opened)
"""
_LOOK_UP = 10.0  # seconds; on a desktop, webbrowser asks xdg-settings


class _Detached(subprocess.Popen):  # type: ignore[type-arg]
    def __del__(self, *_: object) -> None:
        """Do not warn that nobody waited for it: it outlives us by intention."""


class Opener:
    """The process that opens a browser."""

    def __init__(self, process: subprocess.Popen[bytes]):
        self._process = process

    def failed(self) -> bool:
        """Tell whether it has ended by saying that it could not open anything; it may have done so all the same."""
        return self._process.poll() not in (None, 0)


def find_browser(environ: Mapping[str, str], platform: str) -> str | None:
    """Return the name of the program that opens a graphical browser here, or None.

    BROWSER may list several commands; a `%s` in one is where the address goes.
    """
    if environ.get("BROWSER", "").strip(os.pathsep + " "):
        commands = _asked(environ)
        return shlex.split(commands[0])[0] if commands else None
    display = environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY")
    if platform not in ("darwin", "win32", "wsl") and not display:
        return None  # there, xdg-open would start a text browser
    try:
        found = subprocess.run(
            _child(platform),
            env=_environment(environ),
            cwd=_directory(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_LOOK_UP,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    name = found.stdout.strip()
    if found.returncode or _is_text_browser(name, environ):
        return None
    return "the system" if name in ("", "default") else name  # what webbrowser calls Windows' and macOS's own way


def open_browser(url: str, environ: Mapping[str, str], platform: str) -> Opener | None:
    """Start the process that opens a browser; None when it cannot even be started."""
    null = subprocess.DEVNULL
    try:
        process = _Detached(
            _child(platform, url),
            stdin=null,
            stdout=null,
            stderr=null,
            env=_environment(environ),
            cwd=_directory(),
            start_new_session=True,  # Ctrl-C here is not meant for the browser
        )
    except OSError:
        return None
    return Opener(process)


def _child(platform: str, *address: str) -> list[str]:
    return [sys.executable or "", "-I", "-c", _CHILD, platform, *address]


def _directory() -> str | None:
    """Return where the child works: Windows looks for programs in the current directory first."""
    return os.path.dirname(sys.executable) if os.name == "nt" else None


def _environment(environ: Mapping[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in environ.items() if name not in (*SECRET_VARIABLES, "TERM", "BROWSER")}
    commands = _asked(environ)
    return {**kept, "BROWSER": os.pathsep.join(commands)} if commands else kept


def _asked(environ: Mapping[str, str]) -> list[str]:
    """Return the commands of BROWSER that can be used, each as webbrowser wants it: with a `%s` for the address."""
    usable = []
    for entry in environ.get("BROWSER", "").split(os.pathsep):
        command = shlex.quote(entry.strip()) if os.path.exists(entry.strip()) else entry.strip()  # spaces in a path
        try:
            words = shlex.split(command)
        except ValueError:
            continue
        if words and _which(words[0], environ) and not _is_text_browser(words[0], environ):
            usable.append(command if "%s" in command else command + " %s")
    return usable


def _which(program: str, environ: Mapping[str, str]) -> str | None:
    return shutil.which(program, path=environ.get("PATH", os.defpath))


def _is_text_browser(program: str, environ: Mapping[str, str]) -> bool:
    """Tell whether it is one, under whatever name: Debian's x-www-browser is a link to what is installed."""
    path = _which(program, environ) or program
    return not TEXT_BROWSERS.isdisjoint([os.path.basename(path), os.path.basename(os.path.realpath(path))])
