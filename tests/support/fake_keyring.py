"""A `keyring` package that does what the real one and its backends have been seen to do, and worse.

Each backend keeps what it is told in a file of its own. `mischief` is code at the end of the
package: it may replace the methods of `_chosen`, the backend in use, or harm whoever imports it.
"""

import json
from pathlib import Path
from textwrap import dedent

PACKAGE = {
    "keyring/__init__.py": """
        import importlib, os

        _chosen = importlib.import_module("keyring.backends." + os.environ["FAKE_BACKEND"]).Keyring()

        def get_keyring():
            return _chosen
    """,
    "keyring/errors.py": """
        class KeyringError(Exception): pass
        class NoKeyringError(KeyringError, RuntimeError): pass
        class KeyringLocked(KeyringError): pass
        class PasswordDeleteError(KeyringError): pass
    """,
    "keyring/on_disk.py": """
        import json, os, pathlib
        from keyring.errors import PasswordDeleteError

        class OnDisk:
            @property
            def file(self):
                return pathlib.Path(os.environ["FAKE_KEYRING"], type(self).__module__ + ".json")

            def kept(self):
                return json.loads(self.file.read_text()) if self.file.exists() else {}

            def get_password(self, service, user):
                return self.kept().get(service, {}).get(user)

            def set_password(self, service, user, password):
                kept = self.kept()
                kept.setdefault(service, {})[user] = password
                self.file.write_text(json.dumps(kept))

            def delete_password(self, service, user):
                kept = self.kept()
                if user not in kept.get(service, {}):
                    raise PasswordDeleteError("not there")
                del kept[service][user]
                self.file.write_text(json.dumps(kept))
    """,
    "keyring/backends/__init__.py": "",
    "keyring/backends/chainer.py": """
        from keyring.backends import SecretService, null
        from keyring.on_disk import OnDisk
        plain = type("Plain", (OnDisk,), {"__module__": "keyrings.alt.file"})

        class Keyring(OnDisk):
            backends = [plain(), SecretService.Keyring(), null.Keyring()]
    """,
    **{
        f"keyring/backends/{name}.py": "from keyring.on_disk import OnDisk\nclass Keyring(OnDisk): pass"
        for name in ("SecretService", "kwallet", "libsecret", "macOS", "Windows", "null", "fail", "file")
    },
}

# What it may do instead of its work. The word secret stands for what an error's message may hold.
HARM = {
    "an exception": "raise OSError('secret')",
    "a panic of Rust": "raise type('PanicException', (BaseException,), {})('secret')",
    "an exit": "raise SystemExit(0)",
    "an exit with a message": "raise SystemExit('secret')",
    "an interrupt of its own": "raise KeyboardInterrupt",
    "the end of a generator": "raise GeneratorExit",
    "the end of the process": "import os; os._exit(0)",
    "the death of the process": "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
    "an error of its error": "raise type('Bad', (Exception,), {'__str__': None, '__repr__': None})",
    "the end of all pipes": "import os; os.closerange(0, 100)",
    "an answer of its own": (
        "import fcntl, os; [os.write(n, b'[\"returned\", null]\\n') for n in range(3, 9)"
        " if os.path.exists(f'/proc/self/fd/{n}') and fcntl.fcntl(n, fcntl.F_GETFL) & os.O_WRONLY]"
    ),
    "a deep answer of its own": (
        "import fcntl, os; [os.write(n, b'[' * 10**5 + b'\\n') for n in range(3, 9)"
        " if os.path.exists(f'/proc/self/fd/{n}') and fcntl.fcntl(n, fcntl.F_GETFL) & os.O_WRONLY]"
    ),
}
HANG = {
    "hangs": "import threading; threading.Event().wait()",
    "hangs deaf": "import signal, time; [signal.signal(n, signal.SIG_IGN) for n in (2, 15)]; time.sleep(999)",
}
# A process of its own session that goes on, with all pipes open and beyond the signals to our group.
LEAVES_A_DAEMON = """
    import os, pathlib, time
    path = pathlib.Path(os.environ["FAKE_KEYRING"], "daemon")
    if not path.exists() and os.fork() == 0:
        os.setsid()
        path.write_text(f"{os.getpid()}\\n")
        time.sleep(999)
        os._exit(0)
    while not path.exists():  # before that it is no daemon, and would be killed with this process
        time.sleep(0.01)
"""
LIES = {"a number": "7", "bytes": "b'secret'", "an object": "object()", "no JSON": "'{'", "another JSON": "'[1]'"}
NOISE = """
    import os, sys, threading

    def noise():
        print("noise on stdout"), print("noise on stderr", file=sys.stderr)
        sys.__stdout__.write("more noise"), sys.__stdout__.flush()
        os.write(1, b"noise on the descriptor"), os.write(2, b"noise on the descriptor")
        os.system("echo noise of a child; echo noise of a child >&2")

    def noise_for_ever():
        while True:
            os.write(1, b"noise of a thread")

    noise()
    threading.Thread(target=noise_for_ever).start()
    for name in ("get_password", "set_password", "delete_password"):
        setattr(_chosen, name, lambda *arguments, method=getattr(_chosen, name): (noise(), method(*arguments))[1])
"""


def at_import(harm: str) -> str:
    """Return mischief that does harm when the package is imported."""
    return harm


def at_call(harm: str, method: str = "get_password") -> str:
    """Return mischief that does harm when a method is called."""
    return f"def harm(*_):\n    {harm}\n_chosen.{method} = harm"


def returning(value: str) -> str:
    """Return mischief that returns something else than what was stored."""
    return f"_chosen.get_password = lambda *_: {value}"


class FakeKeyring:
    """The package in a folder; `environment` is what a program needs to find it."""

    def __init__(self, folder: Path):
        self.folder = folder

    @property
    def environment(self) -> "dict[str, str]":
        return {"PYTHONPATH": str(self.folder), "FAKE_KEYRING": str(self.folder), "FAKE_BACKEND": self.backend}

    def install(self, backend: str = "SecretService", mischief: str = "", package: "dict[str, str]" = PACKAGE) -> None:
        """Write the package anew; what the backends keep stays."""
        self.backend = backend
        for name, text in package.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(dedent(text))
        if mischief:
            with (self.folder / "keyring" / "__init__.py").open("a") as file:
                file.write(dedent(mischief))

    def kept(self, module: str = "keyring.backends.SecretService") -> "dict[str, str]":
        """Return what a backend keeps for the service authgate, by user name."""
        path = self.folder / f"{module}.json"
        return json.loads(path.read_text()).get("authgate", {}) if path.exists() else {}

    def put(self, user: str, text: str) -> None:
        """Store something for the service authgate in the Secret Service."""
        path = self.folder / "keyring.backends.SecretService.json"
        path.write_text(json.dumps({"authgate": {**self.kept(), user: text}}))
