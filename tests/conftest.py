"""What holds for every test."""

import signal

# A shell that is no terminal's starts background jobs with SIGINT ignored, and so would be what the
# tests start in turn: a child inherits that, and waits for ever where Ctrl-C is to end it.
signal.signal(signal.SIGINT, signal.default_int_handler)
