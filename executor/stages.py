"""The stages of a run, each on one move's record: do it, tell it, and raise what ends the command."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import replace

from executor.accepting import take_accepted
from executor.accounts import take_account
from executor.clean import CleanResult, clean_move
from executor.copy import PassResult, copy_move
from executor.moving import MoveRun, Run
from executor.recording import MoveRecord, Record
from executor.strangers import unreadable_strangers
from executor.verify import VerifyResult, verify_move
from schemas.errors import DocumentsFailedError, IntegrityError, StoppedError
from stores.interface import DocumentName, Reason

CATCH_UPS = 5
LISTED = 3


def copy_all(run: Run, record: Record, *, stream: bool = False) -> None:
    """Copy what every move has to copy. Raises IntegrityError, DocumentsFailedError or StoppedError.

    What fails in one move keeps no other from being copied. ``stream``: servers are to copy nothing by themselves.
    """
    for one in record.moves:
        _copy(run, record, one, replace(one.run, direct=None) if stream else one.run)
    stop_if_asked(run, *record.moves)
    _fail_if_any(record)


def copy_and_verify(run: Run, record: Record) -> None:
    """Copy until verify finds every copy right, a few times at the most. Raises as ``copy_all`` does."""
    before: set[DocumentName] = set()
    for _ in range(CATCH_UPS):
        # What a server has copied wrong may be wrong at the source, which only reading it there tells.
        copy_all(run, record, stream=bool(before))
        looks = [_verify(run, record, one, before) for one in record.moves]
        stop_if_asked(run, *record.moves)
        _fail_if_any(record)
        named = [failure for look in looks for failure in look.named]
        if not named:
            return
        count, first = sum(look.wrong for look in looks), f"{named[0].name}: {named[0].detail}"
        run.progress.note(f"{count:,} copies were not right at the destination and are copied again: {first}")
        before = {failure.name for failure in named}
    raise DocumentsFailedError(
        "the destination keeps losing or changing what is written to it", hint="check the destination, then run again"
    )


def _copy(run: Run, record: Record, one: MoveRecord, move: MoveRun) -> None:
    pending = take_account(run.database, one.run.route, one.run.ticket)
    documents, size = sum(b.pending for b in pending), sum(b.pending_bytes for b in pending)
    what = f"copy {one.run.move.from_} → {one.run.move.to}{'' if documents else ': nothing new'}"
    run.progress.begin(what, documents=documents, size=size)
    others = sum(len(other.failures) for other in record.moves if other is not one)
    result = PassResult()
    with one.counted("copy", lambda: (result.copied, result.copied_bytes)):
        copy_move(run, move, result, failed=others)
    one.failures = take_accepted(run, record, one, result.failures)


def _verify(run: Run, record: Record, one: MoveRecord, before: Collection[DocumentName]) -> VerifyResult:
    """Look for the copies; those that are to be made again and were so ``before`` have failed."""
    run.progress.begin(f"verify {one.run.move.to}", documents=0, size=0)
    result = VerifyResult()
    with one.counted("verify", lambda: (result.checked, result.checked_bytes)):
        verify_move(run, one.run, result)
    one.failures = [*result.failures, *(failure for failure in result.named if failure.name in before)]
    if not one.strangers_seen:
        one.strangers = take_accepted(run, record, one, unreadable_strangers(run, one.run))
        one.strangers_seen = run.stop.reason is None
    return result


def clean_all(run: Run, record: Record, *, kept_too: bool = False) -> None:
    """Delete the sources of the moves that ask for it, or of all with ``kept_too``.

    Raises IntegrityError when a copy is not found again, DocumentsFailedError when one cannot be looked at or the
    source does not delete.
    """
    ended = ""
    damaged: list[str] = []
    unseen: list[str] = []
    undeleted: list[str] = []
    for one in record.moves:
        if one.state == "cleaned" or not (one.run.move.delete_source or kept_too):
            continue
        run.progress.begin(f"clean {one.run.move.from_}", documents=0, size=0)
        result = _clean(run, one)
        damaged += [f"{name}: {why}" for name, why in result.damaged]
        unseen += [f"{name}: {why}" for name, why in result.unseen]
        undeleted += [f"{name}: {why}" for name, why in result.undeleted]
        if result.failed > run.max_failures:
            ended = "; there the clean ended, because they are so many (--max-failures)"
        if not result.damaged and not result.unseen and not result.undeleted and run.stop.reason is None:
            run.journal.set_state(one.run.ticket, "cleaned")
            one.state = "cleaned"
            record.outcome = f"switched and cleaned{but_kept(record)}"
    if damaged:
        raise IntegrityError(
            f"switched, but {len(damaged)} copies are not found again at the destination, their sources are kept; "
            f"the first: {damaged[0]}{ended}",
            hint="look at the destination before anything else; restow undo goes back while sources exist",
        )
    if unseen:
        raise DocumentsFailedError(
            f"switched, but {len(unseen)} copies cannot be looked at, their sources are kept; "
            f"the first: {unseen[0]}{ended}",
            hint="run the same command again",
        )
    if undeleted:
        raise DocumentsFailedError(
            f"switched, but the source did not delete {len(undeleted)} payloads; the first: {undeleted[0]}{ended}",
            hint="run the same command again",
        )
    stop_if_asked(run, *record.moves)


def _clean(run: Run, one: MoveRecord) -> CleanResult:
    result = CleanResult()
    try:
        with one.counted("clean", lambda: (result.deleted, result.deleted_bytes)):
            clean_move(run, one.run, result)
    finally:
        one.kept.update(result.kept)
        one.emptied = result.emptied
    return result


def but_kept(record: Record) -> str:
    """Return how many source payloads a clean has left where they are, and why; nothing where it left none."""
    kept = sum((one.kept for one in record.moves), Counter[str]())
    reasons = "; ".join(f"{count:,} because {reason}" for reason, count in kept.items())
    return f", but {kept.total():,} are kept: {reasons}" if kept else ""


def left_behind(run: Run, record: Record) -> str:
    """Return as the end of a sentence how many documents the plan leaves as they are; nothing where it leaves none."""
    if not run.plan.accepted:
        return ""
    accounts = [bucket for one in record.moves for bucket in take_account(run.database, one.run.route, one.run.ticket)]
    count = sum(bucket.accepted for bucket in accounts)
    return f" but {count:,} that were left as they are (--ignore)" if count else ""


def _fail_if_any(record: Record) -> None:
    """Raise IntegrityError or DocumentsFailedError when documents failed that the plan does not accept."""
    failures = [failure for one in record.moves for failure in (*one.failures, *one.strangers)]
    if not failures:
        return
    worst = [failure for failure in failures if failure.reason is Reason.CORRUPT]
    listed = "; ".join(f"{failure.name}: {failure.detail}" for failure in (worst or failures)[:LISTED])
    where = " and ".join(
        f"{len(one.failures) + len(one.strangers)} documents of the move from {one.run.move.from_} to {one.run.move.to}"
        for one in record.moves
        if one.failures or one.strangers
    )
    back = record.command == "undo"
    reasons = Counter(failure.reason.value for failure in failures)
    counted = ", ".join(f"{count:,} {reason}" for reason, count in sorted(reasons.items()))
    first = "" if len(failures) <= LISTED else "; the first"
    said = f"{where} failed ({counted}), nothing was {'undone' if back else 'switched'}{first}: {listed}"
    if worst and back:
        raise IntegrityError(said, hint="look at both places with restow verify before anything else")
    if worst:
        raise IntegrityError(
            said, hint="restore these payloads or remove their rows, then run again; the source is kept"
        )
    raise DocumentsFailedError(said, hint="resolve these, then run the same command again")


def stop_if_asked(run: Run, *moves: MoveRecord) -> None:
    """Raise StoppedError when the run was asked to stop, unless it was because of failures, which say it themselves."""
    failed = sum(len(one.failures) + len(one.strangers) for one in moves)
    if run.stop.reason is not None and failed <= run.max_failures:
        raise StoppedError(f"stopped: {run.stop.reason}", hint="run the same command again to go on")
