"""Which rows stand out: the narrow questions that PostgreSQL is asked, against the obvious ones asked in Python."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from schemas.backend import Backend, Db2Location, DbLocation, LocalfsLocation, Location, S3Location
from schemas.config import StoreName
from stores import odd_rows
from stores.catalog import Route, rows_after, tally
from stores.database import Database
from stores.interface import DocumentName
from stores.limits import largest_payload
from stores.locations import content_url, same_reach, scheme
from stores.names import unreadable
from stores.odd_rows import Condition, Side

DB = DbLocation(table="archive_document")
DB2 = Db2Location(table="object_storage")
LOCALFS = LocalfsLocation(archive_data_dir="/archive")
GIB = 1 << 30


def s3(bucket: str, prefix: str = "", endpoint: str = "http://minio:9000") -> S3Location:
    return S3Location(endpoint=endpoint, region=None, bucket=bucket, prefix=prefix)


PAIRS: Sequence[tuple[Location, Location]] = (
    (DB, s3("one")),
    (DB, DB2),
    (s3("one"), s3("one", "u-")),
    (s3("one", "u-"), s3("one")),
    (s3("one"), s3("two")),
    (s3("one"), s3("one", endpoint="http://other:9000")),
    (s3("one"), DB),
    (LOCALFS, s3("one", "x")),
    (s3("one"), LOCALFS),
)
SIDES: tuple[Side, ...] = ("source", "destination")
Known = tuple[DocumentName, str | None, int | None]
"""A row: name, content_url, size."""

KEYS = st.sampled_from(["k", "b/k", "k#", "K"])
NAMES = st.builds(
    lambda bucket, key, user, odd: DocumentName(bucket, key, user, "odd" if odd else f"{key}.json"),
    st.sampled_from(["b", "b/b", "analysis_archive"]),
    KEYS,
    st.sampled_from(["u", "u/b", "u-u", "é"]),
    st.booleans(),
)
SIZES = st.sampled_from([None, 0, 600 << 20, 900 << 20, GIB, 5 * GIB, 5 * GIB + 1])


@st.composite
def deployments(draw: st.DrawFn) -> tuple[Location, Location, list[Known]]:
    """Rows whose URLs are their own at either place, another row's, or no place's at all."""
    source, destination = draw(st.sampled_from(PAIRS))
    names = draw(st.lists(NAMES, unique=True, max_size=6))
    rows: list[Known] = []
    for name in names:
        of = name if draw(st.booleans()) else draw(st.sampled_from(names))
        url = content_url(draw(st.sampled_from([source, source, destination])), of)
        rows.append((name, draw(st.sampled_from([url, url, url, url, "swift://nowhere", None])), draw(SIZES)))
    return source, destination, rows


SLASHED = DocumentName("b", "k", "u/b", "k.json")
SAME_URL = DocumentName("b", "b/k", "u", "b/k.json")
OVERWRITES: tuple[Location, Location, list[Known]] = (
    s3("one"),
    s3("two"),
    [(SLASHED, content_url(s3("one"), SLASHED), 1), (SAME_URL, content_url(s3("two"), SAME_URL), 1)],
)
"""What is at the destination already has a usual name, and what would be written over it has a slash in its account."""


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(deployments())
@example(OVERWRITES)
def test_the_database_names_what_stands_out(
    database: Database, engine: sa.Engine, deployment: tuple[Location, Location, list[Known]]
) -> None:
    source, destination, rows = deployment
    fill(engine, rows)
    route = Route(Backend(location=source), Backend(location=destination), "object_store", shared=True)
    to_copy = [row for row in rows if place(route, row) == "source"]
    urls = Counter(url for _, url, _ in rows)
    asked: dict[str, tuple[Condition, list[Known]]] = {
        "unreachable": (odd_rows.at(route, ("unreachable",)), [r for r in rows if place(route, r) == "unreachable"]),
        "elsewhere": (odd_rows.at(route, ("elsewhere",)), [r for r in rows if place(route, r) == "elsewhere"]),
        "without size": (odd_rows.without_size(route), [r for r in to_copy if r[2] is None]),
        "without digest": (odd_rows.without_digest(route), [r for r in to_copy if r[2] is None]),
        "oddly named": (odd_rows.oddly_named(route), [r for r in to_copy if r[0].document_name == "odd"]),
        "too large": (odd_rows.too_large(route), [r for r in to_copy if is_too_large(destination, r)]),
        "source name": (odd_rows.unreadable_at(route, "source"), [r for r in to_copy if unreadable(source, r[0])]),
        "new name": (
            odd_rows.unreadable_at(route, "destination"),
            [r for r in rows if place(route, r) in SIDES and unreadable(destination, r[0])],
        ),
        "sharing": (odd_rows.sharing(route), [r for r in to_copy if urls[r[1]] > 1]),
        "occupied": (odd_rows.occupied(route), [r for r in to_copy if is_occupied(route, r, rows)]),
    }

    with database.transaction(snapshot=True) as transaction:
        found = {what: odd_rows.all_names(transaction, condition) for what, (condition, _) in asked.items()}
        first = {what: odd_rows.first_names(transaction, condition, limit=2) for what, (condition, _) in asked.items()}
        counts = tally(transaction, route)
        examined = {
            side: rows_after(transaction, route, None, 9, where=odd_rows.examinable(route, side)) for side in SIDES
        }

    assert found == {what: in_byte_order(expected) for what, (_, expected) in asked.items()}
    for what, names in found.items():
        assert first[what].count == len(names)
        assert first[what].examples == tuple(str(name) for name in names[:2])
    assert sum(one.documents for one in counts) == len(rows)
    assert [one.bucket for one in counts] == sorted({name.bucket for name, _, _ in rows})
    assert sum(one.to_copy for one in counts) == len(to_copy)
    assert sum(one.unreachable for one in counts) == len(found["unreachable"])
    assert sum(one.elsewhere for one in counts) == len(found["elsewhere"])
    assert sum(one.unverifiable for one in counts) == len(found["without digest"])
    assert sum(one.unsized for one in counts) == len(found["without size"])
    assert sum(one.oddly_named for one in counts) == len(found["oddly named"])
    assert sum(one.too_large for one in counts) == len(found["too large"])
    assert sum(one.unreadable_at_source for one in counts) == len(found["source name"])
    assert sum(one.unreadable_at_destination for one in counts) == len(found["new name"])
    at_destination = {row[0] for row in rows if place(route, row) == "destination"}
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
    route = Route(Backend(location=DB), Backend(location=s3("one")), store, shared=False, only_buckets=only_buckets)

    with database.transaction(snapshot=True) as transaction:
        found = odd_rows.all_names(transaction, odd_rows.at(route, ("source",)))
        behind = odd_rows.first_names(transaction, odd_rows.left_behind(route))

    assert [str(name) for name in found] == expected
    assert behind.examples == (("c/u/odd",) if only_buckets else ())


def test_names_come_in_the_order_of_their_bytes(database: Database, engine: sa.Engine) -> None:
    keys = ["b", "B", "é", "e\u0301", "_", "a b", "a", "😀", "\uffff"]
    names = [DocumentName("bucket", key, user, f"{key}.json") for key in keys for user in ("b", "A")]
    fill(engine, [(name, None, None) for name in names])
    route = Route(Backend(location=DB), Backend(location=DB2), "object_store", shared=True)

    with database.transaction(snapshot=True) as transaction:
        found = odd_rows.all_names(transaction, odd_rows.at(route, ("unreachable",)))

    assert list(found) == sorted(names, key=lambda name: (name.user_id.encode(), name.archive_id.encode()))


def test_a_part_of_the_documents_is_counted_alone(database: Database, engine: sa.Engine) -> None:
    names = [DocumentName(bucket, key, "u", f"{key}.json") for bucket in ("b", "c") for key in ("one", "two")]
    fill(engine, [(name, content_url(DB, name), 10) for name in names])
    route = Route(Backend(location=DB), Backend(location=DB2), "object_store", shared=True)
    gone = DocumentName("b", "gone", "u", "gone.json")

    with database.transaction(snapshot=True) as transaction:
        (counted,) = tally(transaction, route, only=[names[0], gone])
        assert tally(transaction, route, only=[]) == ()

    assert (counted.bucket, counted.documents, counted.size, counted.to_copy) == ("b", 1, 10, 1)


def place(route: Route, row: Known) -> str:
    name, url, _ = row
    source, destination = route.source.location, route.destination.location
    if url is None or not url.startswith((scheme(source), scheme(destination))):
        return "unreachable"
    if url == content_url(source, name) and route.same_urls:
        return "source"
    if url == content_url(destination, name):
        return "destination"
    if url == content_url(source, name):
        return "source"
    if not url.startswith(scheme(source)):
        return "unreachable"
    return "elsewhere" if same_reach(source, destination) else "source"


def is_occupied(route: Route, row: Known, rows: Sequence[Known]) -> bool:
    name, url, _ = row
    wanted = content_url(route.destination.location, name)
    return not route.same_urls and any(
        other_url == wanted or (content_url(route.destination.location, other) == wanted and other_url != url)
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


def fill(engine: sa.Engine, rows: Sequence[Known]) -> None:
    """Leave just these rows in the table; a row without size has no digest either."""
    with engine.begin() as connection:
        connection.execute(sa.text("DELETE FROM archive_metadata"))
        for name, url, size in rows:
            connection.execute(
                sa.text(
                    """
                    INSERT INTO archive_metadata
                        (bucket, "archiveId", "userId", "documentName", content_url, size, digest)
                    VALUES (:bucket, :archive_id, :user_id, :document_name, :url, :size, :digest)
                    """
                ),
                {**name._asdict(), "url": url, "size": size, "digest": None if size is None else "0" * 32},
            )
