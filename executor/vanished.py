"""Documents that Anchore deleted after they were copied: their copies go before the switch is reported."""

from __future__ import annotations

from collections import Counter

from executor.evidence import forget, vanished_copies
from executor.moving import MoveRun, Run
from stores.interface import Fault

BATCH_DOCUMENTS = 500


def remove_vanished(run: Run, move: MoveRun) -> Counter[str]:
    """Delete copies at the destination whose row is gone, unless another document's row names that URL.

    Returns how many documents vanished, bucket by bucket. Raises UnreachableError or DeniedError.
    """
    gone: Counter[str] = Counter()
    while found := vanished_copies(run.database, move.ticket, BATCH_DOCUMENTS):
        unowned = [(name, url) for name, url, free in found if free]
        faults = move.destination.delete([url for _, url in unowned])
        kept = {name for (name, _), fault in zip(unowned, faults, strict=True) if isinstance(fault, Fault)}
        done = [name for name, _, _ in found if name not in kept]
        forget(run.database, move.ticket, done)
        gone.update(name.bucket for name in done)
        if not done:
            break
    return gone
