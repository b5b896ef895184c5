"""Batches of documents: cut to a bounded size, and spread over threads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TypeVar

from stores.interface import Row

B = TypeVar("B")
R = TypeVar("R")

UNKNOWN_BYTES = 1 << 20
"""Taken as the size of a payload whose row does not tell."""
TICK_SECONDS = 0.2


def expected_bytes(row: Row) -> int:
    """Return how many bytes a document's payload may take, to cut batches by."""
    return row.size if row.size is not None else UNKNOWN_BYTES


def cut(items: Iterable[B], size_of: Callable[[B], int], *, documents: int, size: int) -> Iterator[list[B]]:
    """Cut ``items`` into batches of at most so many documents and bytes; one that is larger alone is a batch alone."""
    batch: list[B] = []
    total = 0
    for item in items:
        here = size_of(item)
        if batch and (len(batch) >= documents or total + here > size):
            yield batch
            batch, total = [], 0
        batch.append(item)
        total += here
    if batch:
        yield batch


def spread(
    batches: Iterator[B],
    work: Callable[[B], R],
    *,
    jobs: int,
    stopped: Callable[[], bool],
    give_up: Callable[[int], bool] = lambda _: False,
) -> Iterator[R]:
    """Yield the result of ``work`` for each batch, as they are ready, at most ``jobs`` + 1 batches in hand.

    A batch is taken only when there is a worker for it, so memory is bounded by jobs × the largest batch. Once
    ``stopped`` says so no further batch is taken; those in hand are finished. The first exception of a worker, or an
    interrupt, is raised here after the batches being worked on have ended.

    While it waits, ``give_up`` is asked every now and then with the number of batches in hand: once it says yes they
    are waited for no longer. Their threads work on and must be ended with the process.
    """
    pool = ThreadPoolExecutor(max_workers=jobs, thread_name_prefix="worker")
    pending: set[Future[R]] = set()
    try:
        exhausted = False
        while pending or not exhausted:
            while not exhausted and len(pending) <= jobs:
                batch = None if stopped() else next(batches, None)
                if batch is None:
                    exhausted = True
                else:
                    pending.add(pool.submit(work, batch))
            if pending:
                done, pending = wait(pending, timeout=TICK_SECONDS, return_when=FIRST_COMPLETED)
                for future in done:
                    yield future.result()
                if not done and give_up(sum(map(Future.running, pending))):
                    break
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        # What was cancelled is done, but would never be told.
        working = {future for future in pending if not future.done()}
        while working and not give_up(len(working)):
            working = wait(working, timeout=TICK_SECONDS).not_done
        if not working:
            pool.shutdown()
