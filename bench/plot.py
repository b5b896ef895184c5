"""The results as a picture: a bar a contestant and case, and how time and memory grow."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from bench.moves import ALONE, BARE, FLOOR, RCLONE, RESTOW, S5CMD
from bench.samples import CaseResult, peak, per_second

COLOURS = {RESTOW: "#1f6f8b", RCLONE: "#b8b8b8", S5CMD: "#8c8c8c", FLOOR: "#e0a458", BARE: "#e0a458", ALONE: "#f0d9b5"}
GROWTH = "growth"
MOST_BARS = 5


def draw(results: Mapping[str, CaseResult], path: Path) -> None:
    """Write a PNG with a panel for each comparison, and two for the growth where it was measured."""
    from matplotlib.figure import Figure

    compared = [result for result in results.values() if RESTOW in result and len(result.samples) > 1]
    panels = len(compared) + (2 if GROWTH in results else 0)
    if not panels:
        return
    columns = min(3, panels)
    rows = -(-panels // columns)
    figure = Figure(figsize=(5.2 * columns, 2.5 * rows), layout="constrained")
    axes = [figure.add_subplot(rows, columns, number + 1) for number in range(panels)]
    for result, panel in zip(compared, axes, strict=False):
        names = list(result.samples)[::-1]
        rates = [result.median(name, per_second) for name in names]
        bars = panel.barh(names, rates, height=0.7, color=[COLOURS.get(name, "#cccccc") for name in names])
        panel.bar_label(bars, fmt="{:,.0f}", padding=2, fontsize=8)
        panel.set_title(f"{result.title}: documents a second", fontsize=9)
        panel.margins(x=0.15)
        # The same room for all, however many take part: a bar is as thick in one panel as in the next.
        panel.set_ylim(len(names) - 0.5 - MOST_BARS, len(names) - 0.5)
    if GROWTH in results:
        result = results[GROWTH]
        sizes = [taken[0].documents for taken in result.samples.values()]
        times = [1000 / result.median(name, per_second) for name in result.samples]
        memory = [result.median(name, peak) / 1e6 for name in result.samples]
        for panel, values, what in zip(axes[-2:], (times, memory), ("ms a document", "peak memory, MB"), strict=True):
            panel.plot(sizes, values, marker="o", color=COLOURS[RESTOW])
            panel.set_xscale("log")
            panel.set_xticks(sizes, [f"{size:,}" for size in sizes])
            panel.minorticks_off()
            panel.set_ylim(0, max(values) * 1.3)
            panel.set_title(f"{result.title}: {what}", fontsize=9)
            panel.set_xlabel("documents", fontsize=8)
    for panel in axes:
        panel.tick_params(labelsize=8)
        panel.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)
