"""Copies as the journal holds them, page by page: for the stages that check and clean what was copied."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from executor.fence import Ticket, hold
from executor.journal_sql import (
    AS_SWITCHED,
    COPY_KEY,
    KEYS_MATCH,
    READY,
    SAME_DOCUMENT,
    each_row,
    left_alone,
    listed,
    restorable,
    unguessed,
)
from stores.catalog import Route, after_sql, at_sql, json_names, scope_sql
from stores.database import Database, Transaction
from stores.interface import DocumentName
from stores.locations import content_url_sql

EVIDENCE = (
    "c.old_url, c.old_digest, c.old_size, c.old_compressed, "
    "c.new_url, c.new_digest, c.new_size, c.new_compressed, c.content_sha256"
)
"""The fields of ``Copy`` after its name, in their order."""


@dataclass(frozen=True, slots=True)
class Copy:
    """One row of ``restow.copy``, as far as the checks need it."""

    name: DocumentName
    old_url: str | None
    old_digest: str | None
    old_size: int | None
    old_compressed: bool | None
    new_url: str
    digest: str
    size: int
    is_compressed: bool
    content_sha256: str | None
    fits: bool
    """Whether Anchore's row is still what the page was asked for: as copied, or as switched."""

    @property
    def source_size(self) -> int:
        """Bytes of the source payload, where its row knows them; else those of the copy."""
        return self.size if self.old_size is None else self.old_size


def unchecked_copies(
    database: Database, ticket: Ticket, after: DocumentName | None, limit: int, *, own: bool = False
) -> list[Copy]:
    """Return the next copies that this run has not found right, to be switched to if they fit.

    ``own``: of those that it wrote itself, the ones that were only claimed to be stored.
    """
    unchecked = "c.checked IS NULL AND c.run = :run" if own else "c.checked IS DISTINCT FROM :run"
    return _page(database, ticket, f"c.state = 'copied' AND {unchecked}", after, limit, fits=READY)


def switched_copies(database: Database, ticket: Ticket, after: DocumentName | None, limit: int) -> list[Copy]:
    """Return the next copies whose source payload is still to be deleted."""
    return _page(database, ticket, "c.state = 'switched'", after, limit, fits=AS_SWITCHED)


def switched_pages(database: Database, ticket: Ticket, limit: int) -> Iterator[list[Copy]]:
    """Give all of ``switched_copies``, page by page."""
    after: DocumentName | None = None
    while page := switched_copies(database, ticket, after, limit):
        after = page[-1].name
        yield page


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


def lose_ways_in_the_way(database: Database, ticket: Ticket, back: Route) -> int:
    """Give up the ways back of rows whose old payloads stand where another document is to be copied back to.

    Documents may share a payload, or have one at another's URL. Return how many: those will be copied back as well,
    which may be in the way of others again.
    """
    url = content_url_sql(back.destination.location, row="r", param="old_head")
    scope, there = scope_sql(back), at_sql(back, "source")

    def work(transaction: Transaction) -> int:
        hold(transaction, ticket, shared=True)
        return transaction.execute(
            f"""
            WITH odd AS MATERIALIZED (
                SELECT c.ctid AS at, c.old_url FROM restow.copy c JOIN archive_metadata r ON {SAME_DOCUMENT}
                WHERE c.route = :forward AND c.state = 'switched' AND {AS_SWITCHED} AND c.old_url <> {url.text}
            ), lost AS MATERIALIZED (
                SELECT odd.at FROM odd JOIN archive_metadata r ON odd.old_url = {url.text}
                WHERE {scope.text} AND {there.text}
                  AND NOT {restorable(ticket.restores)} AND NOT {left_alone(ticket.restores)}
            )
            UPDATE restow.copy c SET state = 'intended' FROM lost WHERE c.ctid = lost.at
            """,
            forward=ticket.restores,
            **url.params,
            **scope.params,
            **there.params,
        )

    return database.run(work)


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
        names=json_names(names),
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
    transaction.execute(sql, route=ticket.route_id, run=ticket.run, names=json_names(names))


def _name(row: object) -> DocumentName:
    return DocumentName(*row[:4])  # type: ignore[index]
