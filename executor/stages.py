"""The stages of a run, each on one move's record: do it, tell it, and raise what ends the command."""

from __future__ import annotations

from collections.abc import Sequence

from executor.accepting import take_accepted
from executor.accounts import take_account
from executor.clean import clean_move
from executor.copy import copy_move
from executor.failures import Failure
from executor.moving import Run
from executor.recording import MoveRecord, Record
from executor.strangers import unreadable_strangers
from executor.verify import verify_move
from schemas.errors import DocumentsFailedError, IntegrityError, StoppedError
from stores.interface import Reason

CATCH_UPS = 5


def copy_all(run: Run, record: Record) -> None:
    """Copy what every move has to copy. Raises IntegrityError, DocumentsFailedError or StoppedError."""
    for one in record.moves:
        _copy(run, record, one)


def copy_and_verify(run: Run, record: Record) -> None:
    """Copy until verify finds every copy right, a few times at the most. Raises as ``copy_all`` does."""
    for _ in range(CATCH_UPS):
        copy_all(run, record)
        wrong = [found for one in record.moves for found in _verify(run, record, one)]
        if not wrong:
            return
        run.progress.note(f"{len(wrong)} copies were not right at the destination and are copied again: {wrong[0]}")
    raise DocumentsFailedError(
        "the destination keeps losing or changing what is written to it", hint="check the destination, then run again"
    )


def _copy(run: Run, record: Record, one: MoveRecord) -> None:
    pending = take_account(run.database, one.run.route, one.run.ticket)
    documents, size = sum(b.pending for b in pending), sum(b.pending_bytes for b in pending)
    run.progress.begin(f"copy {one.run.move.from_} → {one.run.move.to}", documents=documents, size=size)
    with one.timed("copy") as tally:
        result = copy_move(run, one.run)
        tally.documents += result.copied
        tally.bytes += result.copied_bytes
    one.failures = take_accepted(run, record, one, result.failures)
    stop_if_asked(run, one)
    if one.failures:
        _fail(one, one.failures)


def _verify(run: Run, record: Record, one: MoveRecord) -> list[str]:
    run.progress.begin(f"verify {one.run.move.to}", documents=0, size=0)
    with one.timed("verify") as tally:
        result = verify_move(run, one.run)
        tally.documents += result.checked
        tally.bytes += result.checked_bytes
    stop_if_asked(run, one)
    if not one.strangers_seen:
        found = unreadable_strangers(run, one.run)
        stop_if_asked(run, one)
        one.strangers = take_accepted(run, record, one, found)
        one.strangers_seen = True
    if one.strangers:
        _fail(one, one.strangers)
    return [f"{name}: {why}" for name, why in result.wrong]


def clean_all(run: Run, record: Record, *, kept_too: bool = False) -> None:
    """Delete the sources of the moves that ask for it, or of all with ``kept_too``.

    Raises IntegrityError when a copy is not found again, DocumentsFailedError when the source does not delete.
    """
    damaged: list[str] = []
    undeleted: list[str] = []
    for one in record.moves:
        if one.state == "cleaned" or not (one.run.move.delete_source or kept_too):
            continue
        run.progress.begin(f"clean {one.run.move.from_}", documents=0, size=0)
        with one.timed("clean") as tally:
            result = clean_move(run, one.run)
            tally.documents += result.deleted
            tally.bytes += result.deleted_bytes
        one.kept.update(result.kept)
        damaged += [f"{name}: {why}" for name, why in result.damaged]
        undeleted += [f"{name}: {why}" for name, why in result.undeleted]
        if not result.damaged and not result.undeleted and run.stop.reason is None:
            run.journal.set_state(one.run.ticket, "cleaned")
            one.state = "cleaned"
            record.outcome = "switched and cleaned"
    if damaged:
        raise IntegrityError(
            f"switched, but {len(damaged)} copies are not found again at the destination, their sources are kept; "
            f"the first: {damaged[0]}",
            hint="look at the destination before anything else; restow undo goes back while sources exist",
        )
    if undeleted:
        raise DocumentsFailedError(
            f"switched, but the source did not delete {len(undeleted)} payloads; the first: {undeleted[0]}",
            hint="run the same command again",
        )
    for one in record.moves:
        stop_if_asked(run, one)


def _fail(one: MoveRecord, failures: Sequence[Failure]) -> None:
    worst = [failure for failure in failures if failure.reason is Reason.CORRUPT]
    listed = "; ".join(f"{failure.name}: {failure.detail}" for failure in (worst or failures)[:3])
    where = f"{one.run.move.from_} to {one.run.move.to}"
    said = f"{len(failures)} documents of the move from {where} failed, nothing was switched: {listed}"
    if worst:
        raise IntegrityError(
            said, hint="restore these payloads or remove their rows, then run again; the source is kept"
        )
    raise DocumentsFailedError(said, hint="resolve these, then run the same command again")


def stop_if_asked(run: Run, one: MoveRecord) -> None:
    """Raise StoppedError when the run was asked to stop, unless it was because of failures, which say it themselves."""
    if run.stop.reason is not None and len(one.failures) <= run.max_failures:
        raise StoppedError(f"stopped: {run.stop.reason}", hint="run the same command again to go on")
