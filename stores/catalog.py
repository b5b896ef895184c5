"""Anchore's own tables, read side: where documents are, what stands in the way of a move, which services live.

Everything about many documents is decided in SQL, in one pass: a plan over millions of rows fetches a row a bucket.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from schemas.backend import Backend
from schemas.config import ARCHIVE_BUCKET, StoreName
from stores.database import Transaction
from stores.interface import DocumentName, Row
from stores.limits import too_large_sql
from stores.locations import Sql, content_url, content_url_sql, same_reach, scheme
from stores.names import unreadable_sql

Place = Literal["source", "destination", "elsewhere", "unreachable"]

ODD_NAME = """r."documentName" <> r."archiveId" || '.json'"""
EVERY = Sql("TRUE")


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


@dataclass(frozen=True, slots=True)
class BucketTally:
    """The rows of one bucket by place; ``size`` and ``copy_size`` in bytes, as far as rows know them."""

    bucket: str
    documents: int
    size: int
    to_copy: int
    copy_size: int
    at_destination: int
    elsewhere: int
    unreachable: int
    unverifiable: int
    """Of those to copy, the ones without digest. What follows is of those to copy as well."""
    unsized: int
    oddly_named: int
    """Their documentName is not their key and ".json"."""
    too_large: int
    """Their size is more than the destination takes."""
    unreadable_at_source: int
    """By their names."""
    unreadable_at_destination: int


@dataclass(frozen=True, slots=True)
class Service:
    host: str
    name: str
    heartbeat: int
    """Epoch seconds."""
    age: int
    """Seconds since the heartbeat, by the database's clock."""


def scope_sql(route: Route, *, row: str = "r", buckets: bool = True) -> Sql:
    """Which rows belong to the move. ``buckets=False``: to its store, whatever ``--bucket`` says."""
    if route.shared:
        text = "TRUE"
    elif route.store == "analysis_archive":
        text = f"{row}.bucket = :archive_bucket"
    else:
        text = f"{row}.bucket <> :archive_bucket"
    params: dict[str, object] = {} if route.shared else {"archive_bucket": ARCHIVE_BUCKET}
    if buckets and route.only_buckets:
        text += f" AND {row}.bucket = ANY(CAST(:only_buckets AS text[]))"
        params["only_buckets"] = list(route.only_buckets)
    return Sql(f"({text})", params)


def place_sql(route: Route, *, row: str = "r") -> Sql:
    """Where a row's payload is: an SQL expression that gives a ``Place``."""
    source = content_url_sql(route.source.location, row=row, param="source_head")
    destination = content_url_sql(route.destination.location, row=row, param="destination_head")
    canonical = (
        f"WHEN {row}.content_url = {source.text} THEN 'source'",
        f"WHEN {row}.content_url = {destination.text} THEN 'destination'",
    )
    # With the same URLs on both sides the first branch decides for all rows.
    first, second = canonical if route.same_urls and not route.settled_at_destination else reversed(canonical)
    third = "elsewhere" if same_reach(route.source.location, route.destination.location) else "source"
    return Sql(
        f"CASE {first} {second} WHEN starts_with({row}.content_url, :source_scheme) THEN '{third}' "
        "ELSE 'unreachable' END",
        {**source.params, **destination.params, "source_scheme": scheme(route.source.location)},
    )


