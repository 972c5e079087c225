"""Start the program, or say in one line what this Python lacks.

Ctrl-C during the imports ends the process at once. After the run the process exits without the
interpreter's shutdown, which takes longer than printing a token.

This file must parse on Python 2.7 too, or an old Python would show a syntax error instead.
"""

import sys


def _stop(message):  # type: ignore[no-untyped-def]
    if sys.stderr:  # it may be closed
        sys.stderr.write("authgate: error: %s\n" % message)
    sys.exit(2)


def _end_at_once(signum, frame):  # type: ignore[no-untyped-def]
    try:
        os.write(2, b"authgate: error: interrupted\n")
    finally:
        os._exit(130)


if __name__ == "__main__":
    if sys.version_info < (3, 9):
        _stop("Python 3.9 or newer is needed, but this is %d.%d" % sys.version_info[:2])
    import os

    try:
        import _signal as signal  # type: ignore[import-not-found]  # system/signals.py says why
        import gc
        import zlib  # noqa: F401  everything but this file is compressed

        # An exception from a signal handler can get lost during an import, and until the command runs
        # there is nothing to undo: end at once.
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, _end_at_once)
        # The collector would search what the imports make again and again, and find nothing: that is 3 % of
        # printing a stored token.
        if hasattr(gc, "set_threshold"):  # PyPy's has no such threshold
            gc.set_threshold(10000)
        from authgate_cli.cli import main

        status = main()
    except ImportError as error:
        missing = error.name or str(error)
        if missing.startswith("authgate_cli"):
            raise
        # Debian's python3-minimal leaves most modules to libpython3-stdlib, which python3 installs.
        _stop(  # type: ignore[no-untyped-call]
            "this Python lacks the standard module %s; on Debian and Ubuntu it is in the package libpython3-stdlib"
            " (apt-get install python3)" % missing
        )
    # Everything is written and flushed. Python would now take every module apart, which takes longer
    # than printing a token, and a Ctrl-C in that time would make a finished run look interrupted.
    os._exit(status)
