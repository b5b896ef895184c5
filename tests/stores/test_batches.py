"""Batches: nothing lost, nothing too large but what is large alone, and none begun after an end."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stores.batches import cut, spread


@given(sizes=st.lists(st.integers(0, 100)), documents=st.integers(1, 5), size=st.integers(1, 120))
def test_a_cut_loses_nothing_and_keeps_to_both_bounds(sizes: list[int], documents: int, size: int) -> None:
    batches = list(cut(sizes, lambda one: one, documents=documents, size=size))
    assert [one for batch in batches for one in batch] == sizes
    assert all(len(batch) <= documents and (sum(batch) <= size or len(batch) == 1) for batch in batches)
    for batch, following in itertools.pairwise(batches):
        assert len(batch) == documents or sum(batch) + following[0] > size


def test_an_interrupt_is_raised_once_the_work_in_hand_has_ended() -> None:
    ended: list[int] = []
    working, go_on = threading.Event(), threading.Event()

    def work(number: int) -> None:
        working.set()
        assert go_on.wait(60)
        ended.append(number)

    def batches() -> Iterator[int]:
        yield 1
        assert working.wait(60)
        go_on.set()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(spread(batches(), work, jobs=2, stopped=lambda: False))
    assert ended == [1]
