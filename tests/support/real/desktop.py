"""A desktop session: a D-Bus session bus, gnome-keyring on it, a display, and a person who types.

It shares nothing with a session that the machine may have. Each part is ready when its `with` block
begins and has ended when the block ends.
"""

import os
import signal
import subprocess
from pathlib import Path

from client import ROOT
from waiting import eventually

VENV = ROOT / ".venv-keyring"
PYTHON = VENV / "bin" / "python"
PASSWORD = "the keyring's password"
SAFETY = 30  # seconds; only a test that fails waits so long
# gnome-keyring is started here and not by the bus; what the bus may start is its prompt's window.
BUS_SETTINGS = """<busconfig>
  <type>session</type><listen>unix:tmpdir=/tmp</listen><auth>EXTERNAL</auth>{services}
  <policy context="default"><allow send_destination="*"/><allow receive_sender="*"/><allow own="*"/></policy>
</busconfig>"""
PROMPTER = "<servicedir>/usr/share/dbus-1/services</servicedir>"
LOCK = "import secretstorage as s; collection = s.get_default_collection(s.dbus_init()); collection.lock()"


class Process:
    """A program that runs as long as the `with` block."""

    def __init__(self, command, environment, stdin=b"", **options):
        self._popen = subprocess.Popen(
            command,
            env={"PATH": os.environ["PATH"], **environment},
            stdin=subprocess.PIPE,
            **{"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, **options},
        )
        self._popen.stdin.write(stdin)
        self._popen.stdin.close()

    def first_line(self) -> str:
        """Wait for the line with which a program says that it is ready."""
        line = self._popen.stdout.readline().decode().strip()
        assert line, f"{self._popen.args[0]} did not start"
        return line

    def await_ready(self) -> None:
        """Wait until it can be used."""

    def freeze(self) -> None:
        """Stop it, with its sockets still open: whoever asks it waits."""
        self._popen.send_signal(signal.SIGSTOP)

    def __enter__(self):
        try:
            self.await_ready()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        with self._popen:
            self._popen.terminate()
            self._popen.send_signal(signal.SIGCONT)  # for one that is frozen


class Bus(Process):
    """A D-Bus session bus with no service on it; with a display, one that can open prompts there."""

    def __init__(self, home: Path, display: "dict[str, str] | None" = None):
        settings = home / "bus.conf"
        settings.write_text(BUS_SETTINGS.format(services=PROMPTER if display else ""))
        desktop = {"HOME": str(home), "NO_AT_BRIDGE": "1", "GTK_A11Y": "none", **(display or {})}
        super().__init__(["dbus-daemon", "--nofork", "--print-address", f"--config-file={settings}"], desktop)
        self.environment = dict(display or {})

    def await_ready(self) -> None:
        """Learn the address."""
        self.environment["DBUS_SESSION_BUS_ADDRESS"] = self.first_line()


class Keyring(Process):
    """gnome-keyring on a bus. Its collection is made by the first unlocking; without, there is none."""

    def __init__(self, home: Path, bus: Bus, unlocked: bool = True):
        command = ["gnome-keyring-daemon", "--foreground", "--components=secrets"]
        if unlocked:
            command.append("--unlock")
        self.environment = {**bus.environment, "HOME": str(home)}
        super().__init__(command, self.environment, PASSWORD.encode() if unlocked else b"", stdout=subprocess.DEVNULL)

    def await_ready(self) -> None:
        """Wait until it has its name on the bus."""
        eventually(self._is_on_the_bus)

    def _is_on_the_bus(self) -> bool:
        asked = "--dest=org.freedesktop.DBus / org.freedesktop.DBus.NameHasOwner string:org.freedesktop.secrets"
        answer = self.run("dbus-send", "--print-reply", *asked.split())
        return "boolean true" in answer.stdout

    def lock(self) -> None:
        """Lock the collection; opening it again takes the password."""
        self.run(str(PYTHON), "-c", LOCK).check_returncode()

    def get(self, user: str) -> "str | None":
        """Return what the keyring's own program finds."""
        found = self.run(str(VENV / "bin" / "keyring"), "get", "authgate", user)
        return found.stdout.removesuffix("\n") if found.returncode == 0 else None

    def set(self, user: str, secret: str) -> None:
        """Store something with the keyring's own program."""
        self.run(str(VENV / "bin" / "keyring"), "set", "authgate", user, input=secret).check_returncode()

    def run(self, *command: str, **options) -> subprocess.CompletedProcess:
        """Run a program of this session."""
        environment = {"PATH": os.environ["PATH"], **self.environment}
        return subprocess.run(command, env=environment, text=True, capture_output=True, timeout=SAFETY, **options)


class Display(Process):
    """An X server that draws into memory."""

    def __init__(self):
        # When its last client leaves, a server begins anew, and turns away whoever comes in that moment.
        options = ["-noreset", "-nolisten", "tcp", "-screen", "0", "640x480x24"]
        super().__init__(["Xvfb", "-displayfd", "1", *options], {})
        self.environment = {}

    def await_ready(self) -> None:
        """Learn the number."""
        self.environment["DISPLAY"] = f":{self.first_line()}"

    def answer_prompt(self) -> None:
        """Type the keyring's password when it is asked for."""
        self._await_prompt()
        self.type(PASSWORD)
        self.press("Return")

    def cancel_prompt(self) -> None:
        """Press Escape when the keyring's password is asked for."""
        self._await_prompt()
        self.press("Escape")

    def shows(self, title: str) -> bool:
        """Tell whether there is a window whose title begins with this."""
        return self._has("--name", f"^{title}")

    def await_window(self, title: str) -> None:
        """Wait for a window whose title begins with this."""
        eventually(lambda: self.shows(title))

    def type(self, text: str) -> None:
        """Type into the window that has the focus."""
        self._xdotool("type", text).check_returncode()

    def press(self, *keys: str) -> None:
        """Press one key after the other."""
        self._xdotool("key", *keys).check_returncode()

    def _await_prompt(self) -> None:
        eventually(lambda: self._has("--class", "prompter"))

    def _has(self, *how: str) -> bool:
        # Not with --sync: a search fails when a window goes away under it.
        return self._xdotool("search", "--onlyvisible", *how).returncode == 0

    def _xdotool(self, *command: str) -> subprocess.CompletedProcess:
        environment = {"PATH": os.environ["PATH"], **self.environment}
        return subprocess.run(["xdotool", *command], env=environment, capture_output=True, timeout=SAFETY)
