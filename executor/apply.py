"""``apply``: gates, then copy → verify → switch → clean. The story; each stage's decisions are in its own module."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from stores.opening import open_store

from executor import preflight
from executor.clean import clean_move
from executor.copy import copy_move
from executor.journal import Journal
from executor.moving import MoveRun, Orders, Run
from executor.progress import Progress
from executor.recording import MoveRecord, Record
from executor.services import Watch, begin_watch, refuse_live_services
from executor.stopping import Stop
from executor.switch import NotYet, switch
from executor.vanished import remove_vanished
from executor.verify import verify_move
from schemas.errors import (
    DocumentsFailedError,
    IntegrityError,
    RefusedError,
    StoppedError,
    UnreachableError,
)
from schemas.report import Stage
from stores.database import LockTimeoutError
from stores.interface import Reason, Store
from stores.lock import MigrationLock, migration_lock

CATCH_UPS = 5
STAGES: tuple[Stage, ...] = ("copy", "verify", "switch", "clean")


@dataclass(frozen=True)
class ApplyOptions:
    through: Stage = "clean"
    verify: Literal["digest", "full"] = "digest"
    jobs: int = 16
    max_failures: int = 1000


@dataclass(frozen=True)
class Surroundings:
    """What a run needs of the world around it; a test puts its own in."""

    progress: Progress
    stop: Stop
    confirm: Callable[[str], bool] | None
    """Asks the operator; None when there is no terminal to ask on. ``--yes`` answers for it."""
    clock: Callable[[], float] = time.monotonic
    pause: Callable[[float], object] = time.sleep


@dataclass(frozen=True)
class Guards:
    """What must hold from the first write to the last."""

    watch: Watch
    lock: MigrationLock


def apply(orders: Orders, options: ApplyOptions, around: Surroundings, record: Record) -> None:
    """Carry the plan out through the stage asked for; ``record`` tells what was done, whatever happens.

    Raises a RestowError that ends the command with its exit code. Returns when everything asked for is done, also when
    it was done before.
    """
    plan, database = orders.plan, orders.database
    standing = preflight.pass_gates(orders, through=options.through, can_confirm=around.confirm is not None)
    if standing.done(plan, options.through):
        record.outcome = "already done: nothing was written" if plan.moves else "nothing to do: the plan has no moves"
        return
    with opened(orders, options.jobs) as stores, migration_lock(database) as lock:
        guards = Guards(begin_watch(database, clock=around.clock, pause=around.pause), lock)
        if not standing.switched:
            _prove_places(orders, standing, stores)
        for _, new in stores:
            preflight.prove_digests(plan, new)
        run = _begin(orders, standing, stores, options, around)
        record.moves += [_begin_record(run, move) for move in run.moves]
        _carry_out(run, record, options, around, guards, switched=standing.switched)


def _carry_out(
    run: Run, record: Record, options: ApplyOptions, around: Surroundings, guards: Guards, *, switched: bool
) -> None:
    try:
        if not switched:
            _copy_and_verify(run, record, options)
            if options.through in {"copy", "verify"}:
                record.outcome = f"{options.through} is done; nothing was switched"
                return
            _confirm(run, around)
            refuse_live_services(run.database, guards.watch, run.progress.note)
            _switch(run, record, options, guards.lock)
        record.outcome = "switched"
        if options.through == "clean":
            _clean(run, record)
    except UnreachableError as error:
        # Work was under way, so this is no refusal: what was copied stays, and the same command goes on.
        raise DocumentsFailedError(f"stopped half-way: {error.message}", hint="run the same command again") from error
    finally:
        for one in record.moves:
            with contextlib.suppress(UnreachableError):
                one.account = run.journal.account(one.run.route, one.run.ticket)


def _copy_and_verify(run: Run, record: Record, options: ApplyOptions) -> None:
    """Copy until verify finds every copy right, a few times at the most. Raises when documents fail."""
    for _ in range(CATCH_UPS):
        for one in record.moves:
            _copy(run, one)
        if options.through == "copy":
            return
        wrong = [found for one in record.moves for found in _verify(run, one, full=options.verify == "full")]
        if not wrong:
            return
        run.progress.note(f"{len(wrong)} copies were not right at the destination and are copied again: {wrong[0]}")
    raise DocumentsFailedError(
        "the destination keeps losing or changing what is written to it", hint="check the destination, then run again"
    )


def _copy(run: Run, one: MoveRecord) -> None:
    pending = run.journal.account(one.run.route, one.run.ticket)
    documents, size = sum(b.pending for b in pending), sum(b.pending_bytes for b in pending)
    run.progress.begin(f"copy {one.run.move.from_} → {one.run.move.to}", documents=documents, size=size)
    with one.timed("copy") as tally:
        result = copy_move(run, one.run)
        tally.documents += result.copied
        tally.bytes += result.copied_bytes
    one.failures = result.failures
    _stop_if_asked(run, one)
    if one.failures:
        _fail(one)


def _verify(run: Run, one: MoveRecord, *, full: bool) -> list[str]:
    run.progress.begin(f"verify {one.run.move.to}", documents=0, size=0)
    with one.timed("verify") as tally:
        result = verify_move(run, one.run, full=full)
        tally.documents += result.checked
        tally.bytes += result.checked_bytes
    _stop_if_asked(run, one)
    if not result.wrong:
        run.journal.set_state(one.run.ticket, "verified")
        one.state = "verified"
    return [f"{name}: {why}" for name, why in result.wrong]


def _switch(run: Run, record: Record, options: ApplyOptions, lock: MigrationLock) -> None:
    """Catch up with what changed and switch, a few times at the most."""
    left = 0
    for _ in range(CATCH_UPS):
        _copy_and_verify(run, record, options)
        for one in record.moves:
            one.vanished.update(remove_vanished(run, one.run))
        if not lock.still_held():
            raise DocumentsFailedError("the migration lock was lost; nothing was switched", hint="run again")
        run.progress.begin("switch", documents=0, size=0)
        with contextlib.ExitStack() as timers:
            tallies = [timers.enter_context(one.timed("switch")) for one in record.moves]
            try:
                outcome = switch(run, run.moves)
            except LockTimeoutError:
                run.progress.note("archive_metadata is locked by another session; trying again")
                continue
        if not isinstance(outcome, NotYet):
            for one, tally, rows in zip(record.moves, tallies, outcome.rows, strict=True):
                tally.documents = rows
                one.state = "switched"
            run.progress.note("switched: from now on the new configuration reads every document")
            return
        left = outcome.left
    raise DocumentsFailedError(
        f"{left} documents were not at the destination each time the switch was tried; nothing was switched",
        hint="stop every service that writes documents, then run again",
    )


def _clean(run: Run, record: Record) -> None:
    """Delete the sources of moves that ask for it. Raises IntegrityError when a copy is not found again."""
    damaged: list[str] = []
    undeleted: list[str] = []
    for one in record.moves:
        if not one.run.move.delete_source or one.state == "cleaned":
            continue
        run.progress.begin(f"clean {one.run.move.from_}", documents=0, size=0)
        with one.timed("clean") as tally:
            result = clean_move(run, one.run)
            tally.documents += result.deleted
            tally.bytes += result.deleted_bytes
        one.kept.update(result.kept)
        damaged += [f"{name}: {why}" for name, why in result.damaged]
        undeleted += [f"{name}: {why}" for name, why in result.undeleted]
        _stop_if_asked(run, one)
        if not result.damaged and not result.undeleted:
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


def _confirm(run: Run, around: Surroundings) -> None:
    what = "; ".join(f"{move.move.store}: {move.move.from_} → {move.move.to}" for move in run.moves)
    kept = all(not move.move.delete_source for move in run.moves)
    then = "the source payloads are kept" if kept else "the source payloads are deleted afterwards"
    question = f"Every copy is verified. Switch {what}, with Anchore stopped; {then}. Go on?"
    if around.confirm is None or not around.confirm(question):
        raise RefusedError("not switched, as you answered; the copies are kept", hint="run the same command to go on")


def _fail(one: MoveRecord) -> None:
    worst = [failure for failure in one.failures if failure.reason is Reason.CORRUPT]
    listed = "; ".join(f"{failure.name}: {failure.detail}" for failure in (worst or one.failures)[:3])
    said = (
        f"{len(one.failures)} documents could not be copied from {one.run.move.from_}, nothing was switched: {listed}"
    )
    if worst:
        raise IntegrityError(
            said, hint="restore these payloads or remove their rows, then run again; the source is kept"
        )
    raise DocumentsFailedError(said, hint="resolve these, then run the same command again")


def _stop_if_asked(run: Run, one: MoveRecord) -> None:
    if run.stop.reason is not None and len(one.failures) <= run.max_failures:
        raise StoppedError(f"stopped: {run.stop.reason}", hint="run the same command again to go on")


def _prove_places(orders: Orders, standing: preflight.Standing, stores: list[tuple[Store, Store]]) -> None:
    routes = [inventory.route for inventory in standing.inventories]
    for _, new in stores:
        new.prepare()
    for route, (old, new) in zip(routes, stores, strict=True):
        preflight.refuse_one_place(orders.plan, route, old, new)
    preflight.refuse_occupied(orders.database, routes)


def _begin(
    orders: Orders,
    standing: preflight.Standing,
    stores: list[tuple[Store, Store]],
    options: ApplyOptions,
    around: Surroundings,
) -> Run:
    """Take the rounds, create the journal where it is missing, and remove copies of documents that are gone."""
    journal = Journal(orders.database)
    number = journal.create()
    moves = []
    for move, inventory, (old, new) in zip(orders.plan.moves, standing.inventories, stores, strict=True):
        compression = orders.destination.store(move.store).compression
        ticket = journal.take_round(
            orders.plan, move, inventory.route, compression, number, fresh=not standing.switched
        )
        moves.append(MoveRun(move, inventory.route, old, new, compression, ticket))
    run = Run(
        plan=orders.plan,
        database=orders.database,
        journal=journal,
        moves=tuple(moves),
        progress=around.progress,
        stop=around.stop,
        jobs=options.jobs,
        max_failures=options.max_failures,
    )
    for one in run.moves:
        remove_vanished(run, one)
    return run


def _begin_record(run: Run, move: MoveRun) -> MoveRecord:
    account = run.journal.account(move.route, move.ticket)
    return MoveRecord(move, move.ticket.state, {one.bucket: one.documents for one in account}, account)


@contextlib.contextmanager
def opened(orders: Orders, jobs: int) -> Iterator[list[tuple[Store, Store]]]:
    """Open source and destination of each move and look whether they may be used; close them after the block.

    Raises ConfigError for a driver that is not supported, UnreachableError or DeniedError.
    """
    with contextlib.ExitStack() as stack:
        pairs = []
        for move in orders.plan.moves:
            source, destination = (
                open_store(config.store(move.store), orders.database, connections=jobs)
                for config in (orders.source, orders.destination)
            )
            for store in (source, destination):
                stack.callback(store.close)
                store.check_access()
            pairs.append((source, destination))
        yield pairs
