"""Read the command line, run the command, and report an error as a message and an exit status.

Each error class holds its exit status; a command returns its own. `status`, `doctor` and
`completion` also run when the settings are wrong; the first two report that (`Context.problem`).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from importlib import import_module

from . import __version__
from .commands import COMMANDS
from .context import Context
from .errors import AuthGateError, Terminated, UsageError
from .options import SETTINGS, SWITCHES, Arguments, parse
from .settings import DOTENV, Settings, expand_home, resolve
from .system import System, real_system
from .system.signals import allow_core_files, die_of, ending_cleanly
from .system.terminal import OutputClosed, Terminal, reserve_standard_descriptors
from .text import document, escape

BUG, INTERRUPTED = 70, 130
REPORTS_PROBLEMS = ("status", "doctor")  # they print a result in every case
WITHOUT_SETTINGS = (*REPORTS_PROBLEMS, "completion")  # they also run when the settings cannot be used


def main() -> int:
    """Run the program with the real streams and environment, and return its exit status."""
    allow_core_files(False)
    reserve_standard_descriptors()
    terminal = Terminal(sys.stdin, sys.stdout, sys.stderr, os.environ)
    try:
        return run(sys.argv[1:], os.environ, terminal)
    except Terminated as signal:
        terminal.end_update()
        die_of(signal.signum)
        return 128 + signal.signum


def run(
    argv: list[str],
    environ: Mapping[str, str],
    terminal: Terminal,
    make_system: Callable[[Settings, Terminal, Mapping[str, str]], System] = real_system,
) -> int:
    """Run one command line and return its exit status; a test makes its own system."""
    try:
        with ending_cleanly():
            return _run(argv, environ, terminal, make_system)
    except KeyboardInterrupt:
        terminal.error("interrupted")
        return INTERRUPTED
    except OutputClosed as gone:
        return gone.exit_status
    except AuthGateError as error:
        _trace(argv, terminal)
        terminal.error(error.message, error.hint)
        return error.exit_status
    except ImportError:
        raise  # this Python lacks a module; __main__ says which package has it
    except Exception as error:
        _trace(argv, terminal)
        hint = "run it again with --debug and report the output"
        terminal.error(f"this is a bug in authgate ({type(error).__name__})", hint)
        return BUG


def _run(
    argv: list[str],
    environ: Mapping[str, str],
    terminal: Terminal,
    make_system: Callable[[Settings, Terminal, Mapping[str, str]], System],
) -> int:
    problem, settings = None, Settings()
    try:
        arguments = parse(argv, (*SETTINGS, *SWITCHES), COMMANDS)
    except UsageError as error:
        command = next((word for word in _ours(argv) if word in COMMANDS), "")
        if command not in REPORTS_PROBLEMS or "--json" not in _ours(argv):
            raise
        arguments, problem = Arguments(command, {"json": True}), error
    flags, command = arguments.flags, arguments.command
    if "version" in flags:
        text = f"authgate {__version__}\n"
        terminal.result(document({"version": __version__}) if "json" in flags else text)
        return 0
    if "help" in flags or command == "help":
        from .commands import help

        topics = (command,) if "help" in flags and command in argv else arguments.operands
        return help.show(topics, "json" in flags, terminal)
    terminal.quiet, terminal.verbose = "quiet" in flags, "verbose" in flags
    warnings: list[str] = []
    try:
        named, dotenv = str(flags.get("env-file", "")), {}
        if named or os.path.lexists(DOTENV):
            from .system.env_file import read_env_file  # most directories hold no settings file

            warn = warnings.append if command == "doctor" else terminal.warn
            dotenv = read_env_file(expand_home(named, environ) or named or DOTENV, bool(named), warn)
        if problem is None:
            settings = resolve(flags, environ, dotenv, arguments.params)
    except UsageError as error:
        if command not in WITHOUT_SETTINGS:
            raise
        problem = error
    system = make_system(settings, terminal, environ)
    context = Context(arguments, settings, terminal, environ, system, problem, warnings)
    status: int = import_module(f"{__package__}.commands.{command}").run(context)
    return status


def _ours(argv: list[str]) -> list[str]:
    """Return what comes before `--`: the rest belongs to another program."""
    return argv[: argv.index("--")] if "--" in argv else argv


def _trace(argv: list[str], terminal: Terminal) -> None:
    if "--debug" in _ours(argv):
        import traceback

        error: BaseException | None = sys.exc_info()[1]
        while error:
            # The message of any other exception may quote a secret that a server has sent back.
            message = f": {error.message}" if isinstance(error, AuthGateError) else ""
            terminal.prompt("Traceback (most recent call last):")
            for line in "".join(traceback.format_tb(error.__traceback__)).splitlines():
                terminal.prompt(escape(line))
            terminal.prompt(escape(type(error).__name__ + message))
            error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
