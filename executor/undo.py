"""``undo``: back to the old configuration, while the sources still exist.

Most rows are put back as they were, because their old payload is still in place. What Anchore wrote or changed since
the switch, and what has lost its old payload, is copied back first, with the same checks as on the way there. Then one
transaction restores every row, or none. The copies at the destination stay for the next apply.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from executor import preflight, probe
from executor.accounts import take_account
from executor.catching_up import Guards, catch_up
from executor.copy import BATCH_BYTES
from executor.engines import run_batches
from executor.evidence import Copy, lose_way_back, lose_ways_in_the_way, switched_pages
from executor.journal import Journal
from executor.moving import MoveRun, Orders, Run, Surroundings, opened
from executor.recording import Record
from executor.services import begin_watch
from executor.session import ApplyOptions, confirm, session
from executor.stages import left_behind
from executor.standing import last_rounds, superseded
from executor.switch import Switched
from executor.switch_back import switch_back
from schemas.errors import DocumentsFailedError, RefusedError, RestowError, UnreachableError
from stores.batches import cut
from stores.catalog import Route
from stores.interface import Absent, DocumentName, Fault, Stat, Store
from stores.lock import migration_lock
from stores.payload import content_sha256, md5_hex
from stores.rounds import Round

BATCH_DOCUMENTS = 200
NOTHING_UNDONE = "nothing was undone"


def undo(orders: Orders, options: ApplyOptions, around: Surroundings, record: Record) -> None:
    """Undo the switch of the plan. Returns when it is undone, also when it was before.

    Raises RefusedError when there is nothing to undo, when it was cleaned or superseded, or a service is live.
    """
    if not orders.plan.moves:
        record.outcome = "nothing to do: the plan has no moves"
        return
    if rounds_to_undo(orders) is None:
        _already(record)
        return
    preflight.refuse_other_configs(orders, switched=True)
    preflight.check_secrets_and_rights(orders, back=True)
    what = "; ".join(f"{move.store}: {move.to} → {move.from_}" for move in orders.plan.moves)
    question = f"Undo the switch, with Anchore stopped: {what}. What was written since is copied back. Go on?"
    confirm(around, question, declined="not undone, as you answered")
    with opened(orders, options.jobs) as stores, migration_lock(orders.database) as lock:
        rounds = rounds_to_undo(orders)
        if rounds is None:
            _already(record)
            return
        guards = Guards(begin_watch(orders.database, clock=around.clock, pause=around.pause), lock)
        guards.refuse_live(orders.database, around.progress)
        for old, new in stores:
            probe.refuse_one_place(orders.plan, new, old)
            probe.prove_digests(orders.plan, old)
        journal = Journal(orders.database, lock)
        moves = _turned_moves(orders, rounds, stores, journal, journal.create())
        with session(orders, moves, options, around, record) as run:
            for move in run.moves:
                _drop_broken_ways_back(run, move)
            catch_up(run, record, guards, _try_to_restore, else_said=NOTHING_UNDONE)


def _already(record: Record) -> None:
    record.outcome, record.now_reads = "already undone: nothing was written", "source"


def rounds_to_undo(orders: Orders) -> tuple[Round, ...] | None:
    """Return the switched round of each move; None when they are undone already. Raises RefusedError otherwise."""
    plan = orders.plan
    if superseded(orders.database, plan):
        raise RefusedError(
            "a later migration has switched this store since", hint="undo that one first, or plan the way back"
        )
    rounds = [one for one in last_rounds(orders.database, plan) if one is not None]
    states = {one.state for one in rounds}
    if rounds and states == {"undone"}:
        return None
    if len(rounds) < len(plan.moves) or not rounds or not states <= {"switched", "cleaned"}:
        raise RefusedError("there is nothing to undo: this plan is not switched", hint="see restow status")
    if "cleaned" in states:
        raise RefusedError(
            "the source payloads are cleaned, so there is no way back in one transaction",
            hint=f"plan the reversed move: restow plan {plan.destination.config} {plan.source.config}",
        )
    return tuple(rounds)


def _try_to_restore(run: Run, record: Record) -> RestowError | None:
    """Return what stood in the way; None: all rows are restored."""
    for one in record.moves:
        # Counted before: afterwards the journal no longer tells what was copied back from what was restored.
        one.account = take_account(run.database, one.run.route, one.run.ticket)
    stay = left_behind(run, record)
    run.progress.begin("undo", documents=0, size=0)
    try:
        outcome = switch_back(run, run.moves)
    except UnreachableError as error:
        return error
    if not isinstance(outcome, Switched):
        return DocumentsFailedError(
            f"{outcome.left} documents were not back at the source when it was tried; nothing was undone",
            hint="stop every service that writes documents, then run again",
        )
    for one, rows in zip(record.moves, outcome.rows, strict=True):
        one.state = "undone"
        one.stages["switch"].documents = rows
    record.outcome, record.now_reads = f"undone: the old configuration reads every document{stay}", "source"
    return None


def _turned_moves(
    orders: Orders, rounds: Sequence[Round], stores: Sequence[tuple[Store, Store]], journal: Journal, number: int
) -> Iterator[MoveRun]:
    """Own the rounds for the run of this number, and turn each move around."""
    for move, one, (old, new) in zip(orders.plan.moves, rounds, stores, strict=True):
        back = Route(new.backend, old.backend, move.store, move.shared)
        compression = orders.source.store(move.store).compression
        turned = move.model_copy(update={"from_": move.to, "to": move.from_})
        ticket = journal.turn_round(one, move, back, compression, number)
        yield MoveRun(turned, back, new, old, compression, ticket, one.state)


def _drop_broken_ways_back(run: Run, move: MoveRun) -> None:
    """Look at each old payload; a row whose old payload is not as it was is to be copied back instead.

    So is one whose old payload would be written over by another document that is.
    """

    def work(page: Sequence[Copy]) -> None:
        lose_way_back(run.database, move.ticket, _broken(move, [copy for copy in page if copy.fits]))

    # A stop ends the run before anything is restored.
    pages = switched_pages(run.database, move.ticket.forward(), BATCH_DOCUMENTS)
    for _ in run_batches(pages, work, jobs=run.jobs, stop=run.stop):
        pass
    # Those that are copied back themselves now may be in the way of others.
    while run.stop.reason is None and lose_ways_in_the_way(run.database, move.ticket, move.route):
        pass


def _broken(move: MoveRun, copies: Sequence[Copy]) -> list[DocumentName]:
    """Return the documents whose old payloads are not as they were; where a look does not tell, they are read."""
    looks = dict(zip(copies, move.destination.stat([copy.old_url or "" for copy in copies]), strict=True))
    stated = {copy: look for copy, look in looks.items() if isinstance(look, Stat)}
    intact = {copy for copy, look in stated.items() if copy.old_digest is not None and look.md5 == copy.old_digest}
    unsure = [copy for copy, look in stated.items() if copy.old_digest is None or look.md5 is None]
    for some in cut(unsure, lambda copy: copy.old_size or copy.size, documents=BATCH_DOCUMENTS, size=BATCH_BYTES):
        payloads = move.destination.read([copy.old_url or "" for copy in some])
        intact |= {copy for copy, payload in zip(some, payloads, strict=True) if _is_intact(copy, payload)}
    return [copy.name for copy in copies if copy not in intact]


def _is_intact(copy: Copy, payload: bytes | Absent | Fault) -> bool:
    if not isinstance(payload, bytes):
        return False
    if copy.old_digest is not None:
        return md5_hex(payload) == copy.old_digest
    # A row of a very old version has no digest: its content must be the one that was read when it was copied.
    return content_sha256(payload, copy.old_compressed) == copy.content_sha256
