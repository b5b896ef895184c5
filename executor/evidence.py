"""Copies as the journal holds them, page by page: for the stages that check, remove and clean what was copied."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from executor.fence import Ticket, hold
from executor.journal_sql import AS_SWITCHED, COPY_KEY, KEYS_MATCH, READY, SAME_DOCUMENT, each_row, listed, unguessed
from stores.catalog import after_sql, json_rows, rows_named
from stores.database import Database, Transaction
from stores.interface import DocumentName, Row

EVIDENCE = (
    "c.old_url, c.old_digest, c.old_compressed, c.new_url, c.new_digest, c.new_size, c.new_compressed, c.content_sha256"
)
"""The fields of ``Copy`` after its name, in their order."""
UNSWITCHED = "c.state IN ('intended', 'copied')"
"""A copy that no row was set to, or that an undo left."""


@dataclass(frozen=True, slots=True)
class Copy:
    """One row of ``restow.copy``, as far as the checks need it."""

    name: DocumentName
    old_url: str | None
    old_digest: str | None
    old_compressed: bool | None
    new_url: str
    digest: str
    size: int
    is_compressed: bool
    content_sha256: str | None
    fits: bool
    """Whether Anchore's row is still what the page was asked for: as copied, or as switched."""


def unchecked_copies(
    database: Database, ticket: Ticket, after: DocumentName | None, limit: int, *, ever: bool = False
) -> list[Copy]:
    """Return the next copies that this run, or no run ``ever``, has found right; to be switched to if they fit."""
    unchecked = "c.checked IS NULL" if ever else "c.checked IS DISTINCT FROM :run"
    return _page(database, ticket, f"c.state = 'copied' AND {unchecked}", after, limit, fits=READY)


def switched_copies(database: Database, ticket: Ticket, after: DocumentName | None, limit: int) -> list[Copy]:
    """Return the next copies whose source payload is still to be deleted."""
    return _page(database, ticket, "c.state = 'switched'", after, limit, fits=AS_SWITCHED)


def vanished_copies(transaction: Transaction, ticket: Ticket, limit: int) -> list[tuple[DocumentName, str, bool]]:
    """Return copies whose row is gone: name, destination URL, and whether no other document has its payload there."""
    gone = f"LEFT JOIN archive_metadata r ON {SAME_DOCUMENT}"
    return _unswitched(transaction, gone, "c.route = :route AND r.bucket IS NULL", route=ticket.route_id, limit=limit)


def copies_of(
    transaction: Transaction, ticket: Ticket, names: Sequence[DocumentName]
) -> list[tuple[DocumentName, str, bool]]:
    """Return the copies that were made of these documents and not switched to, as ``vanished_copies`` does."""
    asked = {"route": ticket.route_id, "names": _json(names), "limit": len(names)}
    return _unswitched(transaction, f"CROSS JOIN {listed()}", KEYS_MATCH, **asked)


def _unswitched(
    transaction: Transaction, joined: str, which: str, **params: object
) -> list[tuple[DocumentName, str, bool]]:
    rows = transaction.rows(
        f"""
        SELECT {COPY_KEY}, c.new_url,
               NOT EXISTS (SELECT FROM archive_metadata o WHERE o.content_url = c.new_url)
               AND NOT EXISTS (
                   SELECT FROM restow.copy t JOIN archive_metadata o
                     ON o.bucket = t.bucket AND o."archiveId" = t.archive_id
                    AND o."userId" = t.user_id AND o."documentName" = t.document_name
                   WHERE t.route = c.route AND t.new_url = c.new_url
                     AND (t.bucket, t.archive_id, t.user_id, t.document_name) <> ({COPY_KEY})) AS unowned
        FROM restow.copy c {joined} WHERE {which} AND {UNSWITCHED} LIMIT :limit
        """,
        **params,
    )
    return [(_name(row), row.new_url, row.unowned) for row in rows]


def shared_sources(database: Database, ticket: Ticket) -> frozenset[str]:
    """Return the URLs that are never to be deleted: those of switched copies' sources that some row names still, and
    those where Anchore, under the new configuration, would write a document anew that the plan left as it was.
    """
    rows = database.run(
        lambda transaction: transaction.rows(
            """
            SELECT DISTINCT c.old_url FROM restow.copy c JOIN archive_metadata o ON o.content_url = c.old_url
            WHERE c.route = :route AND c.state = 'switched' AND c.old_url IS DISTINCT FROM c.new_url
            UNION SELECT a.new_url FROM restow.copy a WHERE a.route = :route AND a.state = 'accepted'
            """,
            route=ticket.route_id,
        )
    )
    return frozenset(row.old_url for row in rows)


def confirm(database: Database, ticket: Ticket, names: Sequence[DocumentName]) -> None:
    """Record that this run saw these copies right at the destination."""
    _update(database, ticket, names, "UPDATE restow.copy c SET checked = :run FROM {names} WHERE {match}")


