"""How batches are spread over workers. Threads today; the stages do not know."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from executor.stopping import Stop
from stores.batches import spread

B = TypeVar("B")
R = TypeVar("R")


def run_batches(batches: Iterator[B], work: Callable[[B], R], *, jobs: int, stop: Stop) -> Iterator[R]:
    """Yield the result of ``work`` for each batch, as ``spread`` does, until a stop is asked for."""
    return spread(batches, work, jobs=jobs, stopped=lambda: stop.reason is not None, give_up=stop.give_up)
