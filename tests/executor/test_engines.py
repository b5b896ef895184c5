"""Batches over workers: all of them, never more in hand than workers, and a stop takes no further one."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from executor import stopping
from executor.engines import run_batches
from executor.stopping import Stop


def test_each_batch_is_worked_on_once() -> None:
    assert sorted(run_batches(iter(range(100)), lambda n: n * 2, jobs=7, stop=Stop())) == [n * 2 for n in range(100)]


def test_no_batch_is_taken_before_there_is_a_worker_for_it() -> None:
    taken, finished = 0, 0
    ahead: list[int] = []
    turn = threading.Lock()

    def batches() -> Iterator[int]:
        nonlocal taken
        for number in range(50):
            with turn:
                taken += 1
                ahead.append(taken - finished)
            yield number

    def work(number: int) -> int:
        nonlocal finished
        with turn:
            finished += 1
        return number

    assert len(list(run_batches(batches(), work, jobs=4, stop=Stop()))) == 50
    assert max(ahead) <= 4 + 1 + 1


def test_a_stop_finishes_what_is_in_hand_and_takes_no_more() -> None:
    stop = Stop()

    def work(number: int) -> int:
        if number == 3:
            stop.ask("enough")
        return number

    done = list(run_batches(iter(range(1000)), work, jobs=1, stop=stop))
    assert 3 in done
    assert len(done) < 10


def test_an_error_in_a_worker_is_raised() -> None:
    def work(number: int) -> int:
        raise ZeroDivisionError(number)

    with pytest.raises(ZeroDivisionError):
        list(run_batches(iter(range(10)), work, jobs=3, stop=Stop()))


def test_a_batch_that_is_stuck_is_waited_for_a_while_and_then_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stopping, "GRACE_SECONDS", 0.3)
    stop, let_go = Stop(), threading.Event()

    def work(number: int) -> int:
        if number == 0:
            stop.ask("by SIGTERM")
            let_go.wait(60)
        return number

    try:
        done = list(run_batches(iter(range(4)), work, jobs=2, stop=stop))
    finally:
        let_go.set()
    assert 0 not in done
    assert "1 batches in flight" in str(stop.reason)


def test_an_error_does_not_wait_for_ever_for_a_batch_that_is_stuck(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stopping, "GRACE_SECONDS", 0.3)
    stop, stuck, let_go = Stop(), threading.Event(), threading.Event()

    def work(number: int) -> None:
        if number == 0:
            stuck.set()
            let_go.wait(60)
            return
        assert stuck.wait(60)
        stop.ask("by SIGTERM")
        raise ZeroDivisionError

    try:
        with pytest.raises(ZeroDivisionError):
            list(run_batches(iter(range(2)), work, jobs=2, stop=stop))
    finally:
        let_go.set()


def test_a_time_limit_is_a_stop() -> None:
    now = [0.0]
    stop = Stop(max_seconds=10, clock=lambda: now[0])
    assert stop.reason is None
    now[0] = 10.0
    assert stop.reason is not None
    assert "--max-duration" in stop.reason
