"""What holds for every test."""

import signal
import sys

# A shell starts background jobs with SIGINT and SIGQUIT ignored, and nohup ignores SIGHUP. What the tests
# start would inherit that, and wait for ever for a Ctrl-C; a signal that has a handler is reset for it.
signal.signal(signal.SIGINT, signal.default_int_handler)
for name in ("SIGQUIT", "SIGHUP"):
    number = getattr(signal, name, None)
    if number is not None and signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, lambda *_: None)


def pytest_configure(config):
    if sys.version_info < (3, 10):
        # There, http.client does not close the answer of a proxy that refuses a tunnel; the collector does.
        config.addinivalue_line("filterwarnings", "ignore::pytest.PytestUnraisableExceptionWarning")
