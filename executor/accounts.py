"""How the documents of a move stand, counted in one pass over rows and journal."""

from __future__ import annotations

from dataclasses import dataclass

from executor.fence import Ticket
from executor.journal_sql import ACCEPTED, DONE, READY, SAME_DOCUMENT, left_alone, restorable
from stores.catalog import Route, place_sql, scope_sql
from stores.database import Database, Transaction
from stores.locations import Sql
from stores.rounds import Round


@dataclass(frozen=True, slots=True)
class BucketAccount:
    """How the documents of one bucket stand, by the rows and the journal."""

    bucket: str
    documents: int
    """In the move, without those that stay elsewhere."""
    by_this_run: int
    """At the destination or ready to switch, copied by this run."""
    before: int
    """The same, but not by this run."""
    accepted: int
    """Left as they are, because the plan accepts it."""
    pending: int
    """Neither: to copy, or unreachable."""
    pending_bytes: int


def take_account(database: Database, route: Route, ticket: Ticket) -> tuple[BucketAccount, ...]:
    """Count how each bucket of the move stands now. Raises UnreachableError or DeniedError."""
    return database.run(lambda transaction: account(transaction, route, ticket))


def account(transaction: Transaction, route: Route, ticket: Ticket) -> tuple[BucketAccount, ...]:
    """Count how each bucket of the move stands, as this transaction sees it."""
    scope, place = scope_sql(route), place_sql(route)
    rows = transaction.rows(
        f"""
        SELECT bucket, count(*) AS documents, count(*) FILTER (WHERE settled AND mine) AS by_this_run,
               count(*) FILTER (WHERE settled AND NOT mine) AS before,
               count(*) FILTER (WHERE accepted) AS accepted,
               count(*) FILTER (WHERE NOT settled AND NOT accepted) AS pending,
               coalesce(sum(size) FILTER (WHERE NOT settled AND NOT accepted), 0)::bigint AS pending_bytes
        FROM (
            SELECT bucket, size, mine, accepted, arrived AND NOT accepted AS settled FROM (
                SELECT r.bucket, r.size, coalesce(c.run = :run AND c.state <> 'intended', FALSE) AS mine,
                       (coalesce({ACCEPTED}, FALSE) OR {left_alone(ticket.restores)}) AS accepted,
                       ({_settled(route, place)} OR {restorable(ticket.restores)}) AS arrived
                FROM archive_metadata r LEFT JOIN restow.copy c ON c.route = :route AND {SAME_DOCUMENT}
                WHERE {scope.text} AND {place.text} <> 'elsewhere'
            ) rows
        ) counted GROUP BY bucket ORDER BY bucket COLLATE "C"
        """,
        route=ticket.route_id, run=ticket.run, **scope.params, **place.params,
    )  # fmt: skip
    return tuple(BucketAccount(*row) for row in rows)


def left_at_source(transaction: Transaction, route: Route, one: Round | None) -> int:
    """Count the documents at the source that a round has left there, because its plan accepts it."""
    if one is None:
        return 0
    scope, place = scope_sql(route), place_sql(route)
    found = transaction.one(
        f"""
        SELECT count(*) AS documents FROM archive_metadata r
        WHERE {scope.text} AND {place.text} = 'source' AND {left_alone(one.route)}
        """,
        **scope.params,
        **place.params,
    )
    return int(found.documents)


def _settled(route: Route, place: Sql) -> str:
    if route.settled_at_destination:
        return "TRUE"
    if route.same_urls:
        return f"coalesce({READY}, FALSE) OR coalesce({DONE}, FALSE)"
    return f"coalesce({READY}, FALSE) OR {place.text} = 'destination'"
