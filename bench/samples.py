"""What was measured, and the medians and ratios of it."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Sample:
    """One timed run of one contestant; seconds and bytes."""

    documents: int
    """What the case counts by: documents moved, rows looked at, or 1."""
    bytes: int
    """Payload bytes."""
    wall: float
    cpu: float
    """Of the client's process alone."""
    servers: Mapping[str, float]
    """CPU that each server took meanwhile."""
    peak_bytes: int = 0
    """Largest resident set of the client; 0 where there is no client."""
    stages: Mapping[str, float] = field(default_factory=dict)
    """Wall time of each stage, by restow's own report."""
    passed_bytes: int | None = None
    """Between client and far S3, both ways; None where it is near."""


@dataclass(frozen=True)
class CaseResult:
    """All rounds of one case. The contestants' samples stand in the order of the rounds."""

    name: str
    title: str
    samples: Mapping[str, tuple[Sample, ...]]

    def median(self, contestant: str, what: Callable[[Sample], float]) -> float:
        return statistics.median(what(sample) for sample in self.samples[contestant])

    def ratio(self, one: str, other: str, what: Callable[[Sample], float]) -> float:
        """Return the median, over the rounds, of ``one`` divided by ``other``.

        By round, because what else the machine does in a round hits both.
        """
        pairs = zip(self.samples[one], self.samples[other], strict=True)
        return statistics.median(what(mine) / what(theirs) for mine, theirs in pairs)

    def __contains__(self, contestant: str) -> bool:
        return contestant in self.samples


def wall(sample: Sample) -> float:
    return sample.wall


def cpu(sample: Sample) -> float:
    return sample.cpu


def per_second(sample: Sample) -> float:
    return sample.documents / sample.wall


def peak(sample: Sample) -> float:
    return float(sample.peak_bytes)
