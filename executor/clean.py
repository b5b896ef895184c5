"""Stage clean: delete the source payloads of switched documents, each only after proof that it is not needed (I3)."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from executor.engines import run_batches
from executor.evidence import Copy, mark_cleaned, shared_sources, still_switched, switched_copies
from executor.journal import hold
from executor.moving import MoveRun, Run
from executor.verify import found_at_destination
from stores.interface import DocumentName, Fault

BATCH_DOCUMENTS = 200

CHANGED = "the row changed or went since the switch"
SHARED = "another document's payload is there, or would be written there"
NOT_FOUND = "the copy is not found again at the destination"
UNDELETED = "the source did not delete it"


@dataclass
class CleanResult:
    deleted: int = 0
    deleted_bytes: int = 0
    kept: Counter[str] = field(default_factory=Counter)
    """Source payloads left in place, by reason."""
    damaged: list[tuple[DocumentName, str]] = field(default_factory=list)
    """Documents whose copy is not found again: their source is the only good one."""
    undeleted: list[tuple[DocumentName, str]] = field(default_factory=list)
    """Deletions that the source refused; the same command tries them again."""


def clean_move(run: Run, move: MoveRun) -> CleanResult:
    """Delete what the switch of this round made superfluous.

    Raises UnreachableError or DeniedError, and RefusedError when another run took over.
    """
    total = CleanResult()
    shared = shared_sources(run.database, move.ticket)
    # One deletion at a time: each holds the round's row, and while it waits for a second connection no other worker
    # may sit on one and wait for that row.
    turn = threading.Lock()

    def work(batch: Sequence[Copy]) -> CleanResult:
        return _clean_batch(run, move, shared, batch, turn)

    for result in run_batches(_batches(run, move), work, jobs=run.jobs, stop=run.stop):
        total.deleted += result.deleted
        total.deleted_bytes += result.deleted_bytes
        total.kept.update(result.kept)
        total.damaged += result.damaged
        total.undeleted += result.undeleted
    return total


def _batches(run: Run, move: MoveRun) -> Iterator[list[Copy]]:
    after: DocumentName | None = None
    while page := switched_copies(run.database, move.ticket, after, BATCH_DOCUMENTS):
        after = page[-1].name
        yield page


def _clean_batch(
    run: Run, move: MoveRun, shared: frozenset[str], batch: Sequence[Copy], turn: threading.Lock
) -> CleanResult:
    result = CleanResult()
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
        else:
            result.kept[NOT_FOUND] += 1
            result.damaged.append((copy.name, wrong))
    if proven:
        with turn:
            _delete(run, move, proven, result)
    run.progress.advance(len(batch), sum(copy.size for copy in batch))
    return result


def _delete(run: Run, move: MoveRun, proven: Sequence[Copy], result: CleanResult) -> None:
    """Delete under the fence: the round's row is locked and ours, and Anchore's rows are looked at once more."""
    with run.database.transaction() as transaction:
        hold(transaction, move.ticket)
        fitting = still_switched(transaction, move.ticket, [copy.name for copy in proven])
        doomed = [copy for copy in proven if copy.name in fitting]
        faults = move.source.delete([copy.old_url or "" for copy in doomed])
        gone = [copy for copy, fault in zip(doomed, faults, strict=True) if fault is None]
        mark_cleaned(transaction, move.ticket, [copy.name for copy in gone])
    result.kept[CHANGED] += len(proven) - len(doomed)
    for copy, fault in zip(doomed, faults, strict=True):
        if isinstance(fault, Fault):
            result.kept[UNDELETED] += 1
            result.undeleted.append((copy.name, fault.detail))
    result.deleted = len(gone)
    result.deleted_bytes = sum(copy.size for copy in gone)
