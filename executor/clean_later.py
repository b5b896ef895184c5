"""``clean``: the deferred clean of a switched plan, also of one that keeps its source; after an undo it removes the
copies at the destination instead.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

from executor import preflight, probe
from executor.clean import Passes
from executor.copy import BATCH_BYTES, SETTLE_SECONDS
from executor.engines import run_batches
from executor.fence import hold
from executor.journal import Journal
from executor.moving import MoveRun, Orders, Run, Surroundings, opened
from executor.recording import Record
from executor.session import ApplyOptions, confirm, session
from executor.stages import but_kept, clean_all, stop_if_asked
from executor.standing import last_rounds, superseded
from executor.unswitched import Leftover, any_left, leftovers, owned_leftovers, take_out
from schemas.errors import DocumentsFailedError, IntegrityError, RefusedError
from stores.batches import cut, expected_bytes
from stores.catalog import Route, rows_named
from stores.database import Transaction
from stores.examine import examine
from stores.interface import DocumentName, Fault, Store
from stores.lock import migration_lock
from stores.rounds import LIVE, Round

BATCH_DOCUMENTS = 200
NEEDED = "its document cannot be read from the source"
CHANGED = "its row changed just now"
OWNED = "a row names it"


def clean(orders: Orders, options: ApplyOptions, around: Surroundings, record: Record) -> None:
    """Delete what the plan has left over. Returns when nothing is left, also when nothing was.

    Raises RefusedError when the plan is not switched or a later migration superseded it, IntegrityError when a payload
    that would be the only good one is still needed.
    """
    if not orders.plan.moves:
        record.outcome = "nothing to do: the plan has no moves"
        return
    rounds = rounds_to_clean(orders)
    if is_clean(orders, rounds):
        record.outcome = "already clean: nothing was deleted"
        return
    preflight.refuse_other_configs(orders, switched=True)
    preflight.check_secrets_and_rights(orders)
    undone = rounds[0].state == "undone"
    places = ", ".join(sorted({move.to if undone else move.from_ for move in orders.plan.moves}))
    what = "the copies that the undone migration left" if undone else "the source payloads"
    confirm(around, f"Delete {what} in {places}. Go on?", declined="not cleaned, as you answered")
    with opened(orders, options.jobs) as stores, migration_lock(orders.database) as lock:
        rounds = rounds_to_clean(orders)
        for old, new in stores:
            probe.refuse_one_place(orders.plan, old, new)
            probe.prove_digests(orders.plan, new)
            if undone:
                probe.prove_digests(orders.plan, old)
        journal = Journal(orders.database, lock)
        moves = _moves(orders, rounds, stores, journal, journal.create())
        with session(orders, moves, options, around, record) as run:
            if undone:
                _remove_copies(run, record)
            else:
                clean_all(run, record, kept_too=True)
                record.outcome = f"cleaned: the source payloads are gone{but_kept(record)}"


def is_clean(orders: Orders, rounds: Sequence[Round]) -> bool:
    """Whether nothing is left of these rounds: no source of a switched one, no copy of an undone one."""

    def work(transaction: Transaction) -> bool:
        return all(
            one.state == "cleaned" or (one.state == "undone" and not any_left(transaction, one)) for one in rounds
        )

    return orders.database.run(work, snapshot=True)


def rounds_to_clean(orders: Orders) -> tuple[Round, ...]:
    if superseded(orders.database, orders.plan):
        raise RefusedError(
            "a later migration has switched this store since, so what this plan left is not known to be superfluous",
            hint="restow deletes it no more: once restow verify finds nothing wrong with the config that Anchore runs "
            f"with, remove what lies in {', '.join(sorted({move.from_ for move in orders.plan.moves}))} by hand",
        )
    rounds = [one for one in last_rounds(orders.database, orders.plan) if one is not None]
    ended = all(one.state in LIVE or one.state == "undone" for one in rounds)
    if len(rounds) < len(orders.plan.moves) or not rounds or not ended:
        raise RefusedError("there is nothing to clean: this plan is not switched", hint="see restow status")
    preflight.refuse_leftovers_of_a_later_plan(orders.database, rounds)
    return tuple(rounds)


def _moves(
    orders: Orders, rounds: Sequence[Round], stores: Sequence[tuple[Store, Store]], journal: Journal, number: int
) -> Iterator[MoveRun]:
    """Own the rounds for the run of this number."""
    for move, one, (old, new) in zip(orders.plan.moves, rounds, stores, strict=True):
        route = Route(old.backend, new.backend, move.store, move.shared, settled_at_destination=one.state in LIVE)
        compression = orders.destination.store(move.store).compression
        yield MoveRun(move, route, old, new, compression, journal.resume_round(one, number), one.state)


@dataclass
class Removal:
    """What one pass over an undone round's copies came to."""

    removed: int = 0
    removed_bytes: int = 0
    kept: Counter[str] = field(default_factory=Counter)
    doubtful: set[Leftover] = field(default_factory=set)
    """What is kept."""
    undeleted: list[str] = field(default_factory=list)

    def add(self, other: Removal) -> None:
        self.removed += other.removed
        self.removed_bytes += other.removed_bytes
        self.kept.update(other.kept)
        self.doubtful |= other.doubtful
        self.undeleted += other.undeleted


