"""How batches are spread over workers. Threads today; the stages do not know."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from executor.stopping import Stop
from stores.batches import spread

B = TypeVar("B")
R = TypeVar("R")


AT_ONCE = 8
"""Batches that are worked on at once, at the most: enough that some are read and recorded while others are written.

``--jobs`` beyond it is for the stores, which share out the documents of a batch.
"""


def at_once(jobs: int) -> int:
    return min(jobs, AT_ONCE)


def run_batches(batches: Iterator[B], work: Callable[[B], R], *, jobs: int, stop: Stop) -> Iterator[R]:
    """Yield the result of ``work`` for each batch, as ``spread`` does, until a stop is asked for."""
    return spread(batches, work, jobs=at_once(jobs), stopped=lambda: stop.reason is not None, give_up=stop.give_up)
