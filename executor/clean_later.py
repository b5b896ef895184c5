"""``clean``: the deferred clean of a switched plan, also of one that keeps its source; after an undo it removes the
copies at the destination instead.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from functools import partial

from executor import preflight
from executor.engines import run_batches
from executor.evidence import Leftover, forget, leftovers
from executor.journal import Journal, hold
from executor.moving import MoveRun, Orders, Run, Surroundings, opened
from executor.recording import Record
from executor.session import ApplyOptions, confirm, session
from executor.stages import clean_all, stop_if_asked
from executor.standing import last_rounds, superseded
from schemas.errors import DocumentsFailedError, IntegrityError, RefusedError
from stores.catalog import Route, rows_named
from stores.examine import examine
from stores.interface import DocumentName, Store
from stores.lock import migration_lock
from stores.rounds import LIVE, Round

BATCH_DOCUMENTS = 200
NEEDED = "its document cannot be read from the source"


def clean(orders: Orders, options: ApplyOptions, around: Surroundings, record: Record) -> None:
    """Delete what the plan has left over. Returns when nothing is left, also when nothing was.

    Raises RefusedError when the plan is not switched or a later migration superseded it, IntegrityError when a payload
    that would be the only good one is still needed.
    """
    if not orders.plan.moves:
        record.outcome = "nothing to do: the plan has no moves"
        return
    rounds = rounds_to_clean(orders)
    if all(one.state == "cleaned" for one in rounds):
        record.outcome = "already clean: nothing was deleted"
        return
    preflight.refuse_other_configs(orders, switched=True)
    preflight.check_secrets_and_rights(orders)
    undone = rounds[0].state == "undone"
    places = ", ".join(sorted({move.to if undone else move.from_ for move in orders.plan.moves}))
    what = "the copies that the undone migration left" if undone else "the source payloads"
    confirm(around, f"Delete {what} in {places}. Go on?", declined="not cleaned, as you answered")
    with opened(orders, options.jobs) as stores, migration_lock(orders.database):
        rounds = rounds_to_clean(orders)
        for old, new in stores:
            preflight.refuse_one_place(orders.plan, old, new)
            preflight.prove_digests(orders.plan, new)
            if undone:
                preflight.prove_digests(orders.plan, old)
        with session(orders, _moves(orders, rounds, stores), options, around, record) as run:
            if undone:
                _remove_copies(run, record)
            else:
                clean_all(run, record, kept_too=True)
                record.outcome = "cleaned: the source payloads are gone"


def rounds_to_clean(orders: Orders) -> tuple[Round, ...]:
    if superseded(orders.database, orders.plan):
        raise RefusedError(
            "a later migration has switched this store since, so what this plan left is not known to be superfluous",
            hint="clean the later plan",
        )
    rounds = [one for one in last_rounds(orders.database, orders.plan) if one is not None]
    ended = all(one.state in LIVE or one.state == "undone" for one in rounds)
    if len(rounds) < len(orders.plan.moves) or not rounds or not ended:
        raise RefusedError("there is nothing to clean: this plan is not switched", hint="see restow status")
    return tuple(rounds)


def _moves(orders: Orders, rounds: Sequence[Round], stores: Sequence[tuple[Store, Store]]) -> Iterator[MoveRun]:
    journal = Journal(orders.database)
    number = journal.create()
    for move, one, (old, new) in zip(orders.plan.moves, rounds, stores, strict=True):
        route = Route(old.backend, new.backend, move.store, move.shared, settled_at_destination=one.state in LIVE)
        compression = orders.destination.store(move.store).compression
        yield MoveRun(move, route, old, new, compression, journal.resume_round(one, number), one.state)


def _remove_copies(run: Run, record: Record) -> None:
    """Remove what an undone round left at its destination, each once its document is found at the source."""
    undeleted: list[str] = []
    # As in clean: who holds the round's row waits for a second connection, which nobody may sit on meanwhile.
    turn = threading.Lock()
    for one in record.moves:
        run.progress.begin(f"clean {one.run.move.to}", documents=0, size=0)
        work = partial(_remove_batch, run, one.run, turn)
        with one.timed("clean") as tally:
            for removed, kept, faults in run_batches(_batches(run, one.run), work, jobs=run.jobs, stop=run.stop):
                tally.documents += removed
                one.kept[NEEDED] += kept
                undeleted += faults
        stop_if_asked(run, one)
    if undeleted:
        said = f"{len(undeleted)} copies could not be deleted; the first: {undeleted[0]}"
        raise DocumentsFailedError(said, hint="run the same command again")
    kept = sum(one.kept[NEEDED] for one in record.moves)
    if kept:
        said = f"{kept} copies are kept, because their documents cannot be read from the source"
        raise IntegrityError(said, hint="look at the source with restow verify before anything else")
    record.outcome = "cleaned: the copies of the undone migration are gone"


def _batches(run: Run, move: MoveRun) -> Iterator[list[Leftover]]:
    after: DocumentName | None = None
    while page := leftovers(run.database, move.ticket, after, BATCH_DOCUMENTS):
        after = page[-1].name
        yield page


def _remove_batch(
    run: Run, move: MoveRun, turn: threading.Lock, batch: Sequence[Leftover]
) -> tuple[int, int, list[str]]:
    """Return how many copies were removed, how many are kept because they may be needed, and what went wrong."""
    unowned = [one for one in batch if move.route.same_urls or not one.owned]
    rows = [one.row for one in unowned if one.row is not None]
    needed = {one.name for one in examine(move.source, rows, full=False)[0]}
    doomed = [one for one in unowned if one.name not in needed]
    with turn, run.database.transaction() as transaction:
        hold(transaction, move.ticket)
        now = rows_named(transaction, [one.name for one in doomed])
        doomed = [one for one in doomed if now.get(one.name) == one.row]
        faults = move.destination.delete([one.new_url for one in doomed])
    gone = [one.name for one, fault in zip(doomed, faults, strict=True) if fault is None]
    forget(run.database, move.ticket, gone)
    said = [f"{one.name}: {fault.detail}" for one, fault in zip(doomed, faults, strict=True) if fault is not None]
    return len(gone), len(needed), said
