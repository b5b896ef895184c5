"""What a run has done so far, kept so that a report can be written at any moment, also after a failure."""

from __future__ import annotations

import contextlib
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Literal

from executor.accounts import BucketAccount
from executor.failures import Failure
from executor.moving import MoveRun
from schemas.errors import RestowError
from schemas.exit_codes import ExitCode
from schemas.plan import Plan
from schemas.report import REPORT_VERSION, Failed, Ledger, MoveReport, Report, Stage, StageReport, State, Vacuum
from stores.interface import DocumentName
from stores.tables import TableStore

LISTED_FAILURES = 100


@dataclass
class Tally:
    """Work of one stage on one move; a stage that is entered again adds up."""

    documents: int = 0
    bytes: int = 0
    seconds: float = 0.0


@dataclass
class MoveRecord:
    """What happened to one move."""

    run: MoveRun
    state: State
    found: dict[str, int] = field(default_factory=dict)
    """Documents of the move by bucket, when the run began."""
    account: tuple[BucketAccount, ...] = ()
    """The latest count."""
    failures: list[Failure] = field(default_factory=list)
    strangers: list[Failure] = field(default_factory=list)
    """Documents at the destination already that it does not give back right."""
    strangers_seen: bool = False
    exempt: dict[str, set[DocumentName]] = field(default_factory=dict)
    """Documents whose payloads showed an accepted finding, by its code."""
    vanished: Counter[str] = field(default_factory=Counter)
    kept: Counter[str] = field(default_factory=Counter)
    emptied: bool = False
    """Whether clean has truncated the source's table."""
    stages: dict[Stage, Tally] = field(default_factory=lambda: defaultdict(Tally))

    @contextlib.contextmanager
    def timed(self, stage: Stage, clock: Callable[[], float] = time.monotonic) -> Iterator[Tally]:
        """Add the block's duration to the stage, also when an exception leaves it."""
        tally, began = self.stages[stage], clock()
        try:
            yield tally
        finally:
            tally.seconds += clock() - began

    @contextlib.contextmanager
    def counted(self, stage: Stage, done: Callable[[], tuple[int, int]]) -> Iterator[None]:
        """Add the block's duration and what it has ``done``, documents and bytes, also when an exception leaves it."""
        with self.timed(stage) as tally:
            try:
                yield
            finally:
                documents, size = done()
                tally.documents += documents
                tally.bytes += size


@dataclass
class Record:
    """What happened in one command."""

    command: str
    plan: Plan
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    moves: list[MoveRecord] = field(default_factory=list)
    outcome: str = ""
    now_reads: Literal["source", "destination"] | None = None
    """Which configuration the command left in force; None as long as it has changed none."""

    def report(self, error: RestowError | None, exit_code: ExitCode) -> Report:
        """Return the report of all this; ``error`` is what ended the command early, if it was one of ours."""
        return Report(
            format_version=REPORT_VERSION,
            command=self.command,
            plan_digest=self.plan.plan_digest,
            started=_utc(self.started),
            ended=_utc(datetime.now(UTC)),
            exit_code=int(exit_code),
            outcome=_ending(self.outcome, exit_code) if error is None else error.message,
            hint=_next_step(exit_code) if error is None else error.hint,
            moves=tuple(_move_report(move) for move in self.moves),
        )


def _ending(outcome: str, exit_code: ExitCode) -> str:
    if exit_code is ExitCode.DONE:
        return outcome
    return f"ended by an unexpected error{f'; before it: {outcome}' if outcome else ''}"


def _next_step(exit_code: ExitCode) -> str:
    return "" if exit_code is ExitCode.DONE else "see restow status, then run the same command again"


def ledgers(move: MoveRecord) -> tuple[Ledger, ...]:
    """Account for every document of the move, bucket by bucket."""
    failed: dict[str, Counter[str]] = defaultdict(Counter)
    for failure in (*move.failures, *move.strangers):
        failed[failure.name.bucket][failure.reason.value] += 1
    strange = Counter(failure.name.bucket for failure in move.strangers)
    # By their rows they have arrived; that they failed all the same is told, so they count as that.
    accounts = {
        one.bucket: replace(one, before=one.before - strange[one.bucket], pending=one.pending + strange[one.bucket])
        for one in move.account
    }
    buckets = sorted(move.found.keys() | accounts.keys() | move.vanished.keys())
    return tuple(
        bucket_ledger(bucket, move.found.get(bucket, 0), accounts.get(bucket), failed[bucket], move.vanished[bucket])
        for bucket in buckets
    )


def bucket_ledger(
    bucket: str, found: int, account: BucketAccount | None, failed: Counter[str], vanished: int
) -> Ledger:
    """Account for every document of one bucket, by the counts before and after and what was seen in between."""
    copied, before, pending = (account.by_this_run, account.before, account.pending) if account else (0, 0, 0)
    accepted = account.accepted if account else 0
    left = pending - failed.total()
    # Rows that came and went between two looks of ours show only in the balance.
    balance = copied + before + failed.total() + vanished + accepted + max(left, 0) - found
    return Ledger(
        bucket=bucket,
        found=found,
        appeared=max(balance, 0),
        copied=copied,
        already_there=before,
        failed=dict(failed),
        vanished=vanished + max(-balance, 0),
        accepted=accepted,
        left=max(left, 0),
        unaccounted=max(-left, 0),
    )


def _move_report(move: MoveRecord) -> MoveReport:
    failures: Sequence[Failure] = [*move.failures, *move.strangers]
    listed = failures[:LISTED_FAILURES]
    return MoveReport(
        store=move.run.move.store,
        shared=move.run.move.shared,
        from_=move.run.move.from_,
        to=move.run.move.to,
        round=move.run.ticket.seq,
        state=move.state,
        stages=tuple(
            StageReport(stage=stage, documents=one.documents, bytes=one.bytes, seconds=round(one.seconds, 3))
            for stage, one in move.stages.items()
        ),
        buckets=ledgers(move),
        failures=tuple(
            Failed(bucket=one.name.bucket, document=str(one.name), reason=one.reason.value, detail=one.detail)
            for one in listed
        ),
        failures_not_listed=len(failures) - len(listed),
        kept_sources={reason: count for reason, count in move.kept.items() if count},
        vacuum=_vacuum(move),
    )


def _vacuum(move: MoveRecord) -> Vacuum | None:
    # After an undo it was the copies that a clean deleted.
    store = move.run.destination if move.state == "undone" else move.run.source
    deleted = move.stages["clean"].bytes if "clean" in move.stages else 0
    if not isinstance(store, TableStore) or not deleted or move.emptied:
        return None
    return Vacuum(table=store.table, bytes=deleted, run=f"VACUUM FULL {store.table}")


def _utc(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
