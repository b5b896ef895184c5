"""The exit codes of the contract, as numbers: taken from the page that others test against, not from the program."""

from __future__ import annotations

DONE = 0
HAS_MOVES = 2
FAILED = 3
STALE = 4
REFUSED = 5
LOCKED = 6
STOPPED = 7
INTEGRITY = 8
PLAN_INVALID = 9
USAGE = 64
UNREACHABLE = 69
DENIED = 77
CONFIG_INVALID = 78
INTERRUPTED = 130
TERMINATED = 143
