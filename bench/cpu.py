"""CPU time of a server and all its children, from Linux's /proc."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Process:
    pid: int
    parent: int
    seconds: float
    """Its own."""
    childrens_seconds: float
    """Of its children that have ended and were waited for."""


def parse_stat(text: str) -> Process:
    """Read one line of ``/proc/PID/stat``, see proc(5). A name may hold blanks and parentheses."""
    head, _, tail = text.rpartition(")")
    fields = tail.split()
    user, system, childrens_user, childrens_system = (int(fields[index]) for index in (11, 12, 13, 14))
    own, childrens = (user + system) / TICKS, (childrens_user + childrens_system) / TICKS
    return Process(int(head.partition("(")[0]), int(fields[1]), own, childrens)


def tree_seconds(root: int) -> float:
    """Return the CPU seconds of process ``root``, its living descendants, and all that have ended under them.

    A child that ends moves its time to its parent, so between two calls nothing is lost.
    """
    children: dict[int, list[Process]] = defaultdict(list)
    found: list[Process] = []
    for process in _processes():
        children[process.parent].append(process)
        if process.pid == root:
            found.append(process)
    total = 0.0
    while found:
        one = found.pop()
        total += one.seconds + one.childrens_seconds
        found += children[one.pid]
    return total


def _processes() -> Iterator[Process]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                yield parse_stat((entry / "stat").read_text(encoding="utf-8", errors="replace"))
            except (FileNotFoundError, ProcessLookupError):
                continue  # it has ended
