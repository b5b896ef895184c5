"""Who runs when, and what is made of the rounds."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.rounds import rotated, run_case
from bench.samples import CaseResult, Sample, cpu, per_second, wall
from bench.scene import Case, Contestants, Scene

NOWHERE = cast("Scene", None)
NAMES = st.lists(st.text(min_size=1), min_size=1, max_size=8, unique=True)


def sample(seconds: float, *, cpu_seconds: float = 1.0, documents: int = 100) -> Sample:
    return Sample(documents=documents, bytes=1000, wall=seconds, cpu=cpu_seconds, servers={})


@given(NAMES)
def test_everybody_runs_in_each_round_and_is_first_equally_often(names: list[str]) -> None:
    rounds = [rotated(names, turn) for turn in range(2 * len(names))]
    assert all(sorted(one) == sorted(names) for one in rounds)
    assert sorted(one[0] for one in rounds) == sorted(names * 2)


def test_the_rounds_of_a_case_are_interleaved() -> None:
    order: list[str] = []

    def contestant(name: str) -> Callable[[], Sample]:
        def run() -> Sample:
            order.append(name)
            return sample(1.0)

        return run

    @contextlib.contextmanager
    def opened(_: Scene) -> Iterator[Contestants]:
        yield {name: contestant(name) for name in "abc"}

    result = run_case(Case("x", "X", opened), NOWHERE, 3, lambda _: None)
    assert order == list("abcbcacab")
    assert {name: len(taken) for name, taken in result.samples.items()} == {"a": 3, "b": 3, "c": 3}


@pytest.mark.parametrize(("asked", "most", "run"), [(5, None, 5), (5, 3, 3), (1, 3, 1)])
def test_a_long_case_has_fewer_rounds(asked: int, most: int | None, run: int) -> None:
    @contextlib.contextmanager
    def opened(_: Scene) -> Iterator[Contestants]:
        yield {"a": lambda: sample(1.0)}

    assert len(run_case(Case("x", "X", opened, most), NOWHERE, asked, lambda _: None).samples["a"]) == run


def test_what_else_happens_in_a_round_does_not_change_the_ratio() -> None:
    # In the second round the machine was ten times slower for both, in the third only while the other ran.
    mine, theirs = (2.0, 20.0, 2.0), (1.0, 10.0, 5.0)
    result = CaseResult("x", "X", {"a": tuple(map(sample, mine)), "b": tuple(map(sample, theirs))})
    assert result.ratio("a", "b", wall) == 2.0
    assert result.ratio("a", "b", per_second) == 0.5
    assert result.ratio("a", "b", cpu) == 1.0
    assert result.median("b", wall) == 5.0
