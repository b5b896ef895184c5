"""Requests of one backend side by side: so many at a time and no more, whoever asks for them."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


class SideBySide:
    """Threads that share out the items of each call. Thread-safe; items are begun in the order of the calls."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._pool = ThreadPoolExecutor(most, thread_name_prefix="request")
        self._lock = threading.Lock()
        self._calls = 0
        """That are being answered."""

    def each(self, work: Callable[[T], R], items: Sequence[T]) -> list[R]:
        """Return the result of ``work`` for each item, in their order.

        After an exception no further item is begun; it is raised once those at work have ended.
        """
        if self._most == 1 or len(items) < 2:
            return [work(item) for item in items]
        waiting = deque(range(len(items)))
        results: dict[int, R] = {}

        def share() -> None:
            while True:
                try:
                    index = waiting.popleft()
                except IndexError:
                    return
                try:
                    results[index] = work(items[index])
                except BaseException:
                    waiting.clear()
                    raise

        with self._lock:
            self._calls += 1
        shares = [self._pool.submit(share) for _ in range(min(self._most, len(items)))]
        wait(shares)
        with self._lock:
            self._calls -= 1
        for ended in shares:
            ended.result()
        return [results[index] for index in range(len(items))]

    def close(self) -> None:
        """End the threads; those that are at work still, because a stop has given them up, are not waited for."""
        self._pool.shutdown(wait=not self._calls, cancel_futures=True)
