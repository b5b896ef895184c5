"""Who runs when: every contestant once a round, and each round begins with another one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from bench.samples import CaseResult, Sample
from bench.scene import Case, Scene

T = TypeVar("T")

Tell = Callable[[str], None]


def rotated(contestants: Sequence[T], turn: int) -> list[T]:
    """Return them all, beginning with another one at each turn: being first, or after a certain one, hits all alike."""
    start = turn % len(contestants)
    return [*contestants[start:], *contestants[:start]]


def run_case(case: Case, scene: Scene, rounds: int, tell: Tell) -> CaseResult:
    """Run all rounds of a case. Raises what a contestant raises: a comparison with a gap is none."""
    samples: dict[str, list[Sample]] = {}
    with case.open(scene) as contestants:
        for name in contestants:
            samples[name] = []
        for turn in range(min(rounds, case.most_rounds or rounds)):
            for name in rotated(list(contestants), turn):
                sample = contestants[name]()
                samples[name].append(sample)
                tell(f"{case.name}, round {turn + 1}: {name} {sample.wall:.2f} s, CPU {sample.cpu:.2f} s")
    return CaseResult(case.name, case.title, {name: tuple(taken) for name, taken in samples.items()})
