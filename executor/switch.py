"""Stage switch: one transaction. Before it the old configuration reads every document, after it the new one does."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Sequence
from dataclasses import dataclass

from executor.journal import hold, mark
from executor.journal_sql import ACCEPTED, DONE, READY, SAME_DOCUMENT
from executor.moving import MoveRun, Run
from schemas.errors import UnreachableError
from stores.catalog import place_sql, scope_sql
from stores.database import Transaction
from stores.rounds import RoundState

LOCK_TIMEOUT = "10s"


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
    """Switch all moves at once, or none.

    A connection that is lost during the commit leaves it in doubt; the rounds are read again then. Raises
    UnreachableError, DeniedError, LockTimeoutError, or RefusedError when another run took over.
    """
    try:
        with run.database.transaction(patient=True) as transaction:
            take_table(transaction)
            for move in moves:
                hold(transaction, move.ticket)
            counts = tuple(_switch_rows(transaction, move) for move in moves)
            left = sum(_left(transaction, move) for move in moves)
            if left:
                raise RollBackError(left)  # noqa: TRY301 - leaving the block by an exception is what rolls back
            for move, rows in zip(moves, counts, strict=True):
                mark(transaction, move.ticket, "switched")
                leave_task(transaction, move, rows)
    except RollBackError as error:
        return NotYet(error.left)
    except UnreachableError:
        if not was_committed(run, moves, "switched"):
            raise
        return Switched(tuple(0 for _ in moves))
    return Switched(counts)


def _switch_rows(transaction: Transaction, move: MoveRun) -> int:
    scope = scope_sql(move.route)
    return transaction.execute(
        f"""
        WITH moved AS (
            UPDATE archive_metadata r SET content_url = c.new_url, digest = c.new_digest, size = c.new_size,
                is_compressed = c.new_compressed, last_updated = extract(epoch FROM clock_timestamp())::integer
            FROM restow.copy c
            WHERE c.route = :route AND {SAME_DOCUMENT} AND {READY} AND {scope.text}
            RETURNING r.bucket, r."archiveId", r."userId", r."documentName"
        )
        UPDATE restow.copy c SET state = 'switched' FROM moved r WHERE c.route = :route AND {SAME_DOCUMENT}
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


def take_table(transaction: Transaction) -> None:
    """Keep everybody from writing Anchore's rows until the transaction ends; reading goes on."""
    transaction.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
    transaction.execute("LOCK TABLE archive_metadata IN SHARE ROW EXCLUSIVE MODE")


def leave_task(transaction: Transaction, move: MoveRun, rows: int) -> None:
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


def was_committed(run: Run, moves: Sequence[MoveRun], state: RoundState) -> bool:
    """Whether the rounds say so: the answer when the reply to a commit was lost."""
    states = run.database.run(
        lambda transaction: [
            transaction.one("SELECT state FROM restow.round WHERE seq = :seq FOR UPDATE", seq=move.ticket.seq).state
            for move in moves
        ]
    )
    return all(found == state for found in states)
