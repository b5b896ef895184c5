"""Documents that Anchore deleted after they were copied: their copies go before the switch is reported."""

from __future__ import annotations

from collections import Counter
from functools import partial

from executor.evidence import take_out, vanished_copies
from executor.fence import hold
from executor.moving import MoveRun, Run
from stores.database import Transaction
from stores.interface import DocumentName, Fault

BATCH_DOCUMENTS = 500


def remove_vanished(run: Run, move: MoveRun) -> Counter[str]:
    """Delete copies at the destination whose row is gone, unless another document's row names that URL.

    Returns how many documents vanished, bucket by bucket. Raises UnreachableError, DeniedError, or RefusedError when
    another run took over.
    """
    gone: Counter[str] = Counter()
    while done := run.database.run(partial(_remove_batch, move)):
        gone.update(name.bucket for name in done)
    return gone


def _remove_batch(move: MoveRun, transaction: Transaction) -> list[DocumentName]:
    """Remove a batch under the fence; return the documents whose copies are gone."""
    hold(transaction, move.ticket)
    found = vanished_copies(transaction, move.ticket, BATCH_DOCUMENTS)
    if not found:
        return []
    unowned = [(name, url) for name, url, free in found if free]
    faults = move.destination.delete([url for _, url in unowned])
    kept = {name for (name, _), fault in zip(unowned, faults, strict=True) if isinstance(fault, Fault)}
    done = [name for name, _, _ in found if name not in kept]
    take_out(transaction, move.ticket, done)
    return done
