"""What the database holds for each move. Reads in one snapshot; decides nothing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from planner.diff import Outline
from schemas.plan import BucketCounts, Counts
from stores.catalog import (
    BucketTally,
    Names,
    Route,
    left_behind,
    names_in,
    names_where,
    names_without_digest,
    occupied,
    tally,
)
from stores.database import Transaction
from stores.names import unreadable_sql
from stores.rounds import latest_live_round

NOBODY = Names(0, ())


@dataclass(frozen=True, slots=True)
class Inventory:
    """The documents of one move, and those that stand in its way."""

    route: Route
    buckets: tuple[BucketCounts, ...]
    totals: Counts
    unreachable: Names
    elsewhere: Names
    unverifiable: Names
    occupied: Names
    left_behind: Names
    unreadable_at_source: Names
    unreadable_at_destination: Names


def route_of(transaction: Transaction, outline: Outline, only_buckets: tuple[str, ...]) -> Route:
    """Return the move as the catalog sees it; for a move that changes no URL, ask the rounds where the store is."""
    route = Route(outline.source, outline.destination, outline.store, outline.shared, only_buckets)
    if not route.same_urls:
        return route
    live = latest_live_round(transaction, outline.stores)
    settled = live is not None and live.destination == outline.destination.identity
    return Route(outline.source, outline.destination, outline.store, outline.shared, only_buckets, settled)


def take_inventory(transaction: Transaction, route: Route) -> Inventory:
    """Count the move's documents bucket by bucket, and name examples of what stands out."""
    tallies = tally(transaction, route)
    totals = add(_counts(one) for one in tallies)
    source = unreadable_sql(route.source.location, row="r")
    destination = unreadable_sql(route.destination.location, row="r")
    return Inventory(
        route=route,
        buckets=tuple(BucketCounts(bucket=one.bucket, **_counts(one).model_dump()) for one in tallies),
        totals=totals,
        unreachable=names_in(transaction, route, "unreachable") if totals.unreachable else NOBODY,
        elsewhere=names_in(transaction, route, "elsewhere") if totals.elsewhere else NOBODY,
        unverifiable=names_without_digest(transaction, route) if totals.unverifiable else NOBODY,
        occupied=occupied(transaction, route) if totals.to_copy else NOBODY,
        left_behind=left_behind(transaction, route),
        unreadable_at_source=names_where(transaction, route, source) if totals.to_copy else NOBODY,
        unreadable_at_destination=names_where(transaction, route, destination) if totals.to_copy else NOBODY,
    )


def add(counts: Iterable[Counts]) -> Counts:
    """Return the sum, field by field."""
    total = dict.fromkeys(Counts.model_fields, 0)
    for one in counts:
        for name, value in one:
            if name in total:
                total[name] += value
    return Counts(**total)


def _counts(one: BucketTally) -> Counts:
    return Counts(
        documents=one.documents,
        bytes=one.size,
        to_copy=one.to_copy,
        at_destination=one.at_destination,
        elsewhere=one.elsewhere,
        unreachable=one.unreachable,
        unverifiable=one.unverifiable,
    )
