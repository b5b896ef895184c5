"""Anchore's own tables, read side: where documents are, what stands in the way of a move, which services live.

Everything about many documents is decided in SQL, in one pass: a plan over millions of rows fetches a row a bucket.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from schemas.backend import Backend
from schemas.config import ARCHIVE_BUCKET, StoreName
from stores.database import Transaction
from stores.interface import DocumentName, Row
from stores.locations import ALWAYS, NEVER, Sql, content_url, same_reach, scheme
from stores.own_urls import begins_sql, own_url_sql
from stores.rounds import journal_exists

Place = Literal["source", "destination", "elsewhere", "unreachable"]


@dataclass(frozen=True, slots=True)
class Route:
    """A move as the catalog sees it: which rows, from where, to where."""

    source: Backend
    destination: Backend
    store: StoreName
    shared: bool
    only_buckets: tuple[str, ...] = ()
    settled_at_destination: bool = False
    """Only read where ``same_urls``: rows cannot tell then, the latest switched round does."""

    @property
    def same_urls(self) -> bool:
        """Whether both backends write the same URL for each document: another endpoint, the same bucket and prefix."""
        probe = DocumentName("b", "k", "u", "k.json")
        return content_url(self.source.location, probe) == content_url(self.destination.location, probe)

    @property
    def mine(self) -> Place:
        """Where a row is whose URL is the one that its name makes at the source."""
        return "destination" if self.same_urls and self.settled_at_destination else "source"

    @property
    def third(self) -> Place:
        """Where a row is that has another URL which the source can read."""
        return "elsewhere" if same_reach(self.source.location, self.destination.location) else "source"


@dataclass(frozen=True, slots=True)
class BucketSize:
    """The rows of one bucket; ``size`` in bytes, as far as rows know it."""

    bucket: str
    documents: int
    size: int


@dataclass(frozen=True, slots=True)
class Service:
    host: str
    name: str
    heartbeat: int
    """Epoch seconds."""
    age: int
    """Seconds since the heartbeat, by the database's clock."""


def scope_sql(route: Route, *, buckets: bool = True) -> Sql:
    """Which rows belong to the move. ``buckets=False``: to its store, whatever ``--bucket`` says."""
    if route.shared:
        text = "TRUE"
    elif route.store == "analysis_archive":
        text = "r.bucket = :archive_bucket"
    else:
        text = "r.bucket <> :archive_bucket"
    params: dict[str, object] = {} if route.shared else {"archive_bucket": ARCHIVE_BUCKET}
    if buckets and route.only_buckets:
        text += " AND r.bucket = ANY(CAST(:only_buckets AS text[]))"
        params["only_buckets"] = list(route.only_buckets)
    return Sql(f"({text})", params)


def place_sql(route: Route) -> Sql:
    """Where a row's payload is: an SQL expression that gives a ``Place``."""
    return _by_place(route, lambda place: f"'{place}'")


def at_sql(route: Route, *places: Place) -> Sql:
    """Whether a row's payload is at one of ``places``.

    PostgreSQL expects it of every other row. It would expect ``place_sql`` to equal a value in one of 200, and sort the
    whole table for each page of rows that it is asked for.
    """
    return _by_place(route, lambda place: str(place in places).upper())


def _by_place(route: Route, answer: Callable[[Place], str]) -> Sql:
    own, there, readable = (condition(route, row="r") for condition in (own_sql, there_sql, readable_sql))
    branches = [f"WHEN {there.text} THEN {answer('destination')}", f"WHEN {readable.text} THEN {answer(route.third)}"]
    if route.mine != route.third:
        branches.insert(0, f"WHEN {own.text} THEN {answer(route.mine)}")
    params = own.params | there.params | readable.params
    return Sql(f"(CASE {' '.join(branches)} ELSE {answer('unreachable')} END)", params)


def readable_sql(route: Route, *, row: str) -> Sql:
    """Whether the source can read a row's URL."""
    return begins_sql(scheme(route.source.location), row=row, param="source_begins")


def own_sql(route: Route, *, row: str) -> Sql:
    """Whether a row's URL is the one that its name makes at the source."""
    return own_url_sql(route.source.location, row=row, param="source_head", usual=True)


def there_sql(route: Route, *, row: str) -> Sql:
    """Whether a row's URL is the one that its name makes at the destination, and not at the source."""
    if route.same_urls:
        return NEVER
    return own_url_sql(route.destination.location, row=row, param="destination_head", usual=False)


def tally(transaction: Transaction, route: Route) -> tuple[BucketSize, ...]:
    """Count the rows of the move, wherever their payloads are; buckets in the order of their bytes."""
    scope = scope_sql(route)
    rows = transaction.rows(
        f"""
        SELECT bucket, count(*) AS documents, coalesce(sum(size), 0)::bigint AS size
        FROM archive_metadata r WHERE {scope.text} GROUP BY bucket ORDER BY bucket COLLATE "C"
        """,
        **scope.params,
    )
    return tuple(BucketSize(*row) for row in rows)


