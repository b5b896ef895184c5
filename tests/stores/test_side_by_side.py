"""Requests side by side: each item once, in order, never more at a time than allowed, and none after a failure."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stores.side_by_side import SideBySide


def at_work() -> bool:
    return any(thread.name.startswith("request") for thread in threading.enumerate())


@given(most=st.integers(1, 5), items=st.lists(st.integers(), max_size=30))
def test_each_item_gets_its_own_answer(most: int, items: list[int]) -> None:
    requests = SideBySide(most)
    assert requests.each(lambda item: item + 1, items) == [item + 1 for item in items]
    requests.close()


def test_no_more_are_at_work_than_allowed_whoever_asks() -> None:
    requests = SideBySide(3)
    turn = threading.Lock()
    running = 0
    most = 0
    full = threading.Barrier(3)

    def work(_: int) -> None:
        nonlocal running, most
        with turn:
            running += 1
            most = max(most, running)
        # Nobody goes on before three are here: so they are side by side, and a fourth would be seen.
        full.wait(60)
        with turn:
            running -= 1
        full.wait(60)

    with ThreadPoolExecutor(4) as callers:
        list(callers.map(lambda _: requests.each(work, range(6)), range(4)))
    requests.close()
    assert most == 3


def test_after_a_failure_nothing_more_is_begun() -> None:
    requests = SideBySide(2)
    running: list[int] = []
    failed = threading.Event()

    def work(number: int) -> None:
        running.append(number)
        if number == 1:
            failed.set()
            raise ZeroDivisionError
        assert failed.wait(60)

    with pytest.raises(ZeroDivisionError):
        requests.each(work, range(1000))
    requests.close()
    assert len(running) < 1000


def test_once_closed_no_thread_is_left() -> None:
    requests = SideBySide(4)
    requests.each(lambda item: item, range(20))
    requests.close()
    assert not at_work()


def test_who_is_given_up_is_not_waited_for() -> None:
    requests = SideBySide(2)
    both_at_work, go_on = threading.Barrier(3), threading.Event()

    def work(_: int) -> None:
        both_at_work.wait(60)
        assert go_on.wait(60)

    caller = threading.Thread(target=lambda: requests.each(work, range(2)))
    caller.start()
    both_at_work.wait(60)
    requests.close()
    assert at_work()
    go_on.set()
    caller.join(60)
