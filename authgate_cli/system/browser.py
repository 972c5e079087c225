"""Detect what kind of machine this is, and find and open a browser on it.

The webbrowser module runs in a child process, which has no stdin and stdout, may outlive us, and has
none of our secrets in its environment. Without TERM, webbrowser offers no text browsers: they need
the terminal that we are using.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping

from ..options import SECRET_VARIABLES
from ..values import TYPE_CHECKING, Value

if TYPE_CHECKING:
    from typing import Any

# Most sign-in pages do not work in them.
_TEXT_BROWSERS = frozenset(["browsh", "elinks", "links", "links2", "lynx", "w3m", "www-browser"])
NO_DISPLAY_NEEDED = frozenset(["darwin", "win32", "wsl"])  # browsers need no DISPLAY there
_LOOK_UP = 10.0  # seconds; on a desktop, webbrowser asks xdg-settings
# The child prints the name of the browser, or opens an address and exits with 1 if that failed.
# webbrowser does not know the openers of WSL, and on Windows it falls back to programs in the current
# directory. It does not wait for every program, so the child does, but only for ten minutes: the
# program may be the browser itself.
_CHILD = """
import os, shutil, signal, sys, webbrowser

def browsers(platform):
    asked = [entry for entry in os.environ.get("BROWSER", "").split(os.pathsep) if entry]
    if asked:
        return [webbrowser.get(entry) for entry in asked]
    if platform == "win32":
        return [webbrowser.get("windows-default")]
    openers = [["wslview", "%s"], ["rundll32.exe", "url.dll,FileProtocolHandler", "%s"]] if platform == "wsl" else []
    usable = [webbrowser.GenericBrowser(opener) for opener in openers if shutil.which(opener[0])]
    return usable or [webbrowser.get()]

platform, *address = sys.argv[1:]
try:
    usable = browsers(platform)
except webbrowser.Error:
    sys.exit(1)
if not address:
    print(getattr(usable[0], "name", ""))  # before Python 3.11, macOS's own way has none
    sys.exit(0)
if hasattr(signal, "alarm"):
    signal.alarm(600)
opened = any(browser.open(address[0]) for browser in usable)
try:
    sys.exit(os.wait()[1] != 0)
except (AttributeError, ChildProcessError):
    sys.exit(not opened)
"""


class Environment(Value):
    """What `sign_in.choose` needs to choose between browser and device code."""

    platform: str  # sys.platform, or "wsl"
    browser_asked: str = ""  # BROWSER's value
    ssh: bool = False
    display: bool = False
    ci: bool = False
    container: str = ""
    terminal: bool = False
    ssh_login: str = ""  # user@host of this machine, as an ssh command needs it


def detect(environ: Mapping[str, str], terminal: bool) -> Environment:
    """Detect SSH, CI, container, WSL and display from the environment, the kernel and two files."""
    asked = environ.get("BROWSER", "").strip()
    is_wsl = sys.platform == "linux" and "microsoft" in os.uname().release.lower()
    is_wsl = is_wsl or any(environ.get(name) for name in ("WSL_DISTRO_NAME", "WSL_INTEROP"))
    return Environment(
        platform="wsl" if is_wsl else sys.platform,
        browser_asked=asked,
        ssh=any(environ.get(name) for name in ("SSH_CONNECTION", "SSH_CLIENT", "SSH_TTY")),
        display=any(environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY")),
        ci=environ.get("CI", "").strip().lower() not in ("", "0", "false"),
        container=_container(environ),
        terminal=terminal,
        ssh_login=_ssh_login(environ),
    )


def _container(environ: Mapping[str, str]) -> str:
    if environ.get("CODESPACES"):
        return "a codespace"
    if environ.get("KUBERNETES_SERVICE_HOST"):
        return "a Kubernetes pod"
    if environ.get("container") or os.path.exists("/.dockerenv") or os.path.exists("/run/.containerenv"):
        return "a container"
    return ""


def _ssh_login(environ: Mapping[str, str]) -> str:
    connection = environ.get("SSH_CONNECTION", "").split()
    user = environ.get("USER") or environ.get("LOGNAME") or ""
    host, port = connection[2:] if len(connection) == 4 else ("", "22")
    login = f"{user}@{host}" if user and host else host
    return login if port == "22" else f"-p {port} {login}"


class Opener(subprocess.Popen):  # type: ignore[type-arg]
    """The process that opens a browser."""

    def failed(self) -> bool:
        """Tell whether the process ended with an error; a browser may have opened all the same."""
        return self.poll() not in (None, 0)

    def __del__(self, *_: object) -> None:
        """Do not warn that the process is still running: it is meant to outlive us."""


def find_browser(environ: Mapping[str, str], platform: str) -> str | None:
    """Return the name of the program that opens a graphical browser here, or None.

    BROWSER may list several commands; `%s` stands for the address.
    """
    if environ.get("BROWSER", "").strip(os.pathsep + " "):
        commands = _asked(environ)
        return shlex.split(commands[0])[0] if commands else None
    display = environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY")
    if platform not in NO_DISPLAY_NEEDED and not display:
        return None  # here, xdg-open would start a text browser
    try:
        child = subprocess.run(**_child(environ, platform), capture_output=True, text=True, timeout=_LOOK_UP)
    except (OSError, subprocess.TimeoutExpired):
        return None
    name = child.stdout.strip()
    if child.returncode or _is_text_browser(_which(name, environ) or name):
        return None
    return "the system" if name in ("", "default") else name  # what webbrowser calls Windows' and macOS's own way


def open_browser(url: str, environ: Mapping[str, str], platform: str) -> Opener | None:
    """Start the process that opens a browser; return None if it cannot be started."""
    null = subprocess.DEVNULL
    try:
        # A new session: Ctrl-C here is not meant for the browser.
        return Opener(**_child(environ, platform, url), stdout=null, stderr=null, start_new_session=True)
    except OSError:
        return None


def _child(environ: Mapping[str, str], platform: str, *address: str) -> dict[str, Any]:
    """Return the command of the child, its stdin, environment and directory, as arguments for subprocess."""
    kept = {name: value for name, value in environ.items() if name not in (*SECRET_VARIABLES, "TERM", "BROWSER")}
    commands = _asked(environ)
    return {
        "args": [sys.executable or "", "-I", "-c", _CHILD, platform, *address],
        "stdin": subprocess.DEVNULL,
        "env": {**kept, "BROWSER": os.pathsep.join(commands)} if commands else kept,
        # Windows looks for programs in the current directory first.
        "cwd": os.path.dirname(sys.executable) if platform == "win32" else None,
    }


def _asked(environ: Mapping[str, str]) -> list[str]:
    """Return the usable commands of BROWSER, each with `%s` for the address, as webbrowser requires."""
    usable = []
    for entry in environ.get("BROWSER", "").split(os.pathsep):
        command = shlex.quote(entry.strip()) if os.path.exists(entry.strip()) else entry.strip()  # spaces in a path
        try:
            words = shlex.split(command)
        except ValueError:
            continue
        program = _which(words[0], environ) if words else None
        if program and not _is_text_browser(program):
            usable.append(command if "%s" in command else command + " %s")
    return usable


def _which(program: str, environ: Mapping[str, str]) -> str | None:
    return shutil.which(program, path=environ.get("PATH", os.defpath))


def _is_text_browser(path: str) -> bool:
    """Tell whether a program is a text browser, also by a link such as Debian's x-www-browser."""
    return not _TEXT_BROWSERS.isdisjoint([os.path.basename(path), os.path.basename(os.path.realpath(path))])
