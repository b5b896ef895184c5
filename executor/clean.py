"""Stage clean: delete the source payloads of switched documents, each only after proof that it is not needed (I3).

Anchore may be running under the new configuration. It writes a payload first and its row in a later transaction, so a
copy that does not fit its row may be a write in motion: only what stays wrong while its row stays the same is damage.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Generic, TypeVar

from executor.copy import SETTLE_PASSES, SETTLE_SECONDS
from executor.emptying import empty_table, table_to_empty
from executor.engines import run_batches
from executor.evidence import Copy, mark_cleaned, shared_sources, still_switched, switched_pages
from executor.fence import hold
from executor.moving import MoveRun, Run
from executor.verify import found_at_destination
from stores.database import Transaction
from stores.interface import DocumentName, Fault, Reason
from stores.tables import TableStore

T = TypeVar("T")

BATCH_DOCUMENTS = 200

CHANGED = "the row changed or went since the switch"
SHARED = "another document's payload is there, or would be written there"
NOT_FOUND = "the copy is not found again at the destination"
UNSEEN = "the destination does not say whether it has the copy"
UNDELETED = "the source did not delete it"


@dataclass
class CleanResult:
    deleted: int = 0
    deleted_bytes: int = 0
    """As stored at the source."""
    kept: Counter[str] = field(default_factory=Counter)
    """Source payloads left in place, by reason."""
    damaged: list[tuple[DocumentName, str]] = field(default_factory=list)
    """Documents whose copy is not found again: their source is the only good one."""
    unseen: list[tuple[DocumentName, str]] = field(default_factory=list)
    """Documents whose copy cannot be looked at; the same command tries again."""
    undeleted: list[tuple[DocumentName, str]] = field(default_factory=list)
    """Deletions that the source refused; the same command tries them again."""
    emptied: bool = False
    """Whether the source's table was truncated as a whole."""

    @property
    def failed(self) -> int:
        return len(self.damaged) + len(self.unseen) + len(self.undeleted)


def clean_move(run: Run, move: MoveRun, total: CleanResult) -> None:
    """Delete what the switch of this round made superfluous; what is kept is what the last pass kept.

    ``total`` is true also when something ends this. Raises UnreachableError or DeniedError, and RefusedError when
    another run took over.
    """
    table = table_to_empty(run, move)
    if table is not None and _at_once(run, move, table, total):
        return
    passes = Passes[DocumentName]()
    delete = True
    while True:
        total.kept, total.damaged, total.unseen, total.undeleted = Counter(), [], [], []
        _one_pass(run, move, total, delete=delete)
        too_many = total.failed > run.max_failures
        again = passes.another({name for name, _ in total.damaged}) and not run.stop.reason
        looked_only, delete = not delete, not too_many
        if looked_only and delete:  # what was in doubt had been in motion
            continue
        if not again or run.stop.pause(SETTLE_SECONDS):
            return


class Passes(Generic[T]):
    """How often to look again while Anchore writes: what is in doubt for the first time may be in motion."""

    def __init__(self) -> None:
        self._made = 0
        self._before: AbstractSet[T] = frozenset()

    def another(self, doubtful: AbstractSet[T]) -> bool:
        """Whether to make one more pass after one that left these in doubt."""
        self._made += 1
        settled = doubtful <= self._before
        self._before = doubtful
        most = SETTLE_PASSES if settled else 2 * SETTLE_PASSES
        return bool(doubtful) and self._made < most


