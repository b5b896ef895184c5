"""A plan as plain text for a terminal: verdict, risks, moves, settings, and the command that applies it.

Nothing is cut but long lists of examples. Lines keep to the width, save for what is there to be copied: commands and
names of documents stand on one line however long, and the snippet keeps its form.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import assert_never

import yaml

from planner.file_forms import catalog_path
from planner.render_parts import (
    COLUMNS,
    EXAMPLES,
    Column,
    apply_command,
    envelope_words,
    flags_words,
    has_rare,
    ranked,
    rare_columns,
    refusal,
    risks_headline,
    source_words,
    taken_on,
    transfer_words,
    value_text,
    verdict,
    when_words,
)
from planner.render_table import fits, table, wrap
from planner.visible import visible
from planner.words import counted
from schemas.plan import BucketCounts, ConfigChange, Finding, Move, Plan

_INDENT = "  "


def render_text(plan: Plan, *, width: int = 80, plan_path: str = "plan.json") -> str:
    """Return the whole plan as lines of at most ``width`` cells (80 or more), with a newline at the end.

    ``plan_path`` is the file that the apply command names. Control characters in names appear as escapes.
    """
    blocks = [
        _verdict(plan, width),
        _findings(plan, width),
        *(_move(plan, index, width) for index in range(len(plan.moves))),
        _changes(plan.config_changes, width),
        _snippet(plan, width),
        _next_step(plan, plan_path, width),
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def snippet_yaml(plan: Plan) -> str:
    """Return the snippet as YAML in ASCII: what is not goes into YAML's own escapes."""
    return yaml.safe_dump(plan.document()["snippet"], default_flow_style=False, width=1 << 20).rstrip("\n")


def snippet_place(plan: Plan) -> str:
    """Return where the snippet goes, by the form of the destination's file: ``under services.catalog of …``."""
    head = f"under {'.'.join(catalog_path(plan.destination.form))}"
    match plan.destination.form:
        case "config":
            return f"{head} of every config.yaml that has this section"
        case "helm":
            return f"{head} in the values of the Helm chart"
        case "helm-job":
            return f"{head} in the values of the Helm chart, osaaMigrationJob.enabled being false"
        case _:
            assert_never(plan.destination.form)


def _verdict(plan: Plan, width: int) -> list[str]:
    configs = f"{visible(plan.source.config)} → {visible(plan.destination.config)}"
    database = plan.database
    place = f", database {visible(database.name)} at {visible(database.host)}:{database.port}" if database else ""
    sentences = [*verdict(plan), *filter(None, [refusal(plan)]), configs + place]
    return [line for sentence in sentences for line in wrap(sentence, width)]


def _findings(plan: Plan, width: int) -> list[str]:
    lines = wrap(risks_headline(plan), width)
    accepted = taken_on(plan)
    for finding in ranked(plan.findings):
        lines += _finding(finding, width, accepted=finding.code in accepted)
    for entry in plan.accepted:
        words = f"accepted with --ignore: {visible(entry.code)} × {entry.count:,}"
        lines += wrap(words, width, first=_INDENT, rest=_INDENT * 2)
    return lines


def _finding(finding: Finding, width: int, *, accepted: bool) -> list[str]:
    times = f" × {finding.count:,}" if finding.count else ""
    title = f"{finding.severity.upper()} {visible(finding.code)}{times}{', accepted' if accepted else ''}"
    head = wrap(title, width, first=_INDENT, rest=_INDENT * 2)
    message = wrap(visible(finding.message), width, first=_INDENT * 2)
    shown = finding.examples[:EXAMPLES]
    examples = [f"{_INDENT * 2}- {visible(name)}" for name in shown]
    left = max(finding.count, len(finding.examples)) - len(shown)
    more = [f"{_INDENT * 2}- … and {left:,} more"] if shown and left > 0 else []
    return [*head, *message, *examples, *more]


def _move(plan: Plan, index: int, width: int) -> list[str]:
    move = plan.moves[index]
    title = f"Move {index + 1} of {len(plan.moves)}: {' and '.join(move.stores)}"
    facts = [f"Payloads are {transfer_words(move.transfer)}; the source is {source_words(move)}."]
    if move.only_buckets:
        facts.append(f"Only these buckets (--bucket): {visible(', '.join(move.only_buckets))}.")
    facts.append(envelope_words(plan.envelope, move.totals))
    return [
        *wrap(title, width, rest=_INDENT),
        *wrap(f"{visible(move.from_)} → {visible(move.to)}", width, first=_INDENT),
        *_paragraph(facts, width),
        "",
        *_counts(move, width),
        "",
        *wrap(f"Flags that the vendor's tool needs: {flags_words(move)}. The whole command:", width, first=_INDENT),
        _INDENT + visible(move.equivalent_command),
    ]


def _counts(move: Move, width: int) -> list[str]:
    """The table of a move; where its rare columns leave no room for names, they become a second table."""
    if move.totals is None:
        return [f"{_INDENT}Documents are not counted (offline)."]
    if not move.buckets:
        return [f"{_INDENT}0 documents: nothing to copy."]
    room = width - len(_INDENT)
    rare = rare_columns([*move.buckets, move.totals])
    whole = _table(move, move.buckets, [*COLUMNS, *rare])
    if not rare or fits(*whole, room):
        return _indented(table(*whole, room))
    troubled = [bucket for bucket in move.buckets if has_rare(bucket)]
    return _indented(
        [
            *table(*_table(move, move.buckets, COLUMNS), room),
            "",
            f"Of these, in {counted(len(troubled), 'bucket')}:",
            *table(*_table(move, troubled, rare), room),
        ]
    )


def _table(move: Move, buckets: Sequence[BucketCounts], columns: Sequence[Column]) -> tuple[list[str], list[list[str]]]:
    rows = [[visible(bucket.bucket), *(column.cell(bucket) for column in columns)] for bucket in buckets]
    totals = move.totals
    total = [["total", *(column.cell(totals) for column in columns)]] if totals else []
    return ["bucket", *(column.title for column in columns)], [*rows, *total]


def _changes(changes: Sequence[ConfigChange], width: int) -> list[str]:
    lines = [f"Config changes: {len(changes):,}"] if changes else []
    for change in changes:
        values = "(changed)" if change.changed else f"{value_text(change.before)} → {value_text(change.after)}"
        lines += wrap(visible(f"{change.path}: {values}"), width, first=_INDENT, rest=_INDENT * 2)
    return lines


def _snippet(plan: Plan, width: int) -> list[str]:
    if not plan.snippet:
        return []
    head = f"What must stand {snippet_place(plan)}{when_words(plan)}:"
    return [*wrap(head, width), *_indented(snippet_yaml(plan).split("\n"))]


def _next_step(plan: Plan, plan_path: str, width: int) -> list[str]:
    if refusal(plan) is not None:
        return wrap(f"Plan digest: {visible(plan.plan_digest)}", width)
    if not plan.moves:
        return wrap("There is nothing to apply.", width)
    return ["Apply exactly this plan with:", _INDENT + apply_command(plan, plan_path)]


def _paragraph(sentences: Iterable[str], width: int) -> list[str]:
    return [line for sentence in sentences for line in wrap(sentence, width, first=_INDENT)]


def _indented(lines: Iterable[str]) -> list[str]:
    return [_INDENT + line if line else "" for line in lines]
