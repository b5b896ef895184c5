"""Rows that stand in the way of a move, or that a reviewer should know of: SQL conditions, and the documents they name.

A condition is about the alias ``r`` of ``archive_metadata``. What a plan counts, ``stores.survey`` counts in one pass;
here documents are named, once it is known that there are any, or that there may be.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from schemas.backend import Location
from stores.catalog import Place, Route, at_sql, own_sql, readable_sql, scope_sql, there_sql
from stores.database import Transaction
from stores.interface import DocumentName
from stores.limits import too_large_sql
from stores.locations import ALWAYS, NEVER, Sql, content_url_sql
from stores.names import unreadable_sql
from stores.own_urls import begins_sql, names_meet_sql, odd_name_sql, twin_sql, url_head

Side = Literal["source", "destination"]

KEY = 'bucket, "archiveId", "userId", "documentName"'
EXAMPLES = 5


@dataclass(frozen=True, slots=True)
class Condition:
    """Which rows are meant."""

    where: Sql
    ctes: str = ""
    """A WITH clause that ``where`` refers to."""


@dataclass(frozen=True, slots=True)
class Names:
    """How many documents something holds for, and the first few of them in the order of their bytes."""

    count: int
    examples: tuple[str, ...]


def first_names(transaction: Transaction, condition: Condition, *, limit: int = EXAMPLES) -> Names:
    """Count the rows and name the first few of them."""
    rows = _select(transaction, condition, "count(*) OVER () AS total, ", limit)
    return Names(rows[0].total if rows else 0, tuple(str(_name(row)) for row in rows))


def counted_names(
    transaction: Transaction, condition: Condition, counts: Mapping[str, int], *, limit: int = EXAMPLES
) -> Names:
    """Name the first few rows of those that were counted, bucket by bucket in the order of their bytes."""
    first: list[str] = []
    found = 0
    for bucket, count in counts.items():
        if count and found < limit:
            first.append(bucket)
            found += count
    if not first:
        return Names(0, ())
    within = Sql(f"{condition.where.text} AND r.bucket = ANY(CAST(:first_buckets AS text[]))", {"first_buckets": first})
    where = Sql(within.text, {**condition.where.params, **within.params})
    rows = _select(transaction, Condition(where, condition.ctes), "", limit)
    return Names(sum(counts.values()), tuple(str(_name(row)) for row in rows))


def all_names(transaction: Transaction, condition: Condition) -> tuple[DocumentName, ...]:
    """Name all the rows, in the order of their bytes."""
    return tuple(_name(row) for row in _select(transaction, condition, "", None))


def at(route: Route, places: Sequence[Place], further: Sql = ALWAYS) -> Condition:
    """Rows of the move at one of ``places`` for which ``further`` holds as well."""
    scope, where = scope_sql(route), at_sql(route, *places)
    text = f"{scope.text} AND {where.text} AND {further.text}"
    return Condition(Sql(text, {**scope.params, **where.params, **further.params}))


def without_digest(route: Route) -> Condition:
    return at(route, ("source",), Sql("r.digest IS NULL"))


def without_size(route: Route) -> Condition:
    return at(route, ("source",), Sql("r.size IS NULL"))


def oddly_named(route: Route) -> Condition:
    """Rows to copy whose documentName is not their key and ".json"."""
    return at(route, ("source",), Sql(odd_name_sql(row="r")))


def too_large(route: Route) -> Condition:
    """Rows to copy that say they are larger than the destination takes."""
    return at(route, ("source",), too_large_sql(route.destination.location, row="r"))


def unreadable_at(route: Route, side: Side) -> Condition:
    """Rows to copy that Anchore could not read back from that side, by their names; also those at the destination."""
    if side == "source":
        return at(route, ("source",), unreadable_sql(route.source.location, row="r", param="source_name"))
    name = unreadable_sql(route.destination.location, row="r", param="destination_name")
    return at(route, ("source", "destination"), name)


def examinable(route: Route, side: Side) -> Sql:
    """Rows on that side whose payloads can be looked at: of those to copy not the ones whose names cannot be read."""
    place = at_sql(route, side)
    if side == "destination":
        return place
    name = unreadable_sql(route.source.location, row="r", param="source_name")
    # One truth value, of which PostgreSQL expects nothing in particular, as with ``at_sql``.
    return Sql(f"(CASE WHEN {name.text} THEN FALSE ELSE {place.text} END)", place.params | name.params)


def occupied(route: Route) -> Condition:
    """Rows to copy whose destination URL belongs to another document already, or also.

    Just the rows at URLs of odd rows are compared, see ``stores.own_urls``. Documents that share one payload at the
    source may share it at the destination too.
    """
    if route.same_urls:
        return Condition(NEVER)
    mine = content_url_sql(route.destination.location, row="r", param="destination_head")
    theirs = content_url_sql(route.destination.location, row="o", param="destination_head")
    own, odd = own_sql(route, row="o"), _odd(route.destination.location, route.source.location)
    inside = begins_sql(url_head(route.destination.location), row="o", param="destination_head_begins")
    taken = f"""
        WITH odd AS MATERIALIZED (
            SELECT {theirs.text} AS canonical, CASE WHEN {inside.text} THEN o.content_url END AS stored
            FROM archive_metadata o
            WHERE ({inside.text} AND o.content_url <> {theirs.text} AND NOT {own.text}) OR {odd.text}
        ), doubtful AS MATERIALIZED (
            SELECT canonical AS url FROM odd UNION SELECT stored FROM odd WHERE stored IS NOT NULL
        ), taken AS MATERIALIZED (
            SELECT {KEY}, o.content_url AS url, NULL AS payload FROM archive_metadata o
            WHERE {inside.text} AND o.content_url IN (SELECT url FROM doubtful)
            UNION ALL
            SELECT {KEY}, {theirs.text} AS url, o.content_url AS payload FROM archive_metadata o
            WHERE {theirs.text} IN (SELECT url FROM doubtful)
        )
    """
    another = Sql(
        f"""EXISTS (
            SELECT FROM taken t
            WHERE t.url = {mine.text} AND t.payload IS DISTINCT FROM r.content_url
              AND (t.bucket, t."archiveId", t."userId", t."documentName")
                  IS DISTINCT FROM (r.bucket, r."archiveId", r."userId", r."documentName")
        )""",
        mine.params | inside.params | own.params | odd.params,
    )
    return Condition(at(route, ("source",), another).where, taken)


def sharing(route: Route) -> Condition:
    """Rows to copy whose content URL is that of another row too; as with ``occupied``, one of two such rows is odd."""
    readable = readable_sql(route, row="o")
    own, there = own_sql(route, row="o"), there_sql(route, row="o")
    odd = _odd(route.source.location, route.destination.location)
    shared = f"""
        WITH odd AS MATERIALIZED (
            SELECT o.content_url FROM archive_metadata o
            WHERE {readable.text} AND (NOT ({own.text} OR {there.text}) OR {odd.text})
        ), shared AS MATERIALIZED (
            SELECT content_url FROM archive_metadata WHERE content_url IN (SELECT content_url FROM odd)
            GROUP BY content_url HAVING count(*) > 1
        )
    """
    params = readable.params | own.params | there.params | odd.params
    condition = Sql("r.content_url IN (SELECT content_url FROM shared)", params)
    return Condition(at(route, ("source",), condition).where, shared)


def left_behind(route: Route) -> Condition:
    """Rows of the store that ``--bucket`` leaves out, and that only the old configuration, or none, can read."""
    if not route.only_buckets:
        return Condition(NEVER)
    place, scope = at_sql(route, "source", "unreachable"), scope_sql(route, buckets=False)
    others = "r.bucket <> ALL(CAST(:only_buckets AS text[]))"
    params = {**place.params, **scope.params, "only_buckets": list(route.only_buckets)}
    return Condition(Sql(f"{scope.text} AND {place.text} AND {others}", params))


def _odd(location: Location, other: Location) -> Sql:
    """Rows ``o`` whose URL on ``location`` may be another row's there or on ``other``, by their names alone."""
    meeting = names_meet_sql(location, other, row="o", param="meet")
    return Sql(f"({meeting.text} OR {twin_sql(row='o')})", meeting.params)


def _select(transaction: Transaction, condition: Condition, columns: str, limit: int | None) -> Any:
    return transaction.rows(
        f"""
        {condition.ctes} SELECT {columns} r.bucket, r."archiveId" AS archive_id, r."userId" AS user_id,
                                r."documentName" AS document_name
        FROM archive_metadata r WHERE {condition.where.text}
        ORDER BY r.bucket COLLATE "C", r."userId" COLLATE "C", r."archiveId" COLLATE "C", r."documentName" COLLATE "C"
        LIMIT :limit
        """,
        limit=limit,
        **condition.where.params,
    )


def _name(row: Any) -> DocumentName:
    return DocumentName(row.bucket, row.archive_id, row.user_id, row.document_name)
