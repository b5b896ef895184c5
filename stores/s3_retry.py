"""What a request may cost, and when requests that come to nothing mean that it is the backend.

The clients' own retries are off: they differ in what they try again, neither does when the reply breaks off in the
middle or says BadDigest, and neither waits as a ``Retry-After`` says, which obstore does not even tell.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeVar

from stores.s3_errors import FAILURES, answer_of

T = TypeVar("T")

Work = Literal["read", "look at", "write", "delete"]


@dataclass(frozen=True, slots=True)
class Budget:
    """One for each request, whichever client carries it: every request may be sent twice."""

    retries: int
    seconds: float
    """No retry begins later than this after the first failure, so that a long transfer too gets another try."""
    first_pause: float
    """Seconds; each pause is twice the one before, and any is cut by up to a half, so that workers do not march."""
    longest_pause: float

    def spend(self, request: Callable[[], T]) -> T:
        """Return the answer, or raise the last failure: at once when another try cannot help."""
        deadline: float | None = None
        for attempt in range(self.retries):
            try:
                return request()
            except FAILURES as failure:
                if not answer_of(failure).may_pass:
                    raise
                pause = min(self.longest_pause, self.first_pause * 2**attempt) * (0.5 + secrets.randbelow(501) / 1000)
                now = time.monotonic()
                deadline = deadline or now + self.seconds
                if now + pause > deadline:
                    raise
                time.sleep(pause)
        return request()


class Losses:
    """How many requests of each kind have come to nothing since the last that was answered. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._in_a_row: Counter[Work] = Counter()

    def add(self, kind: Work) -> int:
        with self._lock:
            self._in_a_row[kind] += 1
            return self._in_a_row[kind]

    def end(self, kind: Work) -> None:
        """Record that one was answered."""
        if self._in_a_row[kind]:
            with self._lock:
                self._in_a_row[kind] = 0