def _remove_copies(run: Run, record: Record) -> None:
    """Remove what an undone round left at its destination, each once its document is found at the source."""
    undeleted: list[str] = []
    for one in record.moves:
        run.progress.begin(f"clean {one.run.move.to}", documents=0, size=0)
        with one.timed("clean") as tally:
            passes = Passes[Leftover]()
            while True:
                last = _one_pass(run, one.run)
                tally.documents += last.removed
                tally.bytes += last.removed_bytes
                # As in clean: a document that cannot be read may be one that Anchore is writing just now.
                again = passes.another(last.doubtful) and not run.stop.reason
                if not again or run.stop.pause(SETTLE_SECONDS):
                    break
            one.kept.update(last.kept)
            undeleted += last.undeleted
        stop_if_asked(run, one)
    if undeleted:
        said = f"{len(undeleted)} copies could not be deleted; the first: {undeleted[0]}"
        raise DocumentsFailedError(said, hint="run the same command again")
    kept = sum(one.kept[NEEDED] for one in record.moves)
    if kept:
        said = f"{kept} copies are kept, because their documents cannot be read from the source"
        raise IntegrityError(said, hint="look at the source with restow verify before anything else")
    record.outcome = "cleaned: the copies of the undone migration are gone"


def _one_pass(run: Run, move: MoveRun) -> Removal:
    total = Removal()
    # As in clean: who holds the round's row waits for a second connection, which nobody may sit on meanwhile.
    turn = threading.Lock()
    # Where both places write the same URLs each row names the copy's, and means the payload at the source.
    owned = frozenset[str]() if move.route.same_urls else owned_leftovers(run.database, move.ticket)
    work = partial(_remove_batch, run, move, owned, turn)
    for result in run_batches(_batches(run, move), work, jobs=run.jobs, stop=run.stop):
        total.add(result)
    return total


def _batches(run: Run, move: MoveRun) -> Iterator[list[Leftover]]:
    after: DocumentName | None = None
    while page := leftovers(run.database, move.ticket, after, BATCH_DOCUMENTS):
        after = page[-1].name
        # The documents of any of them may have to be read.
        yield from cut(page, _expected_bytes, documents=BATCH_DOCUMENTS, size=BATCH_BYTES)


def _expected_bytes(one: Leftover) -> int:
    return 0 if one.row is None else expected_bytes(one.row)


def _remove_batch(
    run: Run, move: MoveRun, owned: frozenset[str], turn: threading.Lock, batch: Sequence[Leftover]
) -> Removal:
    # What a row names is that row's own payload now.
    unowned = [one for one in batch if one.new_url not in owned]
    rows = [one.row for one in unowned if one.row is not None]
    needed = {one.name for one in examine(move.source, rows, full=False)[0]}
    proven = [one for one in unowned if one.name not in needed]

    def remove(transaction: Transaction) -> list[tuple[Leftover, Fault | None]]:
        hold(transaction, move.ticket)
        now = rows_named(transaction, [one.name for one in proven])
        doomed = [one for one in proven if now.get(one.name) == one.row]
        answers = list(zip(doomed, move.destination.delete([one.new_url for one in doomed]), strict=True))
        gone = [one.name for one, fault in answers if fault is None]
        take_out(transaction, move.ticket, [*gone, *(one.name for one in batch if one.new_url in owned)])
        return answers

    with turn:
        answers = run.database.run(remove)
    said = [f"{one.name}: {fault.detail}" for one, fault in answers if fault is not None]
    kept = {NEEDED: len(needed), CHANGED: len(proven) - len(answers), OWNED: len(batch) - len(unowned)}
    doubtful = set(unowned) - {one for one, _ in answers}
    gone = [one.size for one, fault in answers if fault is None]
    return Removal(len(gone), sum(gone), +Counter(kept), doubtful, said)
