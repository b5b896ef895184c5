"""Documents that Anchore deleted after they were copied: their copies go before the switch is reported."""

from __future__ import annotations

from collections import Counter
from functools import partial

from executor.fence import hold
from executor.moving import MoveRun, Run
from executor.unswitched import Removable, take_out, vanished_copies
from stores.database import Transaction
from stores.interface import DocumentName

BATCH_DOCUMENTS = 1000
"""Each time all rows and copies are looked through."""


def remove_vanished(run: Run, move: MoveRun, *, patient: bool = False) -> Counter[str]:
    """Delete copies at the destination whose row is gone, unless another document needs what is at that URL.

    Returns how many documents vanished, bucket by bucket. A stop ends it between two batches, unless ``patient``.
    Raises UnreachableError, DeniedError, or RefusedError when another run took over.
    """
    gone: Counter[str] = Counter()
    after: DocumentName | None = None
    while patient or run.stop.reason is None:
        seen, done = run.database.run(partial(_remove_batch, move, after))
        if not seen:
            break
        gone.update(name.bucket for name in done)
        after = seen[-1].name
    return gone


def _remove_batch(
    move: MoveRun, after: DocumentName | None, transaction: Transaction
) -> tuple[list[Removable], list[DocumentName]]:
    """Remove a batch under the fence; return what was found, and the documents whose copies are gone."""
    hold(transaction, move.ticket)
    found = vanished_copies(transaction, move.ticket, after, BATCH_DOCUMENTS)
    unowned = [one for one in found if not one.owned]
    faults = move.destination.delete([one.new_url for one in unowned])
    kept = {one.name for one, fault in zip(unowned, faults, strict=True) if fault is not None}
    done = [one.name for one in found if one.name not in kept]
    take_out(transaction, move.ticket, done)
    return found, done
