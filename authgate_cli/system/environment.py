"""Detect on what kind of machine, and how, this program runs."""

from __future__ import annotations

import os
import sys

from ..values import TYPE_CHECKING, Value

if TYPE_CHECKING:
    from collections.abc import Mapping

# They need the terminal that we are using, and on a server they help nobody.
TEXT_BROWSERS = frozenset(["browsh", "elinks", "links", "links2", "lynx", "w3m", "www-browser"])


class Environment(Value):
    """What decides between browser and device code; `sign_in.choose` knows the rules."""

    platform: str  # sys.platform, or "wsl"
    browser_asked: str = ""  # BROWSER's value
    browser_is_text: bool = False
    ssh: bool = False
    display: bool = False
    ci: bool = False
    container: str = ""
    terminal: bool = False
    ssh_login: str = ""  # user@host as an ssh command there would name this machine


def detect(environ: Mapping[str, str], terminal: bool) -> Environment:
    """Return what the environment and a few well-known files tell."""
    asked = environ.get("BROWSER", "").strip()
    return Environment(
        platform="wsl" if _is_wsl(environ) else sys.platform,
        browser_asked=asked,
        browser_is_text=bool(asked) and os.path.basename(asked.split()[0]) in TEXT_BROWSERS,
        ssh=any(environ.get(name) for name in ("SSH_CONNECTION", "SSH_CLIENT", "SSH_TTY")),
        display=any(environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY")),
        ci=environ.get("CI", "").lower() not in ("", "0", "false"),
        container=_container(environ),
        terminal=terminal,
        ssh_login=_ssh_login(environ),
    )


def _is_wsl(environ: Mapping[str, str]) -> bool:
    if environ.get("WSL_DISTRO_NAME") or environ.get("WSL_INTEROP"):
        return True
    return sys.platform == "linux" and "microsoft" in _first_line("/proc/sys/kernel/osrelease").lower()


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


def _first_line(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.readline()
    except OSError:
        return ""
