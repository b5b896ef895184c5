"""When a run should stop early: a first signal, a time limit, too many failures. Asked between batches."""

from __future__ import annotations

import time
from collections.abc import Callable

from schemas.errors import StoppedError

GRACE_SECONDS = 20.0
"""How long the batches in flight may take to end once a stop is asked for; then the run ends without them."""
TICK_SECONDS = 0.1


class Stop:
    """Set once, by whoever has a reason; asked by everyone. Thread-safe.

    Nothing here waits for a lock: a signal handler that asks may have interrupted the thread that holds it.
    """

    def __init__(self, *, max_seconds: float | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._asked: tuple[str, float] | None = None
        self._left = 0
        self.by_signal = False
        """Whether a signal has asked that need not ask any more."""
        self._clock = clock
        self._deadline = None if max_seconds is None else clock() + max_seconds

    def ask(self, reason: str, *, by_signal: bool = False) -> None:
        """Ask the run to stop; the first reason stays."""
        self.by_signal = self.by_signal or by_signal
        if self._asked is None:
            self._asked = (reason, self._clock())

    @property
    def reason(self) -> str | None:
        """Why the run should stop, None while it should not; and what it did not wait for."""
        asked = self._now()
        if asked is None:
            return None
        left = f"; {self._left} batches in flight did not end within {GRACE_SECONDS:.0f} s and are left to the next run"
        return asked[0] + (left if self._left else "")

    def give_up(self, batches: int) -> bool:
        """Say whether to wait no longer for so many batches in flight, and remember it: the reason tells."""
        asked = self._now()
        if asked is None or self._clock() < asked[1] + GRACE_SECONDS:
            return False
        self._left = batches
        return True

    def pause(self, seconds: float) -> bool:
        """Wait, but no longer than until a stop is asked for; say whether one was."""
        end = time.monotonic() + seconds
        while self.reason is None and (left := end - time.monotonic()) > 0:
            time.sleep(min(left, TICK_SECONDS))
        return self.reason is not None

    def rest(self, seconds: float) -> None:
        """Wait. Raises StoppedError as soon as a stop is asked for."""
        if self.pause(seconds):
            raise stopped(self)

    def _now(self) -> tuple[str, float] | None:
        if self._asked is None and self._deadline is not None and self._clock() >= self._deadline:
            return "the time limit of --max-duration is reached", self._deadline
        return self._asked


def stopped(stop: Stop) -> StoppedError:
    """Return the error that ends a run which was asked to stop."""
    return StoppedError(f"stopped: {stop.reason}", hint="run the same command again to go on")
