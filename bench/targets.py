"""What is promised, held against what was measured."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from bench import scale as scale_case
from bench.growth import name_of
from bench.moves import ALONE, BARE, FLOOR, RCLONE, RESTOW, S5CMD
from bench.samples import CaseResult, Sample, cpu, peak, per_second, wall
from bench.scene import Scale
from bench.start import COMMANDS

MB = 1e6
NEAR_UPLOADS = ("db-s3-mixed", "db-s3-4k")
FAR = ("far-db-s3-mixed", "far-db-s3-4k", "far-s3-s3", "far-s3-db", "far-localfs-s3")
PLANS = ("plan-db-s3", "plan-s3-s3")


@dataclass(frozen=True)
class Target:
    """One promise about one case; met when the value is not above ``at_most`` and not below ``at_least``."""

    case: str
    text: str
    value: Callable[[CaseResult], float]
    at_most: float | None = None
    at_least: float | None = None

    def met(self, value: float) -> bool:
        return (self.at_most is None or value <= self.at_most) and (self.at_least is None or value >= self.at_least)

    @property
    def limit(self) -> str:
        return f"≤ {self.at_most:g}" if self.at_most is not None else f"≥ {self.at_least:g}"


@dataclass(frozen=True)
class Verdict:
    target: Target
    value: float
    met: bool


def judge(results: Mapping[str, CaseResult], targets: Iterable[Target]) -> list[Verdict]:
    """Return the verdicts on those targets whose case was run."""
    measured = [(target, target.value(results[target.case])) for target in targets if target.case in results]
    return [Verdict(target, value, target.met(value)) for target, value in measured]


def all_targets(scale: Scale) -> list[Target]:
    few, many = scale_case.plan_name(scale.few_rows), scale_case.plan_name(scale.many_rows)
    most = (250 * MB + scale.near_jobs * 16 * MB) / MB
    found = []
    for case in NEAR_UPLOADS:
        found += [
            Target(case, "wall ÷ rclone's", _ratio(RCLONE, wall), at_most=1.0),
            Target(case, "wall ÷ s5cmd's", _ratio(S5CMD, wall), at_most=1.0),
            Target(case, "throughput ÷ the floor's", _ratio(FLOOR, per_second), at_least=0.7),
        ]
    found += [
        Target("s3-s3", "wall ÷ rclone's", _ratio(RCLONE, wall), at_most=1.0),
        Target("s3-s3", "wall ÷ s5cmd's", _ratio(S5CMD, wall), at_most=1.1),
        Target("db-db2", "wall ÷ the bare statement's", _ratio(BARE, wall), at_most=2.5),
    ]
    for case in FAR:
        found += [
            Target(case, "throughput ÷ the floor's", _ratio(FLOOR, per_second), at_least=0.8),
            Target(case, "throughput ÷ one at a time", _ratio(ALONE, per_second), at_least=40),
        ]
    found.append(Target("far-s3-s3", "bytes through the client ÷ payload bytes", _through_client, at_most=0.05))
    for documents in scale.growth:
        name = name_of(documents)
        found.append(Target("growth", f"peak memory, MB: {name}", _megabytes(name), at_most=most))
    for case in PLANS:
        found += [
            Target(case, "(many − few − 1 s) ÷ GROUP BY", _plan_growth(few, many), at_most=2),
            Target(case, f"peak memory, MB: {many}", _megabytes(many), at_most=150),
        ]
    found += [Target("start", f"CPU, s: {command}", _cpu(command), at_most=0.35) for command in COMMANDS]
    return found


def _ratio(other: str, what: Callable[[Sample], float]) -> Callable[[CaseResult], float]:
    return lambda result: result.ratio(RESTOW, other, what)


def _megabytes(contestant: str) -> Callable[[CaseResult], float]:
    return lambda result: result.median(contestant, peak) / MB


def _cpu(contestant: str) -> Callable[[CaseResult], float]:
    return lambda result: result.median(contestant, cpu)


def _through_client(result: CaseResult) -> float:
    return result.median(RESTOW, lambda sample: (sample.passed_bytes or 0) / sample.bytes)


def _plan_growth(few: str, many: str) -> Callable[[CaseResult], float]:
    def growth(result: CaseResult) -> float:
        rounds = zip(result.samples[few], result.samples[many], result.samples[scale_case.BARE], strict=True)
        above: list[float] = [(large.wall - little.wall - 1) / bare.wall for little, large, bare in rounds]
        return statistics.median(above)

    return growth
