"""What the text and the markdown of a plan say alike: numbers, verdict, envelope, commands. Plain, not yet escaped."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, assert_never

from planner.envelope import limit
from planner.words import counted, path_word, shell_word, size
from schemas.backend import LocalfsLocation, Location, SwiftLocation
from schemas.plan import ONLY_THE_SWITCH, BucketCounts, Counts, Envelope, Finding, Move, Plan, Severity, Transfer

SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info")
EXAMPLES = 5
"""How many examples of a finding are shown; the rest is counted."""


def value_text(value: Any) -> str:
    """Return a setting's value as one line: strings bare, absence in words, all else as JSON."""
    if value is None:
        return "(not set)"
    return value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False, sort_keys=True)


def ranked(findings: Sequence[Finding]) -> list[Finding]:
    """Return errors first, then warnings, then infos; in the plan's order otherwise."""
    return sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity))


def tally(findings: Sequence[Finding]) -> str:
    """Return ``1 error, 2 warnings, 1 info``."""
    numbers = {severity: sum(f.severity == severity for f in findings) for severity in SEVERITIES}
    nouns = [f"{n:,} info" if s == "info" else counted(n, s) for s, n in numbers.items() if n]
    return ", ".join(nouns)


def risks_headline(plan: Plan) -> str:
    if plan.findings:
        return f"Risks: {tally(plan.findings)}"
    return "Risks: none found in the configs; documents were not looked at" if plan.offline else "Risks: none found"


def verdict(plan: Plan) -> list[str]:
    """Return what the plan comes to: a headline and the sentences that qualify it."""
    if not plan.moves:
        changes = len(plan.config_changes)
        settings = [f"{counted(changes, 'setting')} will change: see the config changes."] if changes else []
        return ["Nothing to do: both configs name the same places.", *settings]
    moves = f"in {counted(len(plan.moves), 'move')}"
    if plan.totals is None:
        return [f"To move: documents not counted (offline), {moves}."]
    totals = plan.totals
    named = sorted({bucket for move in plan.moves for bucket in move.only_buckets})
    if totals.documents == 0 and named:
        return [f"To move: 0 documents, {moves}. There is none in what --bucket names: {', '.join(named)}."]
    if totals.documents == 0:
        return [f"To move: 0 documents, {moves}. There is nothing to copy; only the config changes."]
    if totals.to_copy == totals.documents:
        return [f"To move: {counted(totals.documents, 'document')} ({size(totals.bytes)}) {moves}."]
    some = f"{totals.to_copy:,} of {counted(totals.documents, 'document')}"
    headline = f"To move: {some} ({size(totals.bytes)} in all) {moves}."
    parts = [
        (totals.to_copy, "to copy"),
        (totals.at_destination, "at the destination already"),
        (totals.elsewhere, "in a third place that both configs read, where they stay"),
        (totals.unreachable, "where neither config can read them"),
        (totals.accepted, "left as they are, accepted with --ignore"),
    ]
    return [headline, "Of these: " + "; ".join(f"{n:,} {where}" for n, where in parts if n) + "."]


def taken_on(plan: Plan) -> frozenset[str]:
    """Return the codes of the findings that the plan accepts, by ``--ignore``."""
    return frozenset(entry.code for entry in plan.accepted)


def refusal(plan: Plan) -> str | None:
    """Return why apply will not take this plan; None when it will."""
    harmless = taken_on(plan) | ONLY_THE_SWITCH
    errors = sum(finding.severity == "error" and finding.code not in harmless for finding in plan.findings)
    if errors:
        return f"apply will refuse this plan: it has {counted(errors, 'error finding')}. Solve that, then plan again."
    if plan.offline:
        return "apply will refuse this plan: it was made offline. Plan again with the database within reach."
    closed = (
        why
        for move in plan.moves
        for side in (plan.source, plan.destination)
        if (why := _out_of_reach(side.store(move.store).backend.location)) is not None
    )
    return next((f"apply will refuse this plan: {why}." for why in closed), None)


def _out_of_reach(location: Location) -> str | None:
    """Say why restow cannot open the place at all."""
    match location:
        case SwiftLocation():
            return "restow does not move documents of driver swift yet"
        case LocalfsLocation(archive_data_dir=directory) if not directory.startswith("/"):
            return f"archive_data_dir {directory} is relative, and only Anchore knows to what"
        case _:
            return None


def transfer_words(transfer: Transfer) -> str:
    match transfer:
        case "stream":
            return "streamed through restow"
        case "server_side_copy":
            return "copied by the S3 server itself"
        case "in_database":
            return "copied inside PostgreSQL"
        case _:
            assert_never(transfer)


def source_words(move: Move) -> str:
    return "deleted by the clean stage" if move.delete_source else "kept"


def flags_words(move: Move) -> str:
    """Return the flags that the vendor's tool needs, as a shell takes them."""
    return " ".join(shell_word(flag) for flag in move.required_flags) or "none"


def when_words(plan: Plan) -> str:
    """Return when the snippet is due, to be put behind a statement; nothing is waited for without a move."""
    return ", once the switch is done" if plan.moves else ""


@dataclass(frozen=True, slots=True)
class Column:
    """One count of a move's table."""

    title: str
    cell: Callable[[Counts], str]


COLUMNS = (
    Column("documents", lambda counts: f"{counts.documents:,}"),
    Column("size", lambda counts: size(counts.bytes)),
    Column("to copy", lambda counts: f"{counts.to_copy:,}"),
    Column("at destination", lambda counts: f"{counts.at_destination:,}"),
)


def rare_columns(buckets: Sequence[Counts]) -> list[Column]:
    """Return the columns that only some plans need: those with a count that is not zero."""
    columns = [
        (Column("elsewhere", lambda counts: f"{counts.elsewhere:,}"), any(b.elsewhere for b in buckets)),
        (Column("unreachable", lambda counts: f"{counts.unreachable:,}"), any(b.unreachable for b in buckets)),
        (Column("accepted", lambda counts: f"{counts.accepted:,}"), any(b.accepted for b in buckets)),
        (Column("unverifiable", lambda counts: f"{counts.unverifiable:,}"), any(b.unverifiable for b in buckets)),
    ]
    return [column for column, needed in columns if needed]


def has_rare(bucket: BucketCounts) -> bool:
    return bool(bucket.elsewhere or bucket.unreachable or bucket.accepted or bucket.unverifiable)


def envelope_words(envelope: Envelope, totals: Counts | None) -> str:
    """Return how far the totals of one move may drift until apply asks for a new plan, with the actual limits."""
    if totals is None:
        return "Not approved for any number of documents: nothing was counted (offline)."
    documents = limit(totals.documents, envelope.documents_percent, envelope.documents_floor)
    amount = limit(totals.bytes, envelope.bytes_percent, envelope.bytes_floor)
    return (
        f"Approved for a drift of up to ±{counted(documents, 'document')} "
        f"({envelope.documents_percent} %, at least {envelope.documents_floor:,}) "
        f"and ±{size(amount)} ({envelope.bytes_percent} %, at least {size(envelope.bytes_floor)})."
    )


def apply_command(plan: Plan, plan_path: str) -> str:
    """Return the command that applies this plan and no other: one line, so that it can be copied from anywhere.

    Of a plan that must not be switched it is the command that copies ahead.
    """
    ahead = " --through copy" if any(finding.code in ONLY_THE_SWITCH for finding in plan.findings) else ""
    return f"restow apply {path_word(plan_path)}{ahead} --expect {shell_word(plan.plan_digest)}"
