"""The question before a switch, an undo or a clean, on a terminal that may go away while it waits for an answer."""

from __future__ import annotations

import contextlib
import select
import sys

from executor.stopping import TICK_SECONDS, Stop, stopped
from planner.visible import visible

ANSWERS = {"y": True, "yes": True, "n": False, "no": False, "": False}


def ask(question: str, stop: Stop) -> bool:
    """Return the answer; the end of input is no yes. Raises StoppedError when a stop is asked for meanwhile."""
    while True:
        _show(f"{visible(question)} [y/N]: ")
        said = _line(stop)
        answer = ANSWERS.get(said.strip().lower())
        if answer is not None:
            return answer
        _show("answer y or n\n")


def _line(stop: Stop) -> str:
    # A read alone would go on after a signal.
    while stop.reason is None:
        ready, _, _ = select.select([sys.stdin], [], [], TICK_SECONDS)
        if ready:
            with contextlib.suppress(OSError):
                said = sys.stdin.readline()
                if said:
                    return said
            if sys.stdin.isatty():
                return ""
            stop.ask("the terminal is gone")
    raise stopped(stop)


def _show(text: str) -> None:
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(text)
        sys.stderr.flush()
