"""What the database holds for each move. Reads in one snapshot; decides nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from planner.diff import Outline
from schemas.plan import BucketCounts, Counts
from stores import odd_rows
from stores.catalog import Route
from stores.database import Transaction
from stores.interface import DocumentName
from stores.odd_rows import Condition, Names
from stores.rounds import latest_live_round
from stores.survey import BucketTally, survey, tally_named

NOBODY = Names(0, ())
NAMES_AT_ONCE = 10_000


@dataclass(frozen=True, slots=True)
class Inventory:
    """The documents of one move, and those that stand in its way or are worth a word.

    But for ``unreachable`` and ``elsewhere`` these are documents to copy, ``unreadable_at_destination`` also those that
    are there already; ``left_behind`` are of the store's other buckets.
    """

    route: Route
    buckets: tuple[BucketCounts, ...]
    totals: Counts
    unreachable: Names
    elsewhere: Names
    unverifiable: Names
    unsized: Names
    occupied: Names
    sharing: Names
    oddly_named: Names
    too_large: Names
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
    """Count the move's documents bucket by bucket, and name examples of what stands out; nothing is accepted yet.

    One pass over the rows, and another one for each kind that there is, or for sharing and occupied may be.
    """
    seen = survey(transaction, route)
    totals = add(_counts(one) for one in seen.buckets)

    def names(
        condition: Condition, count: Callable[[BucketTally], int], buckets: Sequence[BucketTally] = seen.buckets
    ) -> Names:
        return odd_rows.counted_names(transaction, condition, {one.bucket: count(one) for one in buckets})

    def sought(condition: Condition, *, may_be: bool) -> Names:
        return odd_rows.first_names(transaction, condition) if may_be and totals.to_copy else NOBODY

    return Inventory(
        route=route,
        buckets=tuple(BucketCounts(bucket=one.bucket, **_counts(one).model_dump()) for one in seen.buckets),
        totals=totals,
        unreachable=names(odd_rows.at(route, ("unreachable",)), lambda one: one.unreachable),
        elsewhere=names(odd_rows.at(route, ("elsewhere",)), lambda one: one.elsewhere),
        unverifiable=names(odd_rows.without_digest(route), lambda one: one.unverifiable),
        unsized=names(odd_rows.without_size(route), lambda one: one.unsized),
        occupied=sought(odd_rows.occupied(route), may_be=seen.may_be_occupied),
        sharing=sought(odd_rows.sharing(route), may_be=seen.may_be_shared),
        oddly_named=names(odd_rows.oddly_named(route), lambda one: one.oddly_named),
        too_large=names(odd_rows.too_large(route), lambda one: one.too_large),
        left_behind=names(odd_rows.left_behind(route), lambda one: one.to_copy + one.unreachable, seen.left_out),
        unreadable_at_source=names(odd_rows.unreadable_at(route, "source"), lambda one: one.unreadable_at_source),
        unreadable_at_destination=names(
            odd_rows.unreadable_at(route, "destination"), lambda one: one.unreadable_at_destination
        ),
    )


def documents_of(transaction: Transaction, route: Route, code: str) -> tuple[DocumentName, ...]:
    """Return all documents of the move that a finding is about, in the order of their bytes.

    ``code`` is one of ``planner.acceptance.BY_ROWS``: they are what ``take_inventory`` counts under the finding's name.
    """
    match code:
        case "documents-unreachable":
            condition = odd_rows.at(route, ("unreachable",))
        case "destination-occupied":
            condition = odd_rows.occupied(route)
        case "names-unreadable-at-source":
            condition = odd_rows.unreadable_at(route, "source")
        case "names-unreadable-at-destination":
            condition = odd_rows.unreadable_at(route, "destination")
        case "payload-too-large":
            condition = odd_rows.too_large(route)
        case _:
            raise ValueError(f"rows alone do not tell which documents {code} is about")
    return odd_rows.all_names(transaction, condition)


def counts_of(transaction: Transaction, route: Route, names: Sequence[DocumentName]) -> dict[str, Counts]:
    """Count those of the move's documents that are named, bucket by bucket."""
    counts: dict[str, Counts] = {}
    for start in range(0, len(names), NAMES_AT_ONCE):
        for one in tally_named(transaction, route, names[start : start + NAMES_AT_ONCE]):
            before = [counts[one.bucket]] if one.bucket in counts else []
            counts[one.bucket] = add([*before, _counts(one)])
    return counts


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
        accepted=0,
        unverifiable=one.unverifiable,
    )
