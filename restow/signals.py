"""Signals during a run: the first asks it to stop in order, the second ends the process at once."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from types import FrameType

from executor.stopping import Stop


def stop_on_signals(stop: Stop) -> AbstractContextManager[None]:
    def handle(number: int, _frame: FrameType | None) -> None:
        name = signal.Signals(number).name
        if stop.by_signal:
            os._exit(128 + number)
        stop.ask(f"by {name}", by_signal=True)
        _say(f"{name}: finishing what is in flight; once more to stop at once")

    return _handled_by(handle)


def end_on_signals() -> AbstractContextManager[None]:
    """End the process at the first signal, its threads with it: for work that writes nothing and may hang."""

    def handle(number: int, _frame: FrameType | None) -> None:
        _say("error: interrupted")
        os._exit(128 + number)

    return _handled_by(handle)


@contextlib.contextmanager
def _handled_by(handle: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _say(text: str) -> None:
    # Not through Talk: the thread that this interrupts may be in the middle of saying something.
    with contextlib.suppress(OSError):
        os.write(2, f"{text}\n".encode())