def rows_named(transaction: Transaction, names: Sequence[DocumentName]) -> dict[DocumentName, Row]:
    """Read these rows again; a name whose row is gone is not in the answer."""
    named = named_sql(names)
    found = transaction.rows(f"SELECT {ROW_COLUMNS} FROM archive_metadata r {named.text}", **named.params)
    rows = [to_row(row) for row in found]
    return {row.name: row for row in rows}


def rows_after(
    transaction: Transaction, route: Route, after: DocumentName | None, limit: int, *, where: Sql = ALWAYS
) -> list[Row]:
    """Return the next rows of the route's store ``where`` that holds, in the order of the primary key."""
    scope = scope_sql(route)
    position = after_sql(ROW_KEY, after)
    found = transaction.rows(
        f"""
        SELECT {ROW_COLUMNS} FROM archive_metadata r
        WHERE {scope.text} AND {where.text} AND {position.text} ORDER BY {ROW_KEY} LIMIT :limit
        """,
        limit=limit,
        **scope.params,
        **where.params,
        **position.params,
    )
    return [to_row(row) for row in found]


def after_sql(key: str, after: DocumentName | None) -> Sql:
    """Whether the columns of ``key`` come after a name: after that of a page's last row, if there was one."""
    if after is None:
        return ALWAYS
    return Sql(f"({key}) > (:bucket, :archive_id, :user_id, :document_name)", dict(after._asdict()))


@dataclass(frozen=True, slots=True)
class PastMigration:
    """One migration, the vendor's or ours, as Anchore's task tables have it."""

    task: int
    state: str
    started: str | None
    """UTC, ISO 8601 without fractions."""
    ended: str | None
    source: str
    """Driver name."""
    destination: str
    documents: int
    migrated: int
    round: int | None
    """Of our journal; None for the vendor's."""


def past_migrations(transaction: Transaction) -> tuple[PastMigration, ...]:
    """Return Anchore's migration tasks, the oldest first. Raises DeniedError when whose they are cannot be read."""
    known = journal_exists(transaction)
    number = "(SELECT round FROM restow.task WHERE id = t.id)" if known else "CAST(NULL AS bigint)"
    moment = "to_char({}, 'YYYY-MM-DD\"T\"HH24\\:MI\\:SS')"
    rows = transaction.rows(
        f"""
        SELECT t.id, t.state::text, {moment.format("t.started_at")}, {moment.format("t.ended_at")},
               coalesce(m.migrate_from_driver, '?'), coalesce(m.migrate_to_driver, '?'),
               coalesce(m.archive_documents_to_migrate, 0), coalesce(m.archive_documents_migrated, 0),
               {number}
        FROM tasks t JOIN archive_migration_tasks m ON m.id = t.id ORDER BY t.id
        """
    )
    return tuple(PastMigration(*row) for row in rows)


def services(transaction: Transaction) -> tuple[Service, ...]:
    """Return Anchore's services with their last heartbeats."""
    rows = transaction.rows(
        """
        SELECT hostid, servicename, coalesce(heartbeat, 0) AS heartbeat,
               (extract(epoch FROM clock_timestamp())::bigint - coalesce(heartbeat, 0)) AS age
        FROM services ORDER BY hostid COLLATE "C", servicename COLLATE "C"
        """
    )
    return tuple(Service(row.hostid, row.servicename, int(row.heartbeat), int(row.age)) for row in rows)


def json_rows(rows: Sequence[Mapping[str, object]]) -> str:
    """Return the one parameter in which a batch of small rows travels, for ``jsonb_to_recordset``."""
    return json.dumps(rows, ensure_ascii=False)


def json_names(names: Sequence[DocumentName]) -> str:
    """Return the same of names, for columns of ``NAME_TYPES``."""
    return json_rows([name._asdict() for name in names])


ROW_KEY = 'r.bucket, r."archiveId", r."userId", r."documentName"'
NAME_TYPES = "bucket text, archive_id text, user_id text, document_name text"
"""The columns of ``DocumentName`` in such a batch."""
ROW_COLUMNS = (
    'r.bucket, r."archiveId" AS archive_id, r."userId" AS user_id, r."documentName" AS document_name, '
    "r.content_url, r.digest, r.size, r.is_compressed, r.last_updated"
)


def to_row(row: Any) -> Row:
    """Turn a result row with ``ROW_COLUMNS`` into a ``Row``."""
    return Row(
        name=DocumentName(row.bucket, row.archive_id, row.user_id, row.document_name),
        content_url=row.content_url,
        digest=row.digest,
        size=row.size,
        is_compressed=row.is_compressed,
        last_updated=row.last_updated,
    )


def named_sql(names: Sequence[DocumentName]) -> Sql:
    """Return the join that leaves just the rows with these names."""
    text = f"""
        JOIN jsonb_to_recordset(CAST(:names AS jsonb)) AS n({NAME_TYPES})
          ON r.bucket = n.bucket AND r."archiveId" = n.archive_id
         AND r."userId" = n.user_id AND r."documentName" = n.document_name
    """
    return Sql(text, {"names": json_names(names)})
