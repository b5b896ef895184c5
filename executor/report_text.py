"""A report as people read it. Pure, and light: it needs neither database nor stores."""

from __future__ import annotations

from planner.visible import visible
from planner.words import counted, size
from schemas.report import Ledger, MoveReport, Report


def report_text(report: Report) -> str:
    """Return what was done, move by move: state, stages with their rates, the ledger, failures."""
    lines = [
        f"{report.command}: {report.outcome} (exit code {report.exit_code})",
        f"{report.started} to {report.ended}, plan {report.plan_digest}",
    ]
    if report.hint:
        lines.append(f"next: {report.hint}")
    for move in report.moves:
        lines += ["", *_move(move)]
    return "".join(f"{visible(line)}\n" for line in lines)


def report_markdown(report: Report) -> str:
    """Return the same for a page that shows markdown: as one fenced block, so that no name can break it."""
    text = report_text(report)
    fence = "`" * 3
    while fence in text:
        fence += "`"
    return f"{fence}text\n{text}{fence}\n"


def _move(move: MoveReport) -> list[str]:
    number = f", round {move.round}" if move.round is not None else ""
    lines = [f"{move.store}: {move.from_} → {move.to} ({move.state}{number})"]
    for stage in move.stages:
        rate = f", {stage.documents / stage.seconds:,.0f} documents/s" if stage.seconds and stage.documents else ""
        done = f"{counted(stage.documents, 'document')}, {size(stage.bytes)}, {stage.seconds} s"
        lines.append(f"  {stage.stage:6}  {done}{rate}")
    lines += _ledger(move.buckets)
    lines += [f"  kept at the source: {count:,}, {reason}" for reason, count in move.kept_sources.items()]
    if move.vacuum is not None:
        waiting = f"{size(move.vacuum.bytes)} of deleted payloads in table {move.vacuum.table} wait for VACUUM"
        lines.append(f"  {waiting}; to give the space back to the disk, run: {move.vacuum.run};")
    lines += [f"  {one.reason}: {one.document}: {one.detail}" for one in move.failures]
    if move.failures_not_listed:
        lines.append(f"  … and {move.failures_not_listed:,} more failures")
    return lines


def _ledger(buckets: tuple[Ledger, ...]) -> list[str]:
    columns = ("found", "appeared", "copied", "already there", "failed", "vanished", "accepted", "left", "unaccounted")
    table = [["bucket", *columns]]
    for one in buckets:
        counts = (one.found, one.appeared, one.copied, one.already_there, sum(one.failed.values()), one.vanished)
        table.append([one.bucket, *(f"{count:,}" for count in (*counts, one.accepted, one.left, one.unaccounted))])
    # Columns that are all zero say nothing but the first few.
    shown = [0, 1, 3, 4] + [index for index in (2, 5, 6, 7, 8, 9) if any(row[index] != "0" for row in table[1:])]
    shown.sort()
    rows = [[row[index] for index in shown] for row in table]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  " + "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows]
