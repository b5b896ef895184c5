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
from stores.locations import Sql, content_url, same_reach, scheme
from stores.names import NEVER, NameRules, name_rules
from stores.own_urls import begins_sql, names_meet_sql, odd_name_sql, own_url_sql, twin_sql

Place = Literal["source", "destination", "elsewhere", "unreachable"]

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
    """The rows of one bucket by place; ``size`` in bytes, as far as rows know it."""

    bucket: str
    documents: int
    size: int
    to_copy: int
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
    """Also of those that are there already."""


@dataclass(frozen=True, slots=True)
class Survey:
    """All rows of Anchore's, looked at once for one move. Buckets in the order of their bytes."""

    buckets: tuple[BucketTally, ...]
    """Of the move."""
    left_out: tuple[BucketTally, ...]
    """Of its store, left out by ``--bucket``."""
    may_be_occupied: bool
    """False: no row is ``odd_rows.occupied``."""
    may_be_shared: bool
    """False: no row is ``odd_rows.sharing``."""


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
    own, there = own_sql(route, row=row), there_sql(route, row=row)
    mine, third = _mine(route), _third(route)
    readable = begins_sql(scheme(route.source.location), row=row, param="source_begins")
    branches = [] if mine == third else [f"WHEN {own.text} THEN '{mine}'"]
    branches += [f"WHEN {there.text} THEN 'destination'", f"WHEN {readable.text} THEN '{third}'", "ELSE 'unreachable'"]
    return Sql(f"CASE {' '.join(branches)} END", own.params | there.params | readable.params)


def own_sql(route: Route, *, row: str) -> Sql:
    """Whether a row's URL is the one that its name makes at the source."""
    return own_url_sql(route.source.location, row=row, param="source_head", usual=True)


def there_sql(route: Route, *, row: str) -> Sql:
    """Whether a row's URL is the one that its name makes at the destination, and not at the source."""
    if route.same_urls:
        return NEVER
    return own_url_sql(route.destination.location, row=row, param="destination_head", usual=False)


def tally(
    transaction: Transaction, route: Route, *, only: Sequence[DocumentName] | None = None
) -> tuple[BucketTally, ...]:
    """Count the rows of the move, or ``only`` those of them, in one pass; buckets in the order of their bytes."""
    named, scope = Sql("") if only is None else _named(only), scope_sql(route)
    some = Sql(f"{named.text} WHERE {scope.text}", {**named.params, **scope.params})
    return tuple(_tally(row) for row in _counted(transaction, route, some))


def survey(transaction: Transaction, route: Route) -> Survey:
    """Count the rows of the move in one pass, over all rows: what is in its way may be another store's."""
    rows = _counted(transaction, route, Sql(""))
    twin = f"SELECT 1 FROM archive_metadata r WHERE {twin_sql(row='r')} LIMIT 1"
    twins = any(row.odd for row in rows) and bool(transaction.rows(twin))
    return Survey(
        buckets=tuple(_tally(row) for row in rows if row.in_move),
        left_out=tuple(_tally(row) for row in rows if row.in_store and not row.in_move),
        may_be_occupied=twins or any(row.may_be_occupied for row in rows),
        may_be_shared=twins or any(row.may_be_shared for row in rows),
    )


