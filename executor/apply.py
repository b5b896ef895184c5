"""``apply``: gates, then copy → verify → switch → clean. The story; each stage's decisions are in its own module."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

from executor import preflight, probe
from executor.accepting import begin_accepting
from executor.catching_up import Guards, catch_up
from executor.journal import Journal
from executor.moving import MoveRun, Orders, Run, Surroundings, opened
from executor.recording import Record
from executor.services import begin_watch
from executor.session import ApplyOptions, confirm, session
from executor.stages import clean_all, copy_all, copy_and_verify, left_behind
from executor.standing import Standing, take_standing
from executor.stopping import stopped
from executor.switch import Switched, switch
from executor.vanished import remove_vanished
from schemas.errors import DocumentsFailedError, RestowError, UnreachableError
from schemas.plan import Plan
from schemas.report import Stage
from stores.interface import Store
from stores.lock import migration_lock
from stores.opening import open_direct

NOTHING_SWITCHED = "nothing was switched"

STAGES: tuple[Stage, ...] = ("copy", "verify", "switch", "clean")


def apply(orders: Orders, options: ApplyOptions, around: Surroundings, record: Record) -> None:
    """Carry the plan out through the stage asked for; ``record`` tells what was done, whatever happens.

    Raises a RestowError that ends the command with its exit code. Returns when everything asked for is done, also when
    it was done before.
    """
    plan, database = orders.plan, orders.database
    standing = preflight.pass_gates(orders, through=options.through, can_confirm=around.confirm is not None)
    if standing.done(plan, options.through):
        _nothing_to_do(plan, record)
        return
    if around.stop.reason is not None:
        raise stopped(around.stop)
    with opened(orders, options.jobs) as stores, migration_lock(database) as lock:
        # Looked at again: while this run waited for the lock another may have done it all.
        standing = take_standing(database, plan)
        if standing.done(plan, options.through):
            _nothing_to_do(plan, record)
            return
        if standing.switched and options.through == "clean":
            preflight.refuse_leftovers_of_a_later_plan(database, standing.rounds)
        guards = Guards(begin_watch(database, clock=around.clock, pause=around.pause), lock)
        if not standing.switched:
            for _, new in stores:
                new.refuse_foreign()
        for old, new in stores:
            new.prepare()
            probe.refuse_one_place(plan, old, new)
            probe.prove_digests(plan, new)
        if not standing.switched:
            preflight.refuse_findings(plan, standing, options.through)
        journal = Journal(database, lock)
        moves = _moves(orders, standing, stores, journal, journal.create())
        with session(orders, moves, options, around, record) as run:
            if not standing.switched:
                begin_accepting(run, standing.exempt)
            _carry_out(run, record, options, around, guards, switched=standing.switched)


def _nothing_to_do(plan: Plan, record: Record) -> None:
    if plan.moves:
        record.outcome, record.now_reads = "already done: nothing was written", "destination"
    else:
        record.outcome = "nothing to do: the plan has no moves"


def _carry_out(
    run: Run, record: Record, options: ApplyOptions, around: Surroundings, guards: Guards, *, switched: bool
) -> None:
    if switched:
        _mark_switched(record)
        places = sorted({one.move.from_ for one in run.moves if one.move.delete_source})
        question = f"The plan is switched. Delete the source payloads in {', '.join(places)}. Go on?"
        confirm(around, question, declined="not cleaned, as you answered")
    else:
        for move in run.moves:
            # Copies of documents that went before this run are none of its ledger.
            remove_vanished(run, move)
        if options.through == "copy":
            copy_all(run, record)
            _unmark_verified(run, record)
        else:
            copy_and_verify(run, record)
            guards.lock.require(NOTHING_SWITCHED)
            _mark_verified(run, record)
        if options.through in {"copy", "verify"}:
            record.outcome = f"{options.through} is done; nothing was switched"
            return
        _confirm(run, around, options)
        guards.refuse_live(run.database, run.progress)
        catch_up(run, record, guards, _try_to_switch, else_said=NOTHING_SWITCHED)
    if options.through == "clean":
        guards.lock.require("the plan is switched, and the source payloads are kept")
        clean_all(run, record)


def _mark_verified(run: Run, record: Record) -> None:
    """For ``status`` and the report alone: every run verifies anew, and decides nothing by it."""
    for one in record.moves:
        run.journal.set_state(one.run.ticket, "verified")
        one.state = "verified"


def _unmark_verified(run: Run, record: Record) -> None:
    """Call no round verified that has copies since then which were not."""
    for one in record.moves:
        if one.state == "verified" and one.stages["copy"].documents:
            run.journal.set_state(one.run.ticket, "copying")
            one.state = "copying"


def _try_to_switch(run: Run, record: Record) -> RestowError | None:
    """Return what stood in the way; None: it is switched."""
    stay = left_behind(run, record)
    run.progress.begin("switch", documents=0, size=0)
    with contextlib.ExitStack() as timers:
        tallies = [timers.enter_context(one.timed("switch")) for one in record.moves]
        try:
            outcome = switch(run, run.moves)
        except UnreachableError as error:
            return error
    if not isinstance(outcome, Switched):
        return DocumentsFailedError(
            f"{outcome.left} documents were not at the destination when the switch was tried; nothing was switched",
            hint="stop every service that writes documents, then run again",
        )
    for one, tally, rows in zip(record.moves, tallies, outcome.rows, strict=True):
        tally.documents = rows
        one.state = "switched"
    _mark_switched(record)
    run.progress.note(f"switched: from now on the new configuration reads every document{stay}")
    return None


def _mark_switched(record: Record) -> None:
    record.outcome, record.now_reads = "switched", "destination"


def _confirm(run: Run, around: Surroundings, options: ApplyOptions) -> None:
    what = "; ".join(f"{move.move.store}: {move.move.from_} → {move.move.to}" for move in run.moves)
    kept = options.through == "switch" or all(not move.move.delete_source for move in run.moves)
    then = "the source payloads are kept" if kept else "the source payloads are deleted afterwards"
    question = f"Every copy is verified. Switch {what}, with Anchore stopped; {then}. Go on?"
    confirm(around, question, declined="not switched, as you answered; the copies are kept")


def _moves(
    orders: Orders, standing: Standing, stores: Sequence[tuple[Store, Store]], journal: Journal, number: int
) -> Iterator[MoveRun]:
    """Take or open the rounds, for the run of this number."""
    for index, (move, (old, new)) in enumerate(zip(orders.plan.moves, stores, strict=True)):
        route = standing.inventories[index].route
        compression = orders.destination.store(move.store).compression
        direct = open_direct(move.transfer, old, new, orders.database)
        resumed = standing.resumed(index)
        if resumed is not None:
            ticket = journal.resume_round(resumed, number)
            yield MoveRun(move, route, old, new, compression, ticket, resumed.state, direct)
        else:
            ticket = journal.open_round(orders.plan, move, route, compression, number)
            yield MoveRun(move, route, old, new, compression, ticket, "copying", direct)
