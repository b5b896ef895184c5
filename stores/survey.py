"""One look at all rows of Anchore's for a move: how many there are of each kind, and whether documents may meet.

It takes a few times as long as counting the rows does, however many there are; nothing but counts leaves PostgreSQL.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from stores.catalog import Place, Route, named_sql, own_sql, readable_sql, scope_sql, there_sql
from stores.database import Transaction
from stores.interface import DocumentName
from stores.limits import too_large_sql
from stores.locations import NEVER, Sql, scheme
from stores.names import NameRules, name_rules
from stores.own_urls import names_meet_sql, odd_name_sql, twin_sql


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


def tally_named(transaction: Transaction, route: Route, names: Sequence[DocumentName]) -> tuple[BucketTally, ...]:
    """Count those rows of the move that have these names; buckets in the order of their bytes."""
    named, scope = named_sql(names), scope_sql(route)
    some = Sql(f"{named.text} WHERE {scope.text}", {**named.params, **scope.params})
    return tuple(_tally(row) for row in _counted(transaction, route, some))


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
    readable = readable_sql(route, row="r")
    too_large = too_large_sql(route.destination.location, row="r")
    key = new.key if old.key == NEVER else old.key
    text = f"""
        SELECT *, CASE WHEN own THEN '{route.mine}' WHEN there THEN 'destination' WHEN readable THEN '{route.third}'
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
