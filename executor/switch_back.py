"""The one transaction of undo: rows get back what they said before the switch, or none does."""

from __future__ import annotations

from collections.abc import Sequence

from executor.journal_sql import AS_SWITCHED, READY, SAME_DOCUMENT, left_alone
from executor.moving import MoveRun, Run
from executor.switch import NotYet, Switched, change_all
from stores.catalog import place_sql, scope_sql
from stores.database import Transaction


def switch_back(run: Run, moves: Sequence[MoveRun]) -> Switched | NotYet:
    """Restore all rows of all moves, or none. Raises as ``change_all`` does."""

    def work(transaction: Transaction) -> tuple[tuple[int, ...], int]:
        away = sum(_documents(transaction, move) for move in moves)
        counts = tuple(_restore(transaction, move) + _take_copies_back(transaction, move) for move in moves)
        for move in moves:
            _end_round_trip(transaction, move)
        return counts, away - sum(counts)

    return change_all(run, moves, "undone", work)


def _restore(transaction: Transaction, move: MoveRun) -> int:
    """Put rows that are as the switch left them back to what they were; their copies are ready for the next apply."""
    # As in the switch, a copy is found again where it lies.
    return transaction.execute(
        f"""
        WITH restored AS (
            UPDATE archive_metadata r SET content_url = c.old_url, digest = c.old_digest, size = c.old_size,
                is_compressed = c.old_compressed, last_updated = c.old_updated
            FROM restow.copy c
            WHERE c.route = :forward AND c.state = 'switched' AND {SAME_DOCUMENT} AND {AS_SWITCHED}
            RETURNING c.ctid AS at
        )
        UPDATE restow.copy c SET state = 'copied', checked = NULL FROM restored WHERE c.ctid = restored.at
        """,
        forward=move.ticket.restores,
    )


def _take_copies_back(transaction: Transaction, move: MoveRun) -> int:
    """Point the other rows to what was copied back, and remember their payloads at the destination for clean."""
    transaction.execute(
        """
        INSERT INTO restow.copy (route, bucket, archive_id, user_id, document_name, new_url, state, run)
        SELECT :forward, bucket, archive_id, user_id, document_name, old_url, 'intended', :run
        FROM restow.copy WHERE route = :back AND state = 'copied'
        ON CONFLICT (route, bucket, archive_id, user_id, document_name)
        DO UPDATE SET state = 'intended', new_url = excluded.new_url, run = excluded.run
        """,
        forward=move.ticket.restores,
        back=move.ticket.route_id,
        run=move.ticket.run,
    )
    rows = transaction.execute(
        f"""
        UPDATE archive_metadata r SET content_url = c.new_url, digest = c.new_digest, size = c.new_size,
            is_compressed = c.new_compressed, last_updated = extract(epoch FROM clock_timestamp())::integer
        FROM restow.copy c WHERE c.route = :back AND {SAME_DOCUMENT} AND {READY}
        """,
        back=move.ticket.route_id,
    )
    # A copy whose row has gone is still to be removed, and only here is it known.
    transaction.execute(
        f"DELETE FROM restow.copy c USING archive_metadata r WHERE c.route = :back AND {SAME_DOCUMENT}",
        back=move.ticket.route_id,
    )
    return rows


def _end_round_trip(transaction: Transaction, move: MoveRun) -> None:
    """Let no document count as switched any more: those that Anchore deleted since may be written anew.

    Where URLs do not change, one with the same bytes would look as if it were at the destination still.
    """
    transaction.execute(
        "UPDATE restow.copy SET state = 'intended' WHERE route = :forward AND state IN ('switched', 'cleaned')",
        forward=move.ticket.restores,
    )
    # A later round of the plan was for what came to the source after the switch: it is over with this one.
    transaction.execute(
        """
        UPDATE restow.round SET state = 'undone', ended = clock_timestamp()
        WHERE state IN ('copying', 'verified') AND seq > :seq
          AND (plan_digest, store) = (SELECT plan_digest, store FROM restow.round WHERE seq = :seq)
        """,
        seq=move.ticket.seq,
    )


def _documents(transaction: Transaction, move: MoveRun) -> int:
    """Count the rows that are to come back; those at the source already, or where nobody can read, are none of them."""
    scope, place = scope_sql(move.route), place_sql(move.route)
    found = transaction.one(
        f"""
        SELECT count(*) AS documents FROM archive_metadata r
        WHERE {scope.text} AND {place.text} = 'source' AND NOT {left_alone(move.ticket.restores)}
        """,
        **scope.params,
        **place.params,
    )
    return int(found.documents)
