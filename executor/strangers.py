"""Documents that are at the destination although no copy of ours put them there: of an earlier tool, say.

Their rows say that the new configuration will read them. Nobody has looked, so verify does, once in a run.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from executor.copy import BATCH_BYTES
from executor.engines import run_batches
from executor.failures import Failure
from executor.moving import MoveRun, Run
from stores.batches import cut, expected_bytes
from stores.examine import Unreadable, examine
from stores.interface import DocumentName, Reason, Row

BATCH_DOCUMENTS = 200


def unreadable_strangers(run: Run, move: MoveRun) -> list[Failure]:
    """Return those that the destination does not give back as their rows say, of very many only the first."""
    if move.route.same_urls:
        return []

    def work(rows: Sequence[Row]) -> list[Failure]:
        by_name = {row.name: row for row in rows}
        unreadable, _ = examine(move.destination, rows, full=run.full)
        return [_failure(by_name[one.name], one) for one in unreadable]

    found: list[Failure] = []
    for part in run_batches(_batches(run, move), work, jobs=run.jobs, stop=run.stop):
        found += part
        if len(found) > run.most_failures:
            run.stop.ask(f"more than {run.max_failures} documents failed (--max-failures)")
    return found


def _batches(run: Run, move: MoveRun) -> Iterator[list[Row]]:
    after: DocumentName | None = None
    while page := run.journal.strangers(move.route, move.ticket, after, BATCH_DOCUMENTS):
        after = page[-1].name
        # Any of them may have to be read.
        yield from cut(page, expected_bytes, documents=BATCH_DOCUMENTS, size=BATCH_BYTES)


def _failure(row: Row, one: Unreadable) -> Failure:
    reasons = {"missing": Reason.MISSING, "corrupt": Reason.CORRUPT, "unreachable": Reason.REFUSED}
    return Failure(row, reasons[one.trouble], f"at the destination already, but {one.detail}")
