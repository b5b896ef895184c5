"""Copies that no row was set to, as the journal holds them: for whoever removes one from the destination.

Such a copy may stand where another document has its payload, or its copy. Rows and copies have no index by URL, so
that is asked for many at once: each time all are looked through.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from executor.fence import Ticket
from executor.journal_sql import COPY_KEY, KEYS_MATCH, SAME_DOCUMENT, listed, unguessed
from stores.catalog import NAME_TYPES, after_sql, json_names, json_rows, rows_named
from stores.database import Database, Transaction
from stores.interface import DocumentName, Row
from stores.rounds import Round

UNSWITCHED = "c.state IN ('intended', 'copied')"
"""Also of a copy that an undo left."""
N_KEY = "n.bucket, n.archive_id, n.user_id, n.document_name"


@dataclass(frozen=True, slots=True)
class Removable:
    """A copy that is to be removed."""

    name: DocumentName
    new_url: str
    owned: bool
    """Whether another document has its payload or its copy at the URL, or is to have it back there."""


def vanished_copies(
    transaction: Transaction, ticket: Ticket, after: DocumentName | None, limit: int
) -> list[Removable]:
    """Return the next copies whose row is gone."""
    position = after_sql(COPY_KEY, after)
    rows = transaction.rows(
        f"""
        SELECT {COPY_KEY}, c.new_url FROM restow.copy c LEFT JOIN archive_metadata r ON {SAME_DOCUMENT}
        WHERE c.route = :route AND r.bucket IS NULL AND {UNSWITCHED} AND {position.text}
        ORDER BY {COPY_KEY} LIMIT :limit
        """,
        route=ticket.route_id,
        limit=limit,
        **position.params,
    )
    return _with_owners(transaction, ticket, rows)


def copies_of(transaction: Transaction, ticket: Ticket, names: Sequence[DocumentName]) -> list[Removable]:
    """Return the copies that were made of these documents."""
    rows = transaction.rows(
        f"SELECT {COPY_KEY}, c.new_url FROM restow.copy c JOIN {listed()} ON {KEYS_MATCH} WHERE {UNSWITCHED}",
        route=ticket.route_id,
        names=json_names(names),
    )
    return _with_owners(transaction, ticket, rows)


def _with_owners(transaction: Transaction, ticket: Ticket, rows: Sequence[Any]) -> list[Removable]:
    found = [(DocumentName(*row[:4]), str(row.new_url)) for row in rows]
    if not found:
        return []
    named = transaction.rows(
        f"""
        WITH n AS MATERIALIZED (
            SELECT CAST(:route AS integer) AS route, n.*
            FROM jsonb_to_recordset(CAST(:names AS jsonb)) AS n({NAME_TYPES}, new_url text)
        )
        SELECT {N_KEY} FROM n JOIN archive_metadata o ON o.content_url = n.new_url
        UNION
        SELECT {N_KEY} FROM n JOIN restow.copy c ON c.new_url = n.new_url
        JOIN archive_metadata r ON {SAME_DOCUMENT}
        WHERE c.route = n.route AND ({COPY_KEY}) <> ({N_KEY})
        UNION
        SELECT {N_KEY} FROM n JOIN restow.copy c ON c.old_url = n.new_url
        JOIN archive_metadata r ON {SAME_DOCUMENT}
        WHERE c.route = :restores AND c.state = 'switched' AND ({COPY_KEY}) <> ({N_KEY})
        """,
        route=ticket.route_id,
        restores=ticket.restores,
        names=json_rows([name._asdict() | {"new_url": url} for name, url in found]),
    )
    owned = {DocumentName(*row) for row in named}
    return [Removable(name, url, name in owned) for name, url in found]


@dataclass(frozen=True, slots=True)
class Leftover:
    """A payload at the destination of an undone round."""

    name: DocumentName
    new_url: str
    size: int
    """Bytes; 0 where a run did not get to record them."""
    row: Row | None
    """The document's row as it is now; None: it is gone."""


def leftovers(database: Database, ticket: Ticket, after: DocumentName | None, limit: int) -> list[Leftover]:
    """Return the next payloads that an undone round has left at its destination."""
    position = after_sql(COPY_KEY, after)

    def work(transaction: Transaction) -> list[Leftover]:
        found = transaction.rows(
            f"""
            SELECT {COPY_KEY}, c.new_url, coalesce(c.new_size, 0) AS size FROM restow.copy c
            WHERE c.route = :route AND {unguessed(UNSWITCHED)} AND {position.text}
            ORDER BY {COPY_KEY} LIMIT :limit
            """,
            route=ticket.route_id,
            limit=limit,
            **position.params,
        )
        names = [DocumentName(*one[:4]) for one in found]
        rows = rows_named(transaction, names)
        return [Leftover(name, one.new_url, one.size, rows.get(name)) for name, one in zip(names, found, strict=True)]

    return database.run(work, snapshot=True)


def owned_leftovers(database: Database, ticket: Ticket) -> frozenset[str]:
    """Return the URLs of an undone round's copies that some row of Anchore's names: those are never to be deleted.

    Rows have no index by URL: all are looked through.
    """
    rows = database.run(
        lambda transaction: transaction.rows(
            f"""
            SELECT c.new_url FROM restow.copy c JOIN archive_metadata o ON o.content_url = c.new_url
            WHERE c.route = :route AND {UNSWITCHED}
            """,
            route=ticket.route_id,
        )
    )
    return frozenset(row.new_url for row in rows)


def take_out(transaction: Transaction, ticket: Ticket, names: Sequence[DocumentName]) -> None:
    """Take copies out of the journal, in a transaction that holds the fence: nothing of theirs is left to remove."""
    transaction.execute(
        f"DELETE FROM restow.copy c USING {listed()} WHERE {KEYS_MATCH}",
        route=ticket.route_id,
        names=json_names(names),
    )


def any_left(transaction: Transaction, one: Round) -> bool:
    """Whether the round's route has copies that were never switched to, or were taken back."""
    left = f"SELECT EXISTS (SELECT FROM restow.copy c WHERE c.route = :route AND {UNSWITCHED}) AS any"
    return bool(transaction.one(left, route=one.route).any)


def undone_at(transaction: Transaction, one: Round) -> int | None:
    """Return the newest round after this one that was to this one's source, was undone, and has copies there still."""
    rows = transaction.rows(
        f"""
        SELECT o.seq FROM restow.round o
        WHERE o.seq > :seq AND o.state = 'undone' AND o.store = :store AND o.destination = :source
          AND EXISTS (SELECT FROM restow.copy c WHERE c.route = o.route AND {UNSWITCHED})
        ORDER BY o.seq DESC LIMIT 1
        """,
        seq=one.seq,
        store=one.store,
        source=one.source,
    )
    return rows[0].seq if rows else None
