"""Which rows stand out: the narrow questions that PostgreSQL is asked, against the obvious ones asked in Python."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from schemas.backend import Location
from schemas.config import StoreName
from stores import odd_rows
from stores.catalog import BucketSize, Route, rows_after, tally
from stores.database import Database
from stores.interface import DocumentName
from stores.limits import largest_payload
from stores.locations import content_url, same_reach, scheme
from stores.names import unreadable
from stores.odd_rows import Condition, Side
from stores.survey import survey, tally_named
from tests.stores.catalog_rows import DB, DB2, INSIDE, LOCALFS, Known, fill, route, s3, swift

GIB = 1 << 30

PAIRS: Sequence[tuple[Location, Location]] = (
    (DB, s3("one")),
    (DB, DB2),
    (s3("one"), s3("one", "u-")),
    (s3("one", "u-"), s3("one")),
    (s3("one"), s3("one", "u/")),
    (s3("one", "u/b"), s3("one")),
    (s3("one"), s3("one", "%_\\")),
    (s3("one"), s3("two")),
    (s3("one"), s3("one", endpoint="http://other:9000")),
    (s3("one"), DB),
    (LOCALFS, s3("one", "x")),
    (s3("one"), LOCALFS),
    (LOCALFS, INSIDE),
    (INSIDE, LOCALFS),
    (swift("u"), swift("")),
)
SIDES: tuple[Side, ...] = ("source", "destination")
KEYS = st.sampled_from(["k", "b/k", "k#", "K"])
NAMES = st.builds(
    lambda bucket, key, user, odd: DocumentName(bucket, key, user, "odd" if odd else f"{key}.json"),
    st.sampled_from(["b", "b/b", "analysis_archive"]),
    KEYS,
    st.sampled_from(["u", "u/b", "u-u", "é", "b"]),
    st.booleans(),
)
SIZES = st.sampled_from([None, 0, 600 << 20, 900 << 20, GIB, 5 * GIB, 5 * GIB + 1])


@st.composite
def deployments(draw: st.DrawFn) -> tuple[Route, list[Known]]:
    """Rows whose URLs are their own at either place, another row's, or no place's at all."""
    source, destination = draw(st.sampled_from(PAIRS))
    names = draw(st.lists(NAMES, unique=True, max_size=6))
    rows: list[Known] = []
    for name in names:
        of = name if draw(st.booleans()) else draw(st.sampled_from(names))
        url = content_url(draw(st.sampled_from([source, source, destination])), of)
        rows.append((name, draw(st.sampled_from([url, url, url, url, "swift://nowhere", None])), draw(SIZES)))
    return route(source, destination, *draw(SCOPES), settled=draw(st.booleans())), rows


SCOPES: st.SearchStrategy[tuple[StoreName | None, tuple[str, ...]]] = st.one_of(
    st.just((None, ())), st.sampled_from([(None, ("b",)), ("object_store", ()), ("analysis_archive", ())])
)
"""The store that is moved, None: both at once; and what ``--bucket`` names."""


SLASHED = DocumentName("b", "k", "u/b", "k.json")
SAME_URL = DocumentName("b", "b/k", "u", "b/k.json")
OVERWRITES: tuple[Route, list[Known]] = (
    route(s3("one"), s3("two")),
    [(SLASHED, content_url(s3("one"), SLASHED), 1), (SAME_URL, content_url(s3("two"), SAME_URL), 1)],
)
"""What is at the destination already has a usual name, and what would be written over it has a slash in its account."""


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(deployments())
@example(OVERWRITES)
def test_the_database_names_what_stands_out(
    database: Database, engine: sa.Engine, deployment: tuple[Route, list[Known]]
) -> None:
    move, everything = deployment
    source, destination = move.source.location, move.destination.location
    fill(engine, everything)
    rows = [row for row in everything if in_move(move, row)]
    to_copy = [row for row in rows if place(move, row) == "source"]
    urls = Counter(url for _, url, _ in everything)
    asked: dict[str, tuple[Condition, list[Known]]] = {
        "unreachable": (odd_rows.at(move, ("unreachable",)), [r for r in rows if place(move, r) == "unreachable"]),
        "elsewhere": (odd_rows.at(move, ("elsewhere",)), [r for r in rows if place(move, r) == "elsewhere"]),
        "without size": (odd_rows.without_size(move), [r for r in to_copy if r[2] is None]),
        "without digest": (odd_rows.without_digest(move), [r for r in to_copy if r[2] is None]),
        "oddly named": (odd_rows.oddly_named(move), [r for r in to_copy if r[0].document_name == "odd"]),
        "too large": (odd_rows.too_large(move), [r for r in to_copy if is_too_large(destination, r)]),
        "source name": (odd_rows.unreadable_at(move, "source"), [r for r in to_copy if unreadable(source, r[0])]),
        "new name": (
            odd_rows.unreadable_at(move, "destination"),
            [r for r in rows if place(move, r) in SIDES and unreadable(destination, r[0])],
        ),
        "left behind": (
            odd_rows.left_behind(move),
            [r for r in everything if is_left_out(move, r) and place(move, r) in {"source", "unreachable"}],
        ),
        "sharing": (odd_rows.sharing(move), [r for r in to_copy if urls[r[1]] > 1]),
        "occupied": (odd_rows.occupied(move), [r for r in to_copy if is_occupied(move, r, everything)]),
    }

    with database.transaction(snapshot=True) as transaction:
        found = {what: odd_rows.all_names(transaction, condition) for what, (condition, _) in asked.items()}
        seen = survey(transaction, move)
        counts = {
            "unreachable": {one.bucket: one.unreachable for one in seen.buckets},
            "elsewhere": {one.bucket: one.elsewhere for one in seen.buckets},
            "without size": {one.bucket: one.unsized for one in seen.buckets},
            "without digest": {one.bucket: one.unverifiable for one in seen.buckets},
            "oddly named": {one.bucket: one.oddly_named for one in seen.buckets},
            "too large": {one.bucket: one.too_large for one in seen.buckets},
            "source name": {one.bucket: one.unreadable_at_source for one in seen.buckets},
            "new name": {one.bucket: one.unreadable_at_destination for one in seen.buckets},
            "left behind": {one.bucket: one.to_copy + one.unreachable for one in seen.left_out},
        }
        first = {
            what: odd_rows.counted_names(transaction, asked[what][0], counted, limit=2)
            for what, counted in counts.items()
        }
        first |= {what: odd_rows.first_names(transaction, asked[what][0], limit=2) for what in ("sharing", "occupied")}
        sizes = tally(transaction, move)
        part = tally_named(transaction, move, [name for name, _, _ in everything])
        examined = {
            side: rows_after(transaction, move, None, 9, where=odd_rows.examinable(move, side)) for side in SIDES
        }

    assert found == {what: in_byte_order(expected) for what, (_, expected) in asked.items()}
    for what, names in found.items():
        assert first[what].count == len(names)
        assert first[what].examples == tuple(str(name) for name in names[:2])
    for what, counted in counts.items():
        buckets = Counter(name.bucket for name in found[what])
        assert counted == {bucket: buckets[bucket] for bucket in counted}, what
    assert seen.may_be_shared or not found["sharing"]
    assert seen.may_be_occupied or not found["occupied"]
    assert part == seen.buckets
    assert sizes == tuple(BucketSize(one.bucket, one.documents, one.size) for one in part)
    assert [one.bucket for one in part] == sorted({name.bucket for name, _, _ in rows})
    assert sum(one.documents for one in part) == len(rows)
    assert sum(one.size for one in part) == sum(size or 0 for _, _, size in rows)
    assert sum(one.to_copy for one in part) == len(to_copy)
    at_destination = {row[0] for row in rows if place(move, row) == "destination"}
    assert sum(one.at_destination for one in part) == len(at_destination)
    assert {row.name for row in examined["source"]} == {row[0] for row in to_copy} - set(found["source name"])
    assert {row.name for row in examined["destination"]} == at_destination


@pytest.mark.parametrize(
    ("only_buckets", "archive", "expected"),
    [
        ((), False, ["b/u/fine", "b/u/odd", "c/u/odd"]),
        (("b",), False, ["b/u/fine", "b/u/odd"]),
        ((), True, ["analysis_archive/u/odd"]),
    ],
)
def test_a_move_is_asked_for_its_own_documents_only(
    database: Database, engine: sa.Engine, only_buckets: tuple[str, ...], archive: bool, expected: list[str]
) -> None:
    names = [DocumentName(bucket, "odd", "u", "odd.json") for bucket in ("b", "c", "analysis_archive")]
    names.append(DocumentName("b", "fine", "u", "fine.json"))
    fill(engine, [(name, content_url(DB, name), 1) for name in names])
    store: StoreName = "analysis_archive" if archive else "object_store"
    move = route(DB, s3("one"), store, only_buckets)

    with database.transaction(snapshot=True) as transaction:
        found = odd_rows.all_names(transaction, odd_rows.at(move, ("source",)))
        behind = odd_rows.first_names(transaction, odd_rows.left_behind(move))

    assert [str(name) for name in found] == expected
    assert behind.examples == (("c/u/odd",) if only_buckets else ())


def test_names_come_in_the_order_of_their_bytes(database: Database, engine: sa.Engine) -> None:
    keys = ["b", "B", "é", "e\u0301", "_", "a b", "a", "😀", "\uffff"]
    names = [DocumentName("bucket", key, user, f"{key}.json") for key in keys for user in ("b", "A")]
    fill(engine, [(name, None, None) for name in names])
    move = route(DB, DB2)

    with database.transaction(snapshot=True) as transaction:
        found = odd_rows.all_names(transaction, odd_rows.at(move, ("unreachable",)))

    assert list(found) == sorted(names, key=lambda name: (name.user_id.encode(), name.archive_id.encode()))


def test_a_part_of_the_documents_is_counted_alone(database: Database, engine: sa.Engine) -> None:
    names = [DocumentName(bucket, key, "u", f"{key}.json") for bucket in ("b", "c") for key in ("one", "two")]
    fill(engine, [(name, content_url(DB, name), 10) for name in names])
    move = route(DB, DB2)
    gone = DocumentName("b", "gone", "u", "gone.json")

    with database.transaction(snapshot=True) as transaction:
        (counted,) = tally_named(transaction, move, [names[0], gone])
        assert tally_named(transaction, move, []) == ()

    assert (counted.bucket, counted.documents, counted.size, counted.to_copy) == ("b", 1, 10, 1)


def in_move(move: Route, row: Known) -> bool:
    return of_store(move, row) and (not move.only_buckets or row[0].bucket in move.only_buckets)


def is_left_out(move: Route, row: Known) -> bool:
    return of_store(move, row) and not in_move(move, row)


def of_store(move: Route, row: Known) -> bool:
    return move.shared or (row[0].bucket == "analysis_archive") == (move.store == "analysis_archive")


def place(move: Route, row: Known) -> str:
    name, url, _ = row
    source, destination = move.source.location, move.destination.location
    if url is None or not url.startswith((scheme(source), scheme(destination))):
        return "unreachable"
    if url == content_url(source, name) and move.same_urls and not move.settled_at_destination:
        return "source"
    if url == content_url(destination, name):
        return "destination"
    if url == content_url(source, name):
        return "source"
    if not url.startswith(scheme(source)):
        return "unreachable"
    return "elsewhere" if same_reach(source, destination) else "source"


def is_occupied(move: Route, row: Known, rows: Sequence[Known]) -> bool:
    name, url, _ = row
    wanted = content_url(move.destination.location, name)
    return not move.same_urls and any(
        other_url == wanted or (content_url(move.destination.location, other) == wanted and other_url != url)
        for other, other_url, _ in rows
        if other != name
    )


def is_too_large(location: Location, row: Known) -> bool:
    name, _, size = row
    largest = largest_payload(location, archive=name.bucket == "analysis_archive")
    return size is not None and largest is not None and size > largest


def in_byte_order(rows: Sequence[Known]) -> tuple[DocumentName, ...]:
    names = [name for name, _, _ in rows]
    return tuple(sorted(names, key=lambda one: (one.bucket, one.user_id, one.archive_id, one.document_name)))