def tally(
    transaction: Transaction, route: Route, *, only: Sequence[DocumentName] | None = None
) -> tuple[BucketTally, ...]:
    """Count the rows of the move, or ``only`` those of them, in one pass; buckets in the order of their bytes."""
    scope, place, named = scope_sql(route), place_sql(route), _named(only) if only is not None else Sql("")
    too_large = too_large_sql(route.destination.location, row="r")
    old = unreadable_sql(route.source.location, row="r", param="source_name")
    new = unreadable_sql(route.destination.location, row="r", param="destination_name")
    # OFFSET 0 keeps PostgreSQL from finding out anew for each count where a row is.
    rows = transaction.rows(
        f"""
        SELECT bucket, count(*) AS documents, coalesce(sum(size), 0)::bigint AS size,
               count(*) FILTER (WHERE place = 'source') AS to_copy,
               coalesce(sum(size) FILTER (WHERE place = 'source'), 0)::bigint AS copy_size,
               count(*) FILTER (WHERE place = 'destination') AS at_destination,
               count(*) FILTER (WHERE place = 'elsewhere') AS elsewhere,
               count(*) FILTER (WHERE place = 'unreachable') AS unreachable,
               count(*) FILTER (WHERE place = 'source' AND digest IS NULL) AS unverifiable,
               count(*) FILTER (WHERE place = 'source' AND size IS NULL) AS unsized,
               count(*) FILTER (WHERE place = 'source' AND {ODD_NAME}) AS oddly_named,
               count(*) FILTER (WHERE place = 'source' AND {too_large.text}) AS too_large,
               count(*) FILTER (WHERE place = 'source' AND {old.text}) AS unreadable_at_source,
               count(*) FILTER (WHERE place IN ('source', 'destination') AND {new.text}) AS unreadable_at_destination
        FROM (SELECT r.bucket, r."archiveId", r."userId", r."documentName", r.size, r.digest, {place.text} AS place
              FROM archive_metadata r {named.text} WHERE {scope.text} OFFSET 0) r
        GROUP BY bucket ORDER BY bucket COLLATE "C"
        """,
        **scope.params,
        **place.params,
        **named.params,
        **too_large.params,
        **old.params,
        **new.params,
    )
    return tuple(BucketTally(*row) for row in rows)


def rows_named(transaction: Transaction, names: Sequence[DocumentName]) -> dict[DocumentName, Row]:
    """Read these rows again; a name whose row is gone is not in the answer."""
    named = _named(names)
    found = transaction.rows(f"SELECT {ROW_COLUMNS} FROM archive_metadata r {named.text}", **named.params)
    rows = [to_row(row) for row in found]
    return {row.name: row for row in rows}


def rows_after(
    transaction: Transaction, route: Route, after: DocumentName | None, limit: int, *, where: Sql = EVERY
) -> list[Row]:
    """Return the next rows of the route's store ``where`` that holds, in the order of the primary key."""
    scope = scope_sql(route)
    key = 'r.bucket, r."archiveId", r."userId", r."documentName"'
    position = f"({key}) > (:bucket, :archive_id, :user_id, :document_name)" if after is not None else "TRUE"
    found = transaction.rows(
        f"""
        SELECT {ROW_COLUMNS} FROM archive_metadata r
        WHERE {scope.text} AND {where.text} AND {position} ORDER BY {key} LIMIT :limit
        """,
        limit=limit,
        **scope.params,
        **where.params,
        **(after._asdict() if after is not None else {}),
    )
    return [to_row(row) for row in found]


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
    executor: str
    round: int | None
    """Of our journal; None for the vendor's."""


def past_migrations(transaction: Transaction) -> tuple[PastMigration, ...]:
    """Return Anchore's migration tasks, the oldest first."""
    known = transaction.one("SELECT to_regclass('restow.task') IS NOT NULL AS known").known
    number = "(SELECT round FROM restow.task WHERE id = t.id)" if known else "CAST(NULL AS bigint)"
    moment = "to_char({}, 'YYYY-MM-DD\"T\"HH24\\:MI\\:SS')"
    rows = transaction.rows(
        f"""
        SELECT t.id, t.state::text, {moment.format("t.started_at")}, {moment.format("t.ended_at")},
               coalesce(m.migrate_from_driver, '?'), coalesce(m.migrate_to_driver, '?'),
               coalesce(m.archive_documents_to_migrate, 0), coalesce(m.archive_documents_migrated, 0),
               coalesce(t.executor_id, ''), {number}
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


LISTED_NAMES = (
    "jsonb_to_recordset(CAST(:names AS jsonb)) AS n(bucket text, archive_id text, user_id text, document_name text)"
)
"""The names of a batch, which travel in one parameter; see ``json_rows``."""


def _named(names: Sequence[DocumentName]) -> Sql:
    """Return the join that leaves just the rows with these names."""
    text = f"""
        JOIN {LISTED_NAMES} ON r.bucket = n.bucket AND r."archiveId" = n.archive_id
         AND r."userId" = n.user_id AND r."documentName" = n.document_name
    """
    return Sql(text, {"names": json_rows([name._asdict() for name in names])})
