"""Use the `keyring` package in a child process, the only place where third-party code runs.

`keyring` and its backends may raise anything, exit, hang, and print to stdout, also from C and
from threads that they leave behind. The child process contains all of that: its standard streams are
the null device, it is killed when its time is over, and its answer to a request is one line of JSON.
Secrets are sent only through its pipes.
"""

from __future__ import annotations

import faulthandler
import json
import os
import signal
import subprocess
import sys

from ..errors import KeyringUnavailable, StoreFailed
from ..oauth.parsing import load
from ..options import SECRET_VARIABLES
from ..text import clean
from ..values import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

SERVICE = "authgate"  # as AuthGate's SDKs call it
# The backends that keep secrets in the system's own store.
TRUSTED = {
    "keyring.backends.SecretService": "Secret Service",
    "keyring.backends.kwallet": "KWallet",
    "keyring.backends.libsecret": "libsecret",
    "keyring.backends.macOS": "macOS Keychain",
    "keyring.backends.Windows": "Windows Credential Manager",
}
_HINT = "use --store file"
_LARGEST_ANSWER = 16 * 1024 * 1024
# The child gets our sys.path, so that both find the same package. `-c` alone would look in the current
# directory first.
_CODE = (
    "import sys; sys.path[:] = sys.argv[2:]; "
    "from authgate_cli.system.keyring_process import serve; serve(float(sys.argv[1]))"
)


class KeyringProcess:
    """A child process that uses the keyring; it ends with the `with` block, and after `seconds` at the latest.

    The methods have no time limit of their own. They raise StoreFailed if the keyring fails, and
    KeyringUnavailable if there is none that can be used.
    """

    def __init__(self, seconds: float):
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-c", _CODE, str(seconds), *sys.path],
                bufsize=0,  # a buffered pipe cannot be closed while a thread waits for it
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={name: value for name, value in os.environ.items() if name not in SECRET_VARIABLES},
                start_new_session=True,  # no Ctrl-C for it, and no access to the terminal
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),  # the same on Windows
            )
        except (OSError, ValueError) as error:
            raise StoreFailed(f"the keyring cannot be used ({type(error).__name__})", _HINT) from error

    def __enter__(self) -> KeyringProcess:
        return self

    def __exit__(self, *_: object) -> None:
        with self._process:  # closes the pipes and waits for the process
            try:
                os.killpg(self._process.pid, signal.SIGKILL)  # also what a backend may have started
            except (AttributeError, OSError):  # Windows; or it has ended
                self._process.kill()

    def get(self, user: str) -> str | None:
        """Return the text that is stored under a user name, or None."""
        return self._call("get_password", user)

    def set(self, user: str, text: str) -> None:
        """Store a text under a user name. Only reading it back shows whether it was saved."""
        self._call("set_password", user, text)

    def delete(self, user: str) -> None:
        """Remove what is stored under a user name."""
        self._call("delete_password", user)

    def describe(self) -> str:
        """Return what kind of keyring this is."""
        return clean(self._call("describe"), 60)

    def _call(self, *request: str) -> str | None:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin and stdout
        rest = memoryview(json.dumps(request).encode() + b"\n")
        try:
            while rest:
                rest = rest[stdin.write(rest) :]
            outcome, value = load(stdout.readline(_LARGEST_ANSWER).decode())
        except (OSError, ValueError, TypeError) as error:
            raise StoreFailed("the keyring cannot be used (its process ended)", _HINT) from error
        if outcome == "returned":
            return value if isinstance(value, str) else None
        if outcome == "unavailable":
            raise KeyringUnavailable(clean(value), _HINT)
        kind = KeyringUnavailable if value == "NoKeyringError" else StoreFailed
        raise kind(f"the keyring cannot be used ({clean(value, 60)})", _HINT)


def serve(seconds: float) -> None:
    """Answer requests until stdin ends. This runs in the child process."""
    # Ends this process even if a backend hangs and the parent process was killed.
    faulthandler.dump_traceback_later(seconds, exit=True)
    with open(os.dup(0), encoding="ascii") as requests, open(os.dup(1), "w", encoding="ascii") as answers:
        null_device = os.open(os.devnull, os.O_RDWR)
        os.dup2(null_device, 0)
        os.dup2(null_device, 1)
        for request in requests:
            answers.write(json.dumps(_answer(*load(request))) + "\n")
            answers.flush()


def _answer(method: str, *arguments: str) -> tuple[str, Any]:
    try:
        backend = _backend()
        if method == "describe":
            return "returned", TRUSTED[type(backend).__module__]
        value = getattr(backend, method)(SERVICE, *arguments)
        return "returned", value if isinstance(value, str) else None
    except KeyringUnavailable as error:
        return "unavailable", error.message
    except BaseException as error:  # a backend may raise anything: PanicException, SystemExit
        return "raised", type(error).__name__  # not its message, which may contain a secret


def _backend() -> Any:
    """Return the backend that `keyring` chose, or of a chain the first one that is trusted."""
    try:
        import keyring
    except ModuleNotFoundError as error:
        if error.name != "keyring":
            raise
        keyring = None
    if not hasattr(keyring, "get_keyring"):  # an empty folder of that name can be imported too
        raise KeyringUnavailable("the Python package keyring is not installed")
    chosen = keyring.get_keyring()
    is_chain = type(chosen).__module__ == "keyring.backends.chainer"
    for backend in chosen.backends if is_chain else [chosen]:
        if type(backend).__module__ in TRUSTED:
            return backend
    raise KeyringUnavailable(
        f"the keyring backend {type(chosen).__module__} does not keep secrets in the system's own store"
    )
