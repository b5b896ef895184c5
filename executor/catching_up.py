"""What ``apply`` and ``undo`` end with: a last pass over what changed, then one transaction over all rows, or none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from executor.moving import Run
from executor.progress import Progress
from executor.recording import Record
from executor.services import Watch, refuse_live_services
from executor.stages import CATCH_UPS, copy_and_verify, stop_if_asked
from executor.vanished import remove_vanished
from schemas.errors import RestowError
from stores.database import Database
from stores.lock import MigrationLock

PAUSE_SECONDS = 1.0
"""Between two tries."""


@dataclass(frozen=True)
class Guards:
    """What must hold while rows are changed: the lock is ours, and no service of Anchore's lives."""

    watch: Watch
    lock: MigrationLock

    def refuse_live(self, database: Database, progress: Progress) -> None:
        """Raise RefusedError when a service is live."""
        refuse_live_services(database, self.watch, progress.note)


def catch_up(
    run: Run, record: Record, guards: Guards, attempt: Callable[[Run, Record], RestowError | None], *, else_said: str
) -> None:
    """Copy what changed and ``attempt`` the transaction, a few times at the most.

    ``attempt`` returns what stood in the way. ``else_said``: what is the case when it never comes to it. Raises what
    stood in the way the last time, RefusedError when a service is live or the lock was lost, and as
    ``copy_and_verify`` does.
    """
    for tries_left in reversed(range(CATCH_UPS)):
        copy_and_verify(run, record)
        _remove_vanished(run, record)
        stop_if_asked(run, *record.moves)
        guards.refuse_live(run.database, run.progress)
        guards.lock.require(else_said)
        trouble = attempt(run, record)
        if trouble is None:
            # A row may have gone while the transaction waited for its lock.
            _remove_vanished(run, record, patient=True)
            return
        if not tries_left:
            raise trouble
        run.progress.note(f"{trouble.message}; trying again")
        run.stop.pause(PAUSE_SECONDS)


def _remove_vanished(run: Run, record: Record, *, patient: bool = False) -> None:
    for one in record.moves:
        one.vanished.update(remove_vanished(run, one.run, patient=patient))
