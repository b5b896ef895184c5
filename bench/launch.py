"""Run one command and print what it took, as JSON on stdout: ``python -m bench.launch LOG DIRECTORY COMMAND…``.

A process of its own, and a small one: Linux lets a new program inherit the peak memory of whoever started it, so a
large parent would hide how little a run needs.
"""

from __future__ import annotations

import json
import os
import sys
import time


def main(log: str, directory: str, *command: str) -> None:
    os.chdir(directory)
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    quiet = os.open(os.devnull, os.O_RDONLY)
    streams = [(os.POSIX_SPAWN_DUP2, quiet, 0), (os.POSIX_SPAWN_DUP2, output, 1), (os.POSIX_SPAWN_DUP2, output, 2)]
    began = time.monotonic()
    child = os.posix_spawn(command[0], command, os.environ, file_actions=streams)
    _, status, used = os.wait4(child, 0)
    wall = time.monotonic() - began
    taken = {
        "exit_code": os.waitstatus_to_exitcode(status),
        "wall": wall,
        "cpu": used.ru_utime + used.ru_stime,
        "peak_bytes": used.ru_maxrss * 1024,
    }
    sys.stdout.write(json.dumps(taken))


if __name__ == "__main__":
    main(*sys.argv[1:])
