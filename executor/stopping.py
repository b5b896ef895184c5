"""When a run should stop early: a first signal, a time limit, too many failures. Asked between batches."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class Stop:
    """Set once, by whoever has a reason; asked by everyone. Thread-safe."""

    def __init__(self, *, max_seconds: float | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._asked = threading.Event()
        self._reason = ""
        self.by_signal = False
        """Whether a signal has asked; a second one need not ask any more."""
        self._clock = clock
        self._deadline = None if max_seconds is None else clock() + max_seconds

    def ask(self, reason: str, *, by_signal: bool = False) -> None:
        """Ask the run to stop; the first reason stays."""
        self.by_signal = self.by_signal or by_signal
        if not self._asked.is_set():
            self._reason = reason
            self._asked.set()

    @property
    def reason(self) -> str | None:
        """Why the run should stop, None while it should not."""
        if self._asked.is_set():
            return self._reason
        if self._deadline is not None and self._clock() >= self._deadline:
            return "the time limit of --max-duration is reached"
        return None

    def pause(self, seconds: float) -> bool:
        """Wait, but no longer than until a stop is asked for; say whether one was."""
        return self._asked.wait(seconds) or self.reason is not None