@dataclass(frozen=True, slots=True)
class Leftover:
    """A payload at the destination of an undone round."""

    name: DocumentName
    new_url: str
    row: Row | None
    """The document's row as it is now; None: it is gone."""


def leftovers(database: Database, ticket: Ticket, after: DocumentName | None, limit: int) -> list[Leftover]:
    """Return the next payloads that an undone round has left at its destination."""
    position = after_sql(COPY_KEY, after)

    def work(transaction: Transaction) -> list[Leftover]:
        found = transaction.rows(
            f"""
            SELECT {COPY_KEY}, c.new_url FROM restow.copy c
            WHERE c.route = :route AND {unguessed(UNSWITCHED)} AND {position.text}
            ORDER BY {COPY_KEY} LIMIT :limit
            """,
            route=ticket.route_id,
            limit=limit,
            **position.params,
        )
        rows = rows_named(transaction, [_name(one) for one in found])
        return [Leftover(_name(one), one.new_url, rows.get(_name(one))) for one in found]

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
    """Take copies out of the journal, in a transaction that holds the fence: what was copied is not there any more."""
    _apply(transaction, ticket, names, "DELETE FROM restow.copy c USING {names} WHERE {match}")


def doubt(database: Database, ticket: Ticket, names: Sequence[DocumentName]) -> None:
    """Take copies for not yet made: what lies at their URLs is not known to be theirs any more."""
    _update(
        database,
        ticket,
        names,
        "UPDATE restow.copy c SET state = 'intended' FROM {names} WHERE {match} AND c.state = 'copied'",
    )


def lose_way_back(database: Database, ticket: Ticket, names: Sequence[DocumentName]) -> None:
    """Record that the old payloads of these copies are not there any more: their rows cannot be put back."""
    lost = "UPDATE restow.copy c SET state = 'intended' FROM {names} WHERE {match}"
    _update(database, ticket.forward(), names, lost)


def still_switched(transaction: Transaction, ticket: Ticket, names: Sequence[DocumentName]) -> set[DocumentName]:
    """Return which of these rows still equal what the switch put there, as this transaction sees it.

    Those of them that are cleaned are so by a try of the caller's before this one, whose commit got no answer.
    """
    rows = transaction.rows(
        f"""
        SELECT {COPY_KEY} FROM restow.copy c
        JOIN {listed()} ON {KEYS_MATCH}
        JOIN archive_metadata r ON {SAME_DOCUMENT} AND {AS_SWITCHED}
        WHERE c.state IN ('switched', 'cleaned')
        """,
        route=ticket.route_id,
        names=_json(names),
    )
    return {_name(row) for row in rows}


def mark_cleaned(transaction: Transaction, ticket: Ticket, names: Sequence[DocumentName]) -> None:
    """Record that the source payloads of these copies are gone."""
    _apply(transaction, ticket, names, "UPDATE restow.copy c SET state = 'cleaned' FROM {names} WHERE {match}")


def _page(
    database: Database, ticket: Ticket, condition: str, after: DocumentName | None, limit: int, *, fits: str
) -> list[Copy]:
    position = after_sql(COPY_KEY, after)
    # Where there is none at all that shows sooner without the order of a page.
    some = f"EXISTS (SELECT FROM restow.copy c WHERE c.route = :route AND {condition})" if after is None else "TRUE"
    rows = database.run(
        lambda transaction: transaction.rows(
            f"""
            SELECT {COPY_KEY}, {EVIDENCE}, coalesce(r.fits, FALSE) AS fits
            FROM (
                SELECT * FROM restow.copy c
                WHERE c.route = :route AND {unguessed(condition)} AND {position.text} AND (SELECT {some})
                ORDER BY {COPY_KEY} LIMIT :limit
            ) c {each_row(f"{fits} AS fits")} ORDER BY {COPY_KEY}
            """,
            route=ticket.route_id,
            run=ticket.run,
            limit=limit,
            **position.params,
        )
    )
    return [Copy(_name(row), *row[4:]) for row in rows]


def _update(database: Database, ticket: Ticket, names: Sequence[DocumentName], statement: str) -> None:
    def work(transaction: Transaction) -> None:
        hold(transaction, ticket, shared=True)
        _apply(transaction, ticket, names, statement)

    if names:
        database.run(work)


def _apply(transaction: Transaction, ticket: Ticket, names: Sequence[DocumentName], statement: str) -> None:
    sql = statement.format(names=listed(), match=KEYS_MATCH)
    transaction.execute(sql, route=ticket.route_id, run=ticket.run, names=_json(names))


def _json(names: Sequence[DocumentName]) -> str:
    return json_rows([name._asdict() for name in names])


def _name(row: object) -> DocumentName:
    return DocumentName(*row[:4])  # type: ignore[index]
