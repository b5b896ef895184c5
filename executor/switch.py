"""Stage switch: one transaction. Before it the old configuration reads every document, after it the new one does."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from executor.fence import hold
from executor.journal import mark
from executor.journal_sql import ACCEPTED, DONE, READY, SAME_DOCUMENT
from executor.moving import MoveRun, Run
from schemas.errors import DocumentsFailedError, UnreachableError
from stores.catalog import place_sql, scope_sql
from stores.database import Transaction
from stores.rounds import RoundState

LOCK_TIMEOUT = "10s"
SILENCE_TIMEOUT = "60s"
"""After which the server gives up a transaction that keeps Anchore from writing while its client says nothing."""


@dataclass(frozen=True, slots=True)
class Switched:
    """The switch is committed; one number of rows for each move."""

    rows: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class NotYet:
    """Rolled back: so many rows of the moved stores would not have been at the destination."""

    left: int


class RollBackError(Exception):
    """Leaves the switch's transaction without committing it."""

    def __init__(self, left: int) -> None:
        super().__init__(left)
        self.left = left


def switch(run: Run, moves: Sequence[MoveRun]) -> Switched | NotYet:
    """Switch all moves at once, or none. Raises as ``change_all`` does."""

    def work(transaction: Transaction) -> tuple[tuple[int, ...], int]:
        counts = tuple(_switch_rows(transaction, move) for move in moves)
        return counts, sum(_left(transaction, move) for move in moves)

    return change_all(run, moves, "switched", work)


def change_all(
    run: Run,
    moves: Sequence[MoveRun],
    state: RoundState,
    work: Callable[[Transaction], tuple[tuple[int, ...], int]],
) -> Switched | NotYet:
    """Change the rows of all moves and the state of their rounds in one transaction, alone with Anchore's rows.

    ``work`` returns the number of rows it changed, move by move, and of those that it could not: then nothing is. A
    lost reply to the commit is resolved by reading the rounds. Raises UnreachableError when nothing was changed,
    DocumentsFailedError when that cannot be known yet, DeniedError, or RefusedError when another run took over.
    """
    counts: tuple[int, ...] | None = None
    try:
        with run.database.transaction(patient=True) as transaction:
            _take_table(transaction)
            for move in moves:
                hold(transaction, move.ticket)
            done, left = work(transaction)
            if left:
                raise RollBackError(left)  # noqa: TRY301 - leaving the block by an exception is what rolls back
            for move, rows in zip(moves, done, strict=True):
                mark(transaction, move.ticket, state)
                _leave_task(transaction, move, rows)
            counts = done
    except RollBackError as error:
        return NotYet(error.left)
    except UnreachableError:
        # Only what was asked to be committed can have been.
        if counts is None or not _was_committed(run, moves, state):
            raise
    return Switched(counts)


def _switch_rows(transaction: Transaction, move: MoveRun) -> int:
    # A copy is found again where it lies: under the fence nobody moves it.
    scope = scope_sql(move.route)
    return transaction.execute(
        f"""
        WITH moved AS (
            UPDATE archive_metadata r SET content_url = c.new_url, digest = c.new_digest, size = c.new_size,
                is_compressed = c.new_compressed, last_updated = extract(epoch FROM clock_timestamp())::integer
            FROM restow.copy c
            WHERE c.route = :route AND {SAME_DOCUMENT} AND {READY} AND {scope.text}
            RETURNING c.ctid AS at
        )
        UPDATE restow.copy c SET state = 'switched' FROM moved WHERE c.ctid = moved.at
        """,
        route=move.ticket.route_id,
        **scope.params,
    )


def _left(transaction: Transaction, move: MoveRun) -> int:
    """Count the rows of the store that the new configuration could not read if this were committed."""
    scope, place = scope_sql(move.route, buckets=False), place_sql(move.route)
    by_round = "TRUE" if move.route.settled_at_destination else f"coalesce({DONE}, FALSE)"
    arrived = by_round if move.route.same_urls else f"{place.text} = 'destination'"
    found = transaction.one(
        f"""
        SELECT count(*) AS left FROM archive_metadata r
        LEFT JOIN restow.copy c ON c.route = :route AND {SAME_DOCUMENT}
        WHERE {scope.text} AND NOT ({arrived}) AND {place.text} <> 'elsewhere' AND {ACCEPTED} IS NOT TRUE
        """,
        route=move.ticket.route_id,
        **scope.params,
        **place.params,
    )
    return int(found.left)


def _take_table(transaction: Transaction) -> None:
    """Keep everybody from writing Anchore's rows until the transaction ends; reading goes on."""
    transaction.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
    transaction.execute(f"SET LOCAL idle_in_transaction_session_timeout = '{SILENCE_TIMEOUT}'")
    # One statement changes all rows, and takes as long as it takes.
    transaction.execute("SET LOCAL statement_timeout = 0")
    transaction.execute("LOCK TABLE archive_metadata IN SHARE ROW EXCLUSIVE MODE")


def _leave_task(transaction: Transaction, move: MoveRun, rows: int) -> None:
    """Leave the task that the vendor's list-migrations shows, and know it as ours."""
    executor = f"{socket.gethostname()}:{os.getpid()}:{threading.get_ident()}:"
    task = transaction.one(
        """
        INSERT INTO tasks (state, last_state, created_at, started_at, ended_at, last_updated, executor_id, type)
        SELECT 'complete', 'running', started AT TIME ZONE 'UTC', started AT TIME ZONE 'UTC',
               now() AT TIME ZONE 'UTC', now() AT TIME ZONE 'UTC', :executor, 'archivemigrationtask'
        FROM restow.round WHERE seq = :seq RETURNING id
        """,
        executor=executor,
        seq=move.ticket.seq,
    ).id
    transaction.execute(
        """
        INSERT INTO archive_migration_tasks (id, migrate_from_driver, migrate_to_driver, archive_documents_to_migrate,
                                             archive_documents_migrated, online_migration)
        VALUES (:task, :source, :destination, :rows, :rows, FALSE)
        """,
        task=task,
        source=move.route.source.driver,
        destination=move.route.destination.driver,
        rows=rows,
    )
    transaction.execute("INSERT INTO restow.task (id, round) VALUES (:task, :seq)", task=task, seq=move.ticket.seq)


def _was_committed(run: Run, moves: Sequence[MoveRun], state: RoundState) -> bool:
    """Whether the rounds say so. The fence waits until the server is through with the transaction in doubt."""

    def work(transaction: Transaction) -> bool:
        for move in moves:
            hold(transaction, move.ticket)
        numbers = [move.ticket.seq for move in moves]
        asked = "SELECT state FROM restow.round WHERE seq = ANY(CAST(:numbers AS bigint[]))"
        return all(row.state == state for row in transaction.rows(asked, numbers=numbers))

    try:
        return run.database.run(work)
    except UnreachableError as error:
        raise DocumentsFailedError(
            f"the connection was lost while the rows were being {state}, so whether they are is not known yet: "
            f"{error.message}",
            hint="leave Anchore stopped; once the database answers run the same command again, which finds out",
        ) from error
