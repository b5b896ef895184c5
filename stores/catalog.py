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
from stores.locations import Sql, content_url, content_url_sql, same_reach, scheme

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


@dataclass(frozen=True, slots=True)
class Names:
    """How many documents something holds for, and the first few of them in the order of their bytes."""

    count: int
    examples: tuple[str, ...]


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


def tally(transaction: Transaction, route: Route) -> tuple[BucketTally, ...]:
    """Count the rows of the move, bucket by bucket, in one pass; buckets in the order of their bytes."""
    scope, place = scope_sql(route), place_sql(route)
    rows = transaction.rows(
        f"""
        SELECT bucket, count(*) AS documents, coalesce(sum(size), 0)::bigint AS size,
               count(*) FILTER (WHERE place = 'source') AS to_copy,
               coalesce(sum(size) FILTER (WHERE place = 'source'), 0)::bigint AS copy_size,
               count(*) FILTER (WHERE place = 'destination') AS at_destination,
               count(*) FILTER (WHERE place = 'elsewhere') AS elsewhere,
               count(*) FILTER (WHERE place = 'unreachable') AS unreachable,
               count(*) FILTER (WHERE place = 'source' AND digest IS NULL) AS unverifiable
        FROM (SELECT r.bucket, r.size, r.digest, {place.text} AS place FROM archive_metadata r WHERE {scope.text}) p
        GROUP BY bucket ORDER BY bucket COLLATE "C"
        """,
        **scope.params,
        **place.params,
    )
    return tuple(BucketTally(*row) for row in rows)


def names_in(transaction: Transaction, route: Route, place: Place, *, limit: int = 5) -> Names:
    """Name the documents of the move at ``place``."""
    where = place_sql(route)
    return _names(transaction, route, Sql(f"{where.text} = '{place}'", where.params), limit)


def names_without_digest(transaction: Transaction, route: Route, *, limit: int = 5) -> Names:
    """Name the documents at the source that have no digest to check them by."""
    where = place_sql(route)
    return _names(transaction, route, Sql(f"{where.text} = 'source' AND r.digest IS NULL", where.params), limit)


def names_where(transaction: Transaction, route: Route, condition: Sql, *, limit: int = 5) -> Names:
    """Name the documents at the source for which ``condition`` (over the alias ``r``) holds."""
    where = place_sql(route)
    text = f"{where.text} = 'source' AND {condition.text}"
    return _names(transaction, route, Sql(text, {**where.params, **condition.params}), limit)


def occupied(transaction: Transaction, route: Route, *, limit: int = 5) -> Names:
    """Name the documents to copy whose destination URL belongs to another document already, or also.

    Two rows with canonical URLs of one location cannot collide unless a part of their names holds a slash or they
    differ in ``documentName`` only, so just the rows that are odd in one of these ways are compared with all.
    Documents that share one payload at the source may share it at the destination as well.
    """
    if route.same_urls:
        return Names(0, ())
    place = place_sql(route)
    mine = content_url_sql(route.destination.location, row="r", param="destination_head")
    theirs = content_url_sql(route.destination.location, row="o", param="destination_head")
    key = 'bucket, "archiveId", "userId", "documentName"'
    taken = f"""
        WITH odd AS MATERIALIZED (
            SELECT {key}, o.content_url, {theirs.text} AS canonical FROM archive_metadata o
            WHERE (starts_with(o.content_url, :destination_scheme) AND o.content_url <> {theirs.text})
               OR o."documentName" <> o."archiveId" || '.json' OR strpos(o."userId" || o.bucket, '/') > 0
        ), taken AS (
            SELECT {key}, content_url AS url, NULL AS payload FROM odd
            WHERE starts_with(content_url, :destination_scheme)
            UNION ALL SELECT {key}, canonical AS url, content_url AS payload FROM odd
        )
    """
    condition = f"""{place.text} = 'source' AND EXISTS (
        SELECT FROM taken t
        WHERE t.url = {mine.text} AND t.payload IS DISTINCT FROM r.content_url
          AND (t.bucket, t."archiveId", t."userId", t."documentName")
              IS DISTINCT FROM (r.bucket, r."archiveId", r."userId", r."documentName")
    )"""
    params = {**place.params, **mine.params, "destination_scheme": scheme(route.destination.location)}
    scope = scope_sql(route)
    return _select_names(transaction, Sql(f"{scope.text} AND {condition}", {**scope.params, **params}), limit, taken)


def left_behind(transaction: Transaction, route: Route, *, limit: int = 5) -> Names:
    """Name the documents of the store at the source that ``--bucket`` leaves out."""
    if not route.only_buckets:
        return Names(0, ())
    place, scope = place_sql(route), scope_sql(route, buckets=False)
    others = "r.bucket <> ALL(CAST(:only_buckets AS text[]))"
    condition = f"{place.text} = 'source' AND {others}"
    params = {**place.params, **scope.params, "only_buckets": list(route.only_buckets)}
    return _select_names(transaction, Sql(f"{scope.text} AND {condition}", params), limit)


def rows_named(transaction: Transaction, names: Sequence[DocumentName]) -> dict[DocumentName, Row]:
    """Read these rows again; a name whose row is gone is not in the answer."""
    found = transaction.rows(
        f"""
        SELECT {ROW_COLUMNS} FROM archive_metadata r
        JOIN jsonb_to_recordset(CAST(:names AS jsonb))
             AS n(bucket text, archive_id text, user_id text, document_name text)
          ON r.bucket = n.bucket AND r."archiveId" = n.archive_id
         AND r."userId" = n.user_id AND r."documentName" = n.document_name
        """,
        names=json_rows([name._asdict() for name in names]),
    )
    rows = [to_row(row) for row in found]
    return {row.name: row for row in rows}


def rows_after(transaction: Transaction, route: Route, after: DocumentName | None, limit: int) -> list[Row]:
    """Return the next rows of the route's store, in the order of the primary key."""
    scope = scope_sql(route)
    key = 'r.bucket, r."archiveId", r."userId", r."documentName"'
    position = f"({key}) > (:bucket, :archive_id, :user_id, :document_name)" if after is not None else "TRUE"
    found = transaction.rows(
        f"SELECT {ROW_COLUMNS} FROM archive_metadata r WHERE {scope.text} AND {position} ORDER BY {key} LIMIT :limit",
        limit=limit,
        **scope.params,
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


def _names(transaction: Transaction, route: Route, condition: Sql, limit: int) -> Names:
    scope = scope_sql(route)
    both = Sql(f"{scope.text} AND {condition.text}", {**scope.params, **condition.params})
    return _select_names(transaction, both, limit)


def _select_names(transaction: Transaction, condition: Sql, limit: int, ctes: str = "") -> Names:
    rows = transaction.rows(
        f"""
        {ctes} SELECT count(*) OVER () AS total, r.bucket, r."archiveId" AS archive_id, r."userId" AS user_id,
                      r."documentName" AS document_name
        FROM archive_metadata r WHERE {condition.text}
        ORDER BY r.bucket COLLATE "C", r."userId" COLLATE "C", r."archiveId" COLLATE "C", r."documentName" COLLATE "C"
        LIMIT :limit
        """,
        limit=limit,
        **condition.params,
    )
    names = tuple(str(DocumentName(row.bucket, row.archive_id, row.user_id, row.document_name)) for row in rows)
    return Names(rows[0].total if rows else 0, names)
