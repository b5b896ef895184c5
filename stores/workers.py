"""The threads that work on batches, told from others by their names. Imports nothing: every command asks at its end."""

from __future__ import annotations

import threading

WORKER = "worker"
"""What the names of the workers' threads begin with."""


def still_working() -> bool:
    """Whether there are workers in this process: at its end, those that were given up."""
    return any(thread.name.startswith(WORKER) for thread in threading.enumerate())
