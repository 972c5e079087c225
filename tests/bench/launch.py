"""Run a command and print what it cost: wall and CPU seconds, peak memory in KiB, exit status.

A program of its own, and a small one: a child begins with the peak memory of the process that it
was forked from.
"""

import os
import sys
import time

nothing = os.open(os.devnull, os.O_RDWR)
begun = time.monotonic()
child = os.posix_spawn(
    sys.argv[1], sys.argv[1:], os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, nothing, stream) for stream in (0, 1)]
)
_, status, usage = os.wait4(child, 0)
wall = time.monotonic() - begun
print(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss, os.waitstatus_to_exitcode(status))
