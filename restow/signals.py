"""Signals during a run: the first asks it to stop in order, the second ends the process at once."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from types import FrameType

from executor.stopping import Stop


@contextlib.contextmanager
def stop_on_signals(stop: Stop) -> Iterator[None]:
    def handle(number: int, _frame: FrameType | None) -> None:
        name = signal.Signals(number).name
        if stop.by_signal:
            os._exit(128 + number)
        stop.ask(f"by {name}", by_signal=True)
        # Not through Talk: the thread that this interrupts may be in the middle of saying something.
        with contextlib.suppress(OSError):
            os.write(2, f"{name}: finishing what is in flight; once more to stop at once\n".encode())

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
