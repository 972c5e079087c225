"""Set AUTHGATE_TOKEN to a fresh token, and replace this process with a command (Windows: run it)."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess

from ..context import Context
from ..errors import AuthGateError, UsageError
from ..session import fresh_token
from ..system.signals import allow_core_files, handling
from ..text import clean

# What Windows can start, in the order of its PATHEXT; the last two are for cmd.exe.
_EXTENSIONS = (".com", ".exe", ".bat", ".cmd")
# Python ignores these signals, and the command would inherit that.
_IGNORED_BY_PYTHON = [getattr(signal, name) for name in ("SIGPIPE", "SIGXFSZ") if hasattr(signal, name)]


class NoSuchProgram(AuthGateError):
    """There is no program of this name."""

    exit_status = 127


class CannotRun(AuthGateError):
    """There is such a program, but it cannot be run."""

    exit_status = 126


def run(context: Context) -> int:
    """Replace this process with the command (Windows: run it and end with its exit status).

    AUTHGATE_TOKEN is set to a fresh token, and CLIENT_SECRET is removed from the environment.
    """
    command = context.arguments.operands
    if not command:
        raise UsageError("no command given", "for example authgate.pyz exec -- ./deploy.sh --all")
    issued = fresh_token(context)
    if issued.save_error:
        context.terminal.warn(f"{issued.save_error.message}; the command still gets the refreshed token")
    environment = {**context.environ, "AUTHGATE_TOKEN": issued.token.access_token}
    environment.pop("CLIENT_SECRET", None)
    try:
        start = _become if os.name == "posix" else _run_on_windows
        return start(command, environment)
    except (OSError, ValueError) as error:
        raise _failure(command[0], error, environment) from error


def _become(command: tuple[str, ...], environment: dict[str, str]) -> int:
    """Replace this process with the command: it returns only if that fails."""
    for one in _IGNORED_BY_PYTHON:
        signal.signal(one, signal.SIG_DFL)
    program = shutil.which(command[0], path=environment.get("PATH")) or command[0]
    allow_core_files(True)
    try:
        os.execvpe(program, command, environment)
    except OSError as error:
        if error.errno != errno.ENOEXEC or _is_binary(program):
            raise
        os.execve("/bin/sh", ("sh", program, *command[1:]), environment)  # as execvp(3), and so `env`, does
    finally:
        allow_core_files(False)
        for one in _IGNORED_BY_PYTHON:
            signal.signal(one, signal.SIG_IGN)


def _run_on_windows(command: tuple[str, ...], environment: dict[str, str]) -> int:
    """Run the command and exit with its status, also if Ctrl-C ended it: Windows sends that to the command itself.

    This process may get the same Ctrl-C later than that: when the command has ended, nothing else runs here.
    """
    program = _find_on_windows(command[0], environment)
    words: str | tuple[str, ...] = command
    if program.lower().endswith((".bat", ".cmd")):
        words = _batch_command(program, command[1:])
        program = os.path.join(environment.get("SYSTEMROOT", r"C:\Windows"), "System32", "cmd.exe")
    with handling(lambda signum, frame: None):
        code = subprocess.run(words, executable=program, env=environment, check=False).returncode
        os._exit(code if code < 2**31 else code - 2**32)  # the same 32 bits to Windows


def _find_on_windows(name: str, environment: dict[str, str]) -> str:
    """Return the path of a program. Raise FileNotFoundError.

    Not shutil.which, which looks in the current directory first, and before 3.12 adds no extension to a path.
    """
    is_path = bool(os.path.dirname(name))
    folders = [""] if is_path else [folder for folder in environment.get("PATH", "").split(os.pathsep) if folder]
    endings = ("",) if name.lower().endswith(_EXTENSIONS) else (*_EXTENSIONS, *[""] * is_path)
    paths = (os.path.abspath(os.path.join(folder, name + ending)) for folder in folders for ending in endings)
    found = next(filter(os.path.isfile, paths), None)
    if found is None:
        raise FileNotFoundError
    return found


def _batch_command(script: str, arguments: tuple[str, ...]) -> str:
    """Return the command line that runs a batch file. Raise CannotRun for an argument that cannot be quoted.

    Within double quotes cmd.exe takes everything literally except these characters, and no character
    escapes them (CVE-2024-24576).
    """
    words = (script, *arguments)
    if any(character in word for word in words for character in '"%\r\n'):
        hint = "run the program that it starts, or pass such a value in a variable or a file"
        raise CannotRun(f"{clean(script)} is a batch file, which cannot be given a quote, a % or a line break", hint)
    # Backslashes before a quote are doubled for the program that the batch file starts.
    quoted = [f'"{word}{word[len(word.rstrip(chr(92))) :]}"' for word in words]
    return f'cmd.exe /d /e:on /v:off /s /c "{" ".join(quoted)}"'


def _is_binary(path: str) -> bool:
    """Tell a program for another machine from a script without a `#!` line."""
    with open(path, "rb") as file:
        return b"\0" in file.read(256)


def _failure(program: str, error: OSError | ValueError, environment: dict[str, str]) -> AuthGateError:
    shown = clean(program) or "(empty name)"
    missing = isinstance(error, (FileNotFoundError, NotADirectoryError))
    if missing and os.name == "posix" and shutil.which(program, path=environment.get("PATH")):
        return CannotRun(f"{shown} cannot be run: the interpreter that its first line names does not exist")
    if missing or not program:
        hint = None if os.path.dirname(program) else "exec searches PATH; for a program elsewhere give its path"
        return NoSuchProgram(f"program not found: {shown}", hint)
    return CannotRun(f"{shown} cannot be run: {getattr(error, 'strerror', None) or error}")
