"""Signals during a run: the first asks it to stop in order, the second ends the process at once."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from types import FrameType

from executor.stopping import Stop
from restow.talk import Talk

Handler = Callable[[int, FrameType | None], None]


def stop_on_signals(stop: Stop, talk: Talk) -> AbstractContextManager[None]:
    """Ask ``stop`` for it at the first SIGINT, SIGTERM or SIGHUP.

    SIGHUP is never the second: it comes by itself, and often twice, when a terminal or a connection goes.
    """

    def handle(number: int, _frame: FrameType | None) -> None:
        if stop.by_signal:
            os._exit(128 + number)
        name = signal.Signals(number).name
        stop.ask(f"by {name}", by_signal=True)
        _say(talk.line(f"{name}: finishing what is in flight; once more to stop at once", "warning"))

    def hang_up(_number: int, _frame: FrameType | None) -> None:
        stop.ask("by SIGHUP: the terminal, or the connection to it, is gone")

    return _handled_by({signal.SIGINT: handle, signal.SIGTERM: handle, signal.SIGHUP: hang_up})


def end_on_signals(talk: Talk) -> AbstractContextManager[None]:
    """End the process at the first signal, its threads with it: for work that writes nothing and may hang."""

    def handle(number: int, _frame: FrameType | None) -> None:
        _say(talk.line("interrupted", "error"))
        os._exit(128 + number)

    return _handled_by({signal.SIGINT: handle, signal.SIGTERM: handle})


def unwind_on_signals() -> AbstractContextManager[None]:
    """Let SIGTERM and SIGHUP end the block as Ctrl-C does: by an exception, so that it can clear up."""

    def handle(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    return _handled_by({signal.SIGTERM: handle, signal.SIGHUP: handle})


@contextlib.contextmanager
def _handled_by(handlers: Mapping[int, Handler]) -> Iterator[None]:
    # A program that was started to outlive its terminal, as by nohup, does.
    outlives = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    wanted = {number: handle for number, handle in handlers.items() if number != signal.SIGHUP or not outlives}
    before = {number: signal.signal(number, handle) for number, handle in wanted.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _say(line: str) -> None:
    # Not by Talk: the thread that this interrupts may be in the middle of saying something.
    with contextlib.suppress(OSError):
        os.write(2, f"{line}\n".encode())