def _at_once(run: Run, move: MoveRun, table: TableStore, total: CleanResult) -> bool:
    """Prove all copies, then empty the source's table; False: there is a reason to look at each document by itself."""
    shared = shared_sources(run.database, move.ticket)
    deleted = size = 0

    def work(batch: Sequence[Copy]) -> tuple[list[Copy], CleanResult]:
        result = CleanResult()
        return _prove(move, shared, batch, result), result

    pages = switched_pages(run.database, move.ticket, BATCH_DOCUMENTS)
    for proven, result in run_batches(pages, work, jobs=run.jobs, stop=run.stop):
        if result.kept.total():
            return False
        deleted += len(proven)
        size += sum(copy.source_size for copy in proven)
    if run.stop.reason is not None or not empty_table(run, move, table, deleted):
        return False
    run.progress.advance(deleted, size)
    total.deleted, total.deleted_bytes, total.emptied = deleted, size, True
    return True


def _one_pass(run: Run, move: MoveRun, total: CleanResult, *, delete: bool) -> None:
    """Go through all that is switched, as long as not too much of it is wrong; only look without ``delete``.

    A destination that has lost so much may be losing the rest: its sources are not to go too.
    """
    shared = shared_sources(run.database, move.ticket)
    # One deletion at a time: each holds the round's row, and while it waits for a second connection no other worker
    # may sit on one and wait for that row.
    turn = threading.Lock()

    def work(batch: Sequence[Copy]) -> CleanResult:
        return _clean_batch(run, move, shared, batch, turn if delete else None)

    pages = takewhile(
        lambda _: total.failed <= run.max_failures, switched_pages(run.database, move.ticket, BATCH_DOCUMENTS)
    )
    for result in run_batches(pages, work, jobs=run.jobs, stop=run.stop):
        total.deleted += result.deleted
        total.deleted_bytes += result.deleted_bytes
        total.kept.update(result.kept)
        total.damaged += result.damaged
        total.unseen += result.unseen
        total.undeleted += result.undeleted


def _clean_batch(
    run: Run, move: MoveRun, shared: frozenset[str], batch: Sequence[Copy], turn: threading.Lock | None
) -> CleanResult:
    """``turn``: to delete in; None: only look."""
    result = CleanResult()
    proven = _prove(move, shared, batch, result)
    if proven and turn is not None:
        with turn:
            _delete(run, move, proven, result)
    run.progress.advance(result.deleted, result.deleted_bytes)
    return result


def _prove(move: MoveRun, shared: frozenset[str], batch: Sequence[Copy], result: CleanResult) -> list[Copy]:
    """Return the copies whose sources are not needed; tell the ``result`` why the others are kept."""
    candidates = []
    for copy in batch:
        if not copy.fits:
            result.kept[CHANGED] += 1
        elif copy.old_url in shared:
            result.kept[SHARED] += 1
        else:
            candidates.append(copy)
    proven = []
    for copy, wrong in zip(candidates, found_at_destination(move, candidates), strict=True):
        if wrong is None:
            proven.append(copy)
        elif wrong.reason is Reason.UNAVAILABLE:
            result.kept[UNSEEN] += 1
            result.unseen.append((copy.name, wrong.detail))
        else:
            result.kept[NOT_FOUND] += 1
            result.damaged.append((copy.name, wrong.detail))
    return proven


def _delete(run: Run, move: MoveRun, proven: Sequence[Copy], result: CleanResult) -> None:
    """Delete under the fence: the round's row is locked and ours, and Anchore's rows are looked at once more."""

    def work(transaction: Transaction) -> list[tuple[Copy, Fault | None]]:
        hold(transaction, move.ticket)
        fitting = still_switched(transaction, move.ticket, [copy.name for copy in proven])
        doomed = [copy for copy in proven if copy.name in fitting]
        faults = move.source.delete([copy.old_url or "" for copy in doomed])
        answers = list(zip(doomed, faults, strict=True))
        mark_cleaned(transaction, move.ticket, [copy.name for copy, fault in answers if fault is None])
        return answers

    answers = run.database.run(work)
    result.kept[CHANGED] += len(proven) - len(answers)
    for copy, fault in answers:
        if fault is None:
            result.deleted += 1
            result.deleted_bytes += copy.source_size
        else:
            result.kept[UNDELETED] += 1
            result.undeleted.append((copy.name, fault.detail))
