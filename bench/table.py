"""The results as Markdown: a table a case, and one of what was promised."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence

from bench.moves import RESTOW
from bench.samples import CaseResult, Sample, cpu, peak, per_second, wall
from bench.targets import Verdict

COLUMNS = (
    "", "wall s", "a second", "CPU s", "CPU ms each", "servers' CPU s", "peak MB", "restow's wall ÷", "restow's CPU ÷"
)  # fmt: skip
NOTHING = "–"


def case_text(result: CaseResult) -> str:
    """Return one case's table: medians over the rounds, and the medians of each round's ratios."""
    rows = [_row(result, contestant) for contestant in result.samples]
    text = f"### {result.title} (`{result.name}`, {_about(result)})\n\n{markdown(COLUMNS, rows)}"
    stages = [line for contestant in result.samples if (line := _stages(result, contestant))]
    return "\n".join([text, *stages])


def verdict_text(verdicts: Iterable[Verdict]) -> str:
    """Return the table of promises."""
    rows = [
        (one.target.case, one.target.text, number(one.value), one.target.limit, "yes" if one.met else "NO")
        for one in verdicts
    ]
    return "### Promises\n\n" + markdown(("case", "what", "measured", "promised", "kept"), rows)


def markdown(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table whose columns line up, all but the first to the right."""
    widths = [max(len(row[index]) for row in (columns, *rows)) for index in range(len(columns))]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    lines = []
    for first, *others in (columns, rule, *rows):
        cells = [first.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True))]
        lines.append("| " + " | ".join(cells) + " |\n")
    return "".join(lines)


def number(value: float) -> str:
    """Return a number with three digits that count."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _row(result: CaseResult, contestant: str) -> tuple[str, ...]:
    def median(what: Callable[[Sample], float]) -> str:
        value = result.median(contestant, what)
        return number(value) if value else NOTHING

    return (
        contestant,
        median(wall),
        median(per_second),
        median(cpu),
        median(lambda sample: 1000 * sample.cpu / sample.documents),
        median(lambda sample: sum(sample.servers.values())),
        median(lambda sample: peak(sample) / 1e6),
        _ratio(result, contestant, wall),
        _ratio(result, contestant, cpu),
    )


def _ratio(result: CaseResult, contestant: str, what: Callable[[Sample], float]) -> str:
    samples = result.samples[contestant]
    if contestant == RESTOW or RESTOW not in result.samples or not all(what(sample) for sample in samples):
        return NOTHING
    if samples[0].documents != result.samples[RESTOW][0].documents:
        return NOTHING
    return number(result.ratio(RESTOW, contestant, what))


def _about(result: CaseResult) -> str:
    first = next(iter(result.samples.values()))
    rounds = f"median of {len(first)}" if len(first) > 1 else "one run"
    if RESTOW not in result.samples:
        return rounds
    return f"{first[0].documents:,} documents, {first[0].bytes / 1e6:,.0f} MB, {rounds}"


def _stages(result: CaseResult, contestant: str) -> str:
    """Say where restow's time went, by its own report; what is left is its start and its gates."""
    samples = result.samples[contestant]
    if not samples[0].stages:
        return ""
    seconds = {stage: statistics.median(one.stages[stage] for one in samples) for stage in samples[0].stages}
    rest = result.median(contestant, lambda one: one.wall - sum(one.stages.values()))
    told = ", ".join(f"{stage} {number(value)} s" for stage, value in {**seconds, "else": rest}.items())
    return f"Stages of {contestant}: {told}.\n"
