"""When a run stops: who asks first is told, what is in flight has its time, and a handler never waits for a lock."""

from __future__ import annotations

import sys
import threading
from types import FrameType
from typing import Any

import pytest

from executor import stopping
from executor.stopping import GRACE_SECONDS, Stop
from schemas.errors import StoppedError


def test_nobody_has_asked() -> None:
    stop = Stop(max_seconds=1000)
    assert stop.reason is None
    assert not stop.give_up(3)
    assert not stop.pause(0.01)
    stop.rest(0.01)


def test_the_first_reason_stays() -> None:
    stop = Stop()
    stop.ask("by SIGHUP")
    stop.ask("by SIGTERM", by_signal=True)
    assert stop.reason == "by SIGHUP"
    assert stop.by_signal


@pytest.mark.parametrize("by", ["signal", "limit"])
def test_what_is_in_flight_has_its_time_and_no_more(by: str) -> None:
    now = [0.0]
    stop = Stop(max_seconds=100 if by == "limit" else None, clock=lambda: now[0])
    now[0] = 100.0
    if by == "signal":
        stop.ask("by SIGTERM")
    now[0] = 100 + GRACE_SECONDS - 0.01
    assert not stop.give_up(2)
    assert "in flight" not in str(stop.reason)
    now[0] = 100 + GRACE_SECONDS
    assert stop.give_up(2)
    assert f"2 batches in flight did not end within {GRACE_SECONDS:.0f} s" in str(stop.reason)


def test_a_pause_ends_with_the_stop() -> None:
    stop = Stop()
    threading.Timer(0.05, stop.ask, ["enough"]).start()
    assert stop.pause(600)
    with pytest.raises(StoppedError, match="stopped: enough"):
        stop.rest(600)


def test_a_handler_may_ask_wherever_it_interrupts() -> None:
    """A signal handler runs between any two steps of the thread that it interrupts, and that goes on only after it."""
    stop = Stop(max_seconds=1000)

    def handler(frame: FrameType, event: str, _: Any) -> Any:
        if event == "line":
            stop.ask("by SIGTERM", by_signal=True)
        return handler if frame.f_code.co_filename in {stopping.__file__, threading.__file__} else None

    def work() -> None:
        sys.settrace(handler)
        stop.pause(0.2)
        stop.ask("too many failures")
        stop.give_up(1)
        sys.settrace(None)

    worker = threading.Thread(target=work, daemon=True)
    worker.start()
    worker.join(timeout=10)
    assert not worker.is_alive(), "it waits for itself"
    assert stop.reason == "by SIGTERM"