def _counted(transaction: Transaction, route: Route, some: Sql) -> Sequence[Any]:
    """Return for each bucket the fields of ``BucketTally``, and what ``Survey`` says of all rows.

    What is asked of accounts and buckets is asked once for all rows that are alike.
    """
    scope, store = scope_sql(route), scope_sql(route, buckets=False)
    old = name_rules(route.source.location, row="r", param="source_name")
    new = name_rules(route.destination.location, row="r", param="destination_name")
    alike = _alike(route, old, new, some)
    source, destination = route.source.location, route.destination.location
    meet_here = names_meet_sql(source, destination, row="r", param="meet")
    meet_there = names_meet_sql(destination, source, row="r", param="meet")
    # In the way of the destination is only what has a URL of its scheme.
    stray = "readable AND NOT own" if scheme(source) == scheme(destination) else "NOT readable"

    def total(what: str, *places: Place) -> str:
        listed = ", ".join(f"'{place}'" for place in places)
        return f"coalesce(sum({what}) FILTER (WHERE place IN ({listed})), 0)::bigint"

    def unreadable(rules: NameRules, length: str) -> str:
        return (
            f"CASE WHEN {rules.account.text} {'' if rules.key == NEVER else 'OR cut'} THEN documents ELSE {length} END"
        )

    return transaction.rows(
        f"""
        SELECT bucket, sum(documents)::bigint AS documents, coalesce(sum(size), 0)::bigint AS size,
               {total("documents", "source")} AS to_copy, {total("documents", "destination")} AS at_destination,
               {total("documents", "elsewhere")} AS elsewhere, {total("documents", "unreachable")} AS unreachable,
               {total("documents - digests", "source")} AS unverifiable,
               {total("documents - sizes", "source")} AS unsized,
               {total("oddly_named", "source")} AS oddly_named, {total("too_large", "source")} AS too_large,
               {total(unreadable(old, "too_long_here"), "source")} AS unreadable_at_source,
               {total(unreadable(new, "too_long_there"), "source", "destination")} AS unreadable_at_destination,
               {scope.text} AS in_move, {store.text} AS in_store,
               bool_or({meet_here.text} OR (readable AND NOT own AND NOT there)) AS may_be_shared,
               bool_or({meet_there.text} OR ({stray} AND NOT there)) AS may_be_occupied, bool_or(oddly_named > 0) AS odd
        FROM ({alike.text}) r GROUP BY bucket ORDER BY bucket COLLATE "C"
        """,
        **{name: value for part in (scope, store, old.account, new.account, meet_here, meet_there, alike)
           for name, value in part.params.items()},
    )  # fmt: skip


def _alike(route: Route, old: NameRules, new: NameRules, some: Sql) -> Sql:
    """Return a query that counts rows in groups of such as are alike, each test made once a row.

    PostgreSQL does that in parallel. It expects few groups, because a row is grouped by columns and truth values.
    """
    scope, own, there = scope_sql(route), own_sql(route, row="r"), there_sql(route, row="r")
    too_large = too_large_sql(route.destination.location, row="r")
    key = new.key if old.key == NEVER else old.key
    readable = begins_sql(scheme(route.source.location), row="r", param="source_begins")
    mine, third = _mine(route), _third(route)
    text = f"""
        SELECT *, CASE WHEN own THEN '{mine}' WHEN there THEN 'destination' WHEN readable THEN '{third}'
                       ELSE 'unreachable' END AS place
        FROM (SELECT r.bucket, r."userId", {own.text} IS TRUE AS own, {there.text} IS TRUE AS there,
                     {readable.text} IS TRUE AS readable, {scope.text} AND {key.text} AS cut,
                     count(*) AS documents, sum(r.size) AS size, count(r.size) AS sizes, count(r.digest) AS digests,
                     count(*) FILTER (WHERE {odd_name_sql(row="r")}) AS oddly_named,
                     count(*) FILTER (WHERE {too_large.text}) AS too_large,
                     count(*) FILTER (WHERE {old.length.text}) AS too_long_here,
                     count(*) FILTER (WHERE {new.length.text}) AS too_long_there
              FROM archive_metadata r {some.text} GROUP BY 1, 2, 3, 4, 5, 6) alike
    """
    parts = (scope, own, there, readable, too_large, key, old.length, new.length, some)
    return Sql(text, {name: value for part in parts for name, value in part.params.items()})


def _tally(row: Any) -> BucketTally:
    return BucketTally(*row[: len(BucketTally.__slots__)])


def _mine(route: Route) -> Place:
    """Where a row is whose URL is the one that its name makes at the source."""
    return "destination" if route.same_urls and route.settled_at_destination else "source"


def _third(route: Route) -> Place:
    """Where a row is that has another URL which the source can read."""
    return "elsewhere" if same_reach(route.source.location, route.destination.location) else "source"


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
