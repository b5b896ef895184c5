"""Documents that are at the destination although no copy of ours put them there: of an earlier tool, say.

Their rows say that the new configuration will read them. Nobody has looked, so verify does, once in a run.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from executor.audit import Unreadable, examine
from executor.copy import Failure
from executor.engines import run_batches
from executor.moving import MoveRun, Run
from stores.interface import DocumentName, Reason, Row

BATCH_DOCUMENTS = 200


def unreadable_strangers(run: Run, move: MoveRun) -> list[Failure]:
    """Return those that the destination does not give back as their rows say."""
    if move.route.same_urls:
        return []

    def work(rows: Sequence[Row]) -> list[Unreadable]:
        return examine(move.destination, rows, full=run.full)[0]

    found = run_batches(_batches(run, move), work, jobs=run.jobs, stop=run.stop)
    return [_failure(one) for part in found for one in part]


def _batches(run: Run, move: MoveRun) -> Iterator[list[Row]]:
    after: DocumentName | None = None
    while page := run.journal.strangers(move.route, move.ticket, after, BATCH_DOCUMENTS):
        after = page[-1].name
        yield page


def _failure(one: Unreadable) -> Failure:
    reasons = {"missing": Reason.MISSING, "corrupt": Reason.CORRUPT, "unreachable": Reason.REFUSED}
    return Failure(one.name, reasons[one.trouble], f"at the destination already, but {one.detail}")
