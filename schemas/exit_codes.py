"""The exit codes of the command line: stable, documented in docs/exit-codes.md."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    DONE = 0
    UNEXPECTED = 1
    PLAN_HAS_MOVES = 2
    DOCUMENTS_FAILED = 3
    STALE = 4
    REFUSED = 5
    LOCKED = 6
    STOPPED = 7
    INTEGRITY = 8
    PLAN_INVALID = 9
    USAGE = 64
    UNREACHABLE = 69
    PERMISSION_DENIED = 77
    CONFIG_INVALID = 78
    INTERRUPTED = 130
    TERMINATED = 143
