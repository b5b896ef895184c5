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


def spread(batches: Iterator[B], work: Callable[[B], R], *, jobs: int, stopped: Callable[[], bool]) -> Iterator[R]:
    """Yield the result of ``work`` for each batch, as they are ready, at most ``jobs`` + 1 batches in hand.

    A batch is taken only when there is a worker for it, so memory is bounded by jobs × the largest batch. Once
    ``stopped`` says so no further batch is taken; those in hand are finished. The first exception of a worker, or an
    interrupt, is raised here after the batches being worked on have ended.
    """
    pool = ThreadPoolExecutor(max_workers=jobs, thread_name_prefix="worker")
    try:
        pending: set[Future[R]] = set()
        exhausted = False
        while pending or not exhausted:
            while not exhausted and len(pending) <= jobs:
                batch = None if stopped() else next(batches, None)
                if batch is None:
                    exhausted = True
                else:
                    pending.add(pool.submit(work, batch))
            if pending:
                done, pending = wait(pending, return_when=FIRST_COMPLETED)
                for future in done:
                    yield future.result()
    finally:
        pool.shutdown(cancel_futures=True)
