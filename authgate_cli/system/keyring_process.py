"""Use the `keyring` package in a child process, the only place where third-party code runs.

`keyring` and its backends may raise anything, exit, hang, and print to stdout, also from C and
from threads that they leave behind. A child process for each request contains all of that: its standard
streams are the null device, and it is killed when it has answered or its time is over. Request and
answer are one line of JSON each; secrets are sent only through these pipes.

A keyring cannot be listed, so the user name `#index` holds a JSON list of what is stored, updated at
every save and removal.
"""

from __future__ import annotations

import faulthandler
import json
import os
import signal
import subprocess
import sys
from contextlib import suppress

from ..errors import KeyringUnavailable, StoreFailed
from ..oauth.parsing import load
from ..options import SECRET_VARIABLES
from ..text import clean
from ..values import TYPE_CHECKING
from .threads import TookTooLong, call_within

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Listed = dict[str, Any]

SERVICE = "authgate"  # as AuthGate's SDKs call it
INDEX = "#index"
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


def ask(seconds: float, tell: Callable[[str], None], action: str, *arguments: object) -> Any:
    """Return what an action of `_ACTIONS` returns in a child process; `tell` a user who has waited for two seconds.

    Raise StoreFailed if the keyring fails or takes longer than `seconds`, and KeyringUnavailable if
    there is none that can be used.
    """
    try:
        process = subprocess.Popen(
            [sys.executable, "-I", "-c", _CODE, str(seconds + 2), *sys.path],
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

    def exchange() -> str:
        assert process.stdin and process.stdout
        rest = memoryview(json.dumps([action, *arguments]).encode() + b"\n")
        while rest:
            rest = rest[process.stdin.write(rest) :]
        # Not until its end: a backend's own process may keep it open.
        return process.stdout.readline(_LARGEST_ANSWER).decode()

    with process:  # closes the pipes and waits for the process
        try:
            outcome, value = load(call_within(exchange, seconds, lambda: tell("waiting for the keyring …")))
            if outcome == "returned" and not isinstance(value, _RESULTS[action]):
                raise TypeError("a backend has written into the pipe")
        except TookTooLong:
            message = f"the keyring did not answer within {seconds:.0f} s"
            raise StoreFailed(message, "unlock it, or use --store file") from None
        except (OSError, ValueError, TypeError) as error:
            raise StoreFailed("the keyring cannot be used (its process ended)", _HINT) from error
        finally:
            try:
                os.killpg(process.pid, signal.SIGKILL)  # also what a backend may have started
            except (AttributeError, OSError):  # Windows; or it has ended
                process.kill()
    if outcome == "returned":
        return value
    raise (KeyringUnavailable if outcome == "unavailable" else StoreFailed)(clean(value), _HINT)


# The rest runs in the child process.


def serve(seconds: float) -> None:
    """Answer one request."""
    # Ends this process even if a backend hangs and the parent process was killed.
    faulthandler.dump_traceback_later(seconds, exit=True)
    with open(os.dup(0), encoding="ascii") as requests, open(os.dup(1), "w", encoding="ascii") as answers:
        null_device = os.open(os.devnull, os.O_RDWR)
        os.dup2(null_device, 0)
        os.dup2(null_device, 1)
        answers.write(json.dumps(_answer(*load(requests.readline()))) + "\n")


def _answer(action: str, *arguments: Any) -> tuple[str, Any]:
    try:
        return "returned", _ACTIONS[action](_backend(), *arguments)
    except KeyringUnavailable as error:
        return "unavailable", error.message
    except BaseException as error:  # a backend may raise anything: PanicException, SystemExit
        name = type(error).__name__  # without its message, which may contain a secret
        outcome = "unavailable" if name == "NoKeyringError" else "failed"
        return outcome, f"the keyring cannot be used ({clean(name, 60)})"


def _name(backend: Any) -> str:
    return TRUSTED[type(backend).__module__]


def _read(backend: Any, *users: str) -> dict[str, str]:
    """Return the texts that are stored under some user names."""
    texts = {user: backend.get_password(SERVICE, user) for user in users}
    return {user: text for user, text in texts.items() if isinstance(text, str)}


def _list(backend: Any) -> list[tuple[Listed, str]]:
    """Return what the index lists, each with the text that is stored."""
    listed = _read_index(backend)
    return [(listed[user], text) for user, text in _read(backend, *listed).items()]


def _write(backend: Any, user: str, text: str | None, listed: Listed) -> bool:
    """Store a text, or (None) remove what is stored. Tell whether reading it back shows that; only then list it."""
    if text is None:
        with suppress(BaseException):  # PasswordDeleteError if there was nothing; only reading it back counts
            backend.delete_password(SERVICE, user)
    else:
        backend.set_password(SERVICE, user, text)
    if _read(backend, user).get(user) != text:
        return False
    before = _read_index(backend)
    after = {other: value for other, value in before.items() if other != user}
    if text is not None:
        after[user] = {**before.get(user, {}), "key": user, **listed}
    if after != before:
        with suppress(BaseException):  # for example a list too long for Windows; the text itself is stored or removed
            backend.set_password(SERVICE, INDEX, json.dumps(list(after.values()), separators=(",", ":")))
    return True


def _try(backend: Any) -> bool:
    """Tell whether a text that is written can be read back."""
    user = f"#trial{os.getpid()}"  # two sign-ins may try at once
    backend.set_password(SERVICE, user, user)
    came_back = _read(backend, user) == {user: user}
    with suppress(BaseException):
        backend.delete_password(SERVICE, user)
    return came_back


def _read_index(backend: Any) -> dict[str, Listed]:
    """Return what the index says about each user name; entries that are not understood are left out."""
    text = _read(backend, INDEX).get(INDEX)
    try:
        index = load(text or "[]")
    except ValueError:
        return {}
    names = ("key", "client_id", "issuer")
    return {
        listed["key"]: listed
        for listed in (index if isinstance(index, list) else [])
        if isinstance(listed, dict) and all(isinstance(listed.get(name), str) for name in names)
    }


_RESULTS = {"name": str, "read": dict, "list": list, "write": bool, "try": bool}
_ACTIONS: dict[str, Callable[..., Any]] = {"name": _name, "read": _read, "list": _list, "write": _write, "try": _try}


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
