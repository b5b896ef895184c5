"""A plan as markdown for a pull request: verdict and risks first, details folded, short enough for a comment."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from planner.render_budget import NOTE, Section, compose, fixed, keep
from planner.render_escape import clip, code, fence, longest_run, prose, row, table
from planner.render_flow import flow_chart
from planner.render_parts import (
    COLUMNS,
    EXAMPLES,
    apply_command,
    envelope_words,
    flags_words,
    ranked,
    rare_columns,
    refusal,
    risks_headline,
    source_words,
    taken_on,
    tally,
    transfer_words,
    value_text,
    verdict,
    when_words,
)
from planner.render_text import snippet_place, snippet_yaml
from planner.words import counted, path_word
from schemas.plan import Counts, Finding, Move, Plan

LIMIT = 60_000
"""Characters of a page, and less than that. Code hosts refuse comments of 65,536."""
_LONGEST_COMMAND = 6_000
_LONGEST_LINE = 2_000
_LONGEST_NAME = 120
_LEAST = 1_000
_LEAST_MOVE = 3_000
"""Holds the words about one move whatever its names, the head of its table, and the note of what was left out."""
_SHORTER = ((4_000, EXAMPLES), (1_000, EXAMPLES), (400, 3), (200, 1))
"""How findings become shorter, all alike, before one of them is left out: characters of a message, examples."""


def render_markdown(plan: Plan, *, plan_path: str = "plan.json") -> str:
    """Return a page of less than 60,000 characters, whatever the plan, with a newline at the end.

    What does not fit is counted, with the command that shows it; details go first, risks last. ``plan_path`` is the
    file that the commands name.
    """
    page = _Page(plan, plan_path)
    sections = [
        fixed(page.head()),
        Section(rank=1, least=_LEAST, write=page.risks),
        Section(rank=2, least=2 * _LEAST_MOVE + NOTE, write=page.moves),
        fixed(fence(flow_chart(plan), "mermaid") if plan.moves else ""),
        fixed(page.next_step()),
        Section(rank=3, least=_LEAST, write=page.changes),
        Section(rank=4, least=_LEAST, write=page.snippet),
        Section(rank=5, least=_LEAST, write=page.vendor),
    ]
    return compose(sections, LIMIT - 2) + "\n"


@dataclass(frozen=True, slots=True)
class _Page:
    """The sections of one plan's page. Those with a budget keep to it from ``_LEAST`` characters on."""

    plan: Plan
    plan_path: str

    def head(self) -> str:
        plan = self.plan
        headline, *sentences = verdict(plan)
        if (reason := refusal(plan)) is not None:
            sentences.append(f"**{reason}**")
        where = f"{code(plan.source.config, _LONGEST_NAME)} → {code(plan.destination.config, _LONGEST_NAME)}"
        if (database := plan.database) is not None:
            host = code(f"{database.host}:{database.port}", _LONGEST_NAME)
            where += f", database {code(database.name, _LONGEST_NAME)} at {host}"
        return "\n\n".join([f"## {headline.rstrip('.')}", *sentences, where])

    def risks(self, budget: int) -> str:
        head = f"### {risks_headline(self.plan)}\n\n"
        room = budget - len(head)
        findings, taken = ranked(self.plan.findings), taken_on(self.plan)
        accepted = [f"- accepted with `--ignore`: {code(a.code, 80)} × {a.count:,}" for a in self.plan.accepted]
        entries: list[str] = []
        for limit, examples in ((room, EXAMPLES), *_SHORTER):
            if limit > _SHORTER[-1][0] and sum(min(len(finding.message), limit) for finding in findings) > room:
                continue  # what is too long as it is gets no shorter by markup
            entries = [_finding(one, limit, examples, accepted=one.code in taken) for one in findings] + accepted
            if sum(len(entry) + 1 for entry in entries) <= room:
                break
        kept = keep(entries, room)
        if len(kept) < len(entries):
            left = tally(findings[len(kept) :]) or "accepted ones"
            kept.append(f"- … and {len(entries) - len(kept):,} more ({left}), {self._see()}")
        return (head + "\n".join(kept)).rstrip()

    def moves(self, budget: int) -> str:
        moves = self.plan.moves
        shown = min(len(moves), (budget - NOTE) // _LEAST_MOVE)
        parts: list[str] = []
        room = budget - NOTE
        for index in range(shown):
            parts.append(self._move(index, room // (shown - index) - 2))
            room -= len(parts[-1]) + 2
        if shown < len(moves):
            parts.append(f"… and {counted(len(moves) - shown, 'move')} more, {self._see()}")
        return "\n\n".join(parts)

    def _move(self, index: int, budget: int) -> str:
        move = self.plan.moves[index]
        title = f"### Move {index + 1} of {len(self.plan.moves)}: {' and '.join(f'`{s}`' for s in move.stores)}"
        facts = [
            f"{code(move.from_, _LONGEST_NAME)} → {code(move.to, _LONGEST_NAME)}.",
            f"Payloads are {transfer_words(move.transfer)}; the source is {source_words(move)}.",
        ]
        if move.only_buckets:
            facts.append(f"Only these buckets (`--bucket`): {code(', '.join(move.only_buckets), _LONGEST_NAME)}.")
        facts.append(envelope_words(self.plan.envelope, move.totals))
        words = f"{title}\n\n{' '.join(facts)}\n\n"
        return words + self._counts(move, budget - len(words))

    def _counts(self, move: Move, budget: int) -> str:
        if move.totals is None:
            return "Documents are not counted (offline)."
        if not move.buckets:
            return "0 documents: nothing to copy."
        columns = [*COLUMNS, *rare_columns([*move.buckets, move.totals])]

        def line(name: str, counts: Counts) -> str:
            return row([name, *(column.cell(counts) for column in columns)])

        header = ["bucket", *(column.title for column in columns)]
        total = line("**total**", move.totals)
        room = budget - len(table(header, [total], numbers=True)) - 1
        rows = [line(code(bucket.bucket, _LONGEST_NAME), bucket) for bucket in move.buckets]
        kept = keep(rows, room)
        text = table(header, [*kept, total], numbers=True)
        left = len(rows) - len(kept)
        return f"{text}\n\n… and {counted(left, 'bucket')} more, {self._see()}" if left else text

    def next_step(self) -> str:
        plan = self.plan
        if refusal(plan) is not None:
            return f"Plan digest: {code(plan.plan_digest)}"
        if not plan.moves:
            return "There is nothing to apply."
        command = apply_command(plan, self.plan_path)
        if len(command) > _LONGEST_COMMAND:
            command = apply_command(plan, "PLAN")
            return f"Apply exactly this plan, whose path is too long for this page, with:\n\n{fence(command, 'sh')}"
        return f"Apply exactly this plan with:\n\n{fence(command, 'sh')}"

    def changes(self, budget: int) -> str:
        changes = self.plan.config_changes
        rows = []
        for change in changes:
            sides = ["(changed)"] * 2
            if not change.changed:
                sides = [code(value_text(value), _LONGEST_NAME) for value in (change.before, change.after)]
            rows.append(row([code(change.path), *sides]))
        header = ["setting", "before", "after"]

        def body(kept: Sequence[str]) -> str:
            return table(header, kept, numbers=False)

        return self._folded(f"Config changes: {len(changes):,}", rows, body, budget, "change")

    def snippet(self, budget: int) -> str:
        lines = [clip(line, _LONGEST_LINE) for line in snippet_yaml(self.plan).split("\n")] if self.plan.snippet else []

        def body(kept: Sequence[str]) -> str:
            where = prose(f"Set {snippet_place(self.plan)}:", _LONGEST_LINE)
            return f"{where}\n\n{fence(chr(10).join(kept), 'yaml')}"

        return self._folded(f"Snippet: what must be set{when_words(self.plan)}", lines, body, budget, "line")

    def vendor(self, budget: int) -> str:
        entries = [_vendor(index, move) for index, move in enumerate(self.plan.moves, start=1)]
        return self._folded("The same with the vendor's tool", entries, "\n\n".join, budget - len(entries), "move")

    def _folded(
        self, summary: str, lines: Sequence[str], body: Callable[[Sequence[str]], str], budget: int, noun: str
    ) -> str:
        """A folded part of the page around the ``lines`` that fit; empty without any. A cut is told unfolded."""
        if not lines:
            return ""
        head, end = f"<details><summary>{summary}</summary>\n\n", "\n\n</details>"
        marks = 2 * max(longest_run(line) for line in lines)
        kept = keep(lines, budget - len(head) - len(body([])) - marks - len(end))
        text = f"{head}{body(kept)}{end}"
        left = len(lines) - len(kept)
        return f"{text}\n\n{summary}: {counted(left, noun)} cut, {self._see()}" if left else text

    def _see(self) -> str:
        path = path_word(self.plan_path)
        command = f"restow show {path if len(path) <= 60 else 'PLAN'} --format text"
        return f"all of it: {code(command)}"


def _finding(finding: Finding, limit: int, examples: int, *, accepted: bool) -> str:
    times = f" × {finding.count:,}" if finding.count else ""
    mark = ", accepted" if accepted else ""
    head = f"- **{finding.severity}**{mark} {code(finding.code, 80)}{times}: {prose(finding.message, limit)}"
    shown = finding.examples[:examples]
    names = [f"  - {code(name, limit)}" for name in shown]
    left = max(finding.count, len(finding.examples)) - len(shown)
    more = [f"  - … and {left:,} more"] if shown and left > 0 else []
    return "\n".join([head, *names, *more])


def _vendor(index: int, move: Move) -> str:
    flags = code(flags_words(move)) if move.required_flags else "none"
    return f"Move {index}: flags that it needs: {flags}. The whole command:\n\n{fence(move.equivalent_command, 'sh')}"
