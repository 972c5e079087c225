"""Start the program, or say in one line what this Python lacks.

This file has to parse on Python 2.7 too, or an old Python would show a syntax error instead.
"""

import sys


def _stop(message):  # type: ignore[no-untyped-def]
    if sys.stderr:  # it may be closed
        sys.stderr.write("authgate: error: %s\n" % message)
    sys.exit(2)


if __name__ == "__main__":
    if sys.version_info < (3, 10):
        _stop("Python 3.10 or newer is needed, and this is %d.%d" % sys.version_info[:2])
    try:
        from authgate_cli import bundle

        bundle.install()
        from authgate_cli.cli import main

        status = main()
    except ImportError as error:
        missing = error.name or str(error)
        if missing.startswith("authgate_cli"):
            raise
        # Debian's python3-minimal leaves most modules to libpython3-stdlib, which python3 brings.
        _stop(  # type: ignore[no-untyped-call]
            "this Python lacks the standard module %s; on Debian and Ubuntu the package libpython3-stdlib brings it"
            " (apt-get install python3)" % missing
        )
    except KeyboardInterrupt:
        sys.stderr.write("authgate: error: interrupted\n")
        status = 130
    # All is written and flushed. Python would now take every module apart, which takes longer than
    # printing a token, and a Ctrl-C in that time would make a finished run look interrupted.
    import os

    os._exit(status)
