"""What one look at all rows tells of a move: its counts, and whether documents may meet where it would put them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import pytest
import sqlalchemy as sa

from schemas.backend import LocalfsLocation, S3Location
from schemas.config import StoreName
from stores import odd_rows
from stores.catalog import Route, rows_after
from stores.database import Database, Transaction
from stores.interface import DocumentName
from stores.locations import content_url, same_reach
from stores.survey import survey
from tests.stores.catalog_rows import DB, INSIDE, LOCALFS, fill, named, route, s3

MET: dict[str, tuple[Route, list[tuple[DocumentName, str]], list[str], list[str]]] = {
    "a prefix is taken away and an account begins with it": (
        route(s3("one", "u-"), s3("one")),
        [(named("b", "u", "k"), "s3://one/u-u/b/k"), (named("b", "u-u", "k"), "s3://one/u-u-u/b/k")],
        ["b/u-u/k"],
        [],
    ),
    "a prefix is put in front and an account begins with it": (
        route(s3("one"), s3("one", "u-")),
        [(named("b", "u", "k"), "s3://one/u/b/k"), (named("b", "u-u", "k"), "s3://one/u-u/b/k")],
        ["b/u/k"],
        [],
    ),
    "a prefix is put in front that is an account": (
        route(s3("one"), s3("one", "u/")),
        [(named("b", "b", "k"), "s3://one/b/b/k"), (named("b", "u", "b/k"), "s3://one/u/b/b/k")],
        ["b/b/k"],
        [],
    ),
    "the directory is an account's own": (
        route(LOCALFS, INSIDE),
        [
            (named("b", "b", "k"), content_url(LOCALFS, named("b", "b", "k"))),
            (named("92eb5ffee6ae2fec3ad71c777531578f/b", "u", "k"), content_url(INSIDE, named("b", "b", "k"))),
        ],
        ["b/b/k"],
        [],
    ),
    "what arrived under a prefix is where another document was always": (
        route(s3("one"), s3("one", "u-")),
        [(named("b", "u", "k"), "s3://one/u-u/b/k"), (named("b", "u-u", "k"), "s3://one/u-u/b/k")],
        [],
        ["b/u-u/k"],
    ),
    "an account holds a slash": (
        route(s3("one"), s3("two")),
        [(named("b", "u/b", "k"), "s3://one/u/b/b/k"), (named("b", "u", "b/k"), "s3://one/other")],
        ["b/u/b/k"],
        [],
    ),
    "an account holds a slash and so both have one payload": (
        route(DB, s3("two")),
        [(named("b", "u/b", "k"), "db://u/b/b/k"), (named("b", "u", "b/k"), "db://u/b/b/k")],
        [],
        ["b/u/b/k", "b/u/b/k"],
    ),
    "a document has two rows": (
        route(DB, s3("two")),
        [(named("b", "u", "k"), "db://u/b/k"), (named("b", "u", "k", "odd"), "db://elsewhere")],
        ["b/u/k", "b/u/k"],
        [],
    ),
    "a document has two rows and one payload": (
        route(DB, s3("two")),
        [(named("b", "u", "k"), "db://u/b/k"), (named("b", "u", "k", "odd"), "db://u/b/k")],
        [],
        ["b/u/k", "b/u/k"],
    ),
    "a payload that neither side reads is in the way": (
        route(DB, s3("two")),
        [(named("b", "u", "k"), "db://u/b/k"), (named("b", "u", "other"), "s3://two/u/b/k")],
        ["b/u/k"],
        [],
    ),
    "a payload that the source reads is in the way": (
        route(s3("one"), s3("two")),
        [(named("b", "u", "k"), "s3://one/u/b/k"), (named("b", "u", "other"), "s3://two/u/b/k")],
        ["b/u/k"],
        [],
    ),
    "a row names another's payload": (
        route(DB, s3("two")),
        [(named("b", "u", "k"), "db://u/b/k"), (named("b", "u", "other"), "db://u/b/k")],
        [],
        ["b/u/k", "b/u/other"],
    ),
}


@pytest.mark.parametrize("case", MET)
def test_documents_that_meet_are_looked_for_and_found(database: Database, engine: sa.Engine, case: str) -> None:
    move, rows, occupied, sharing = MET[case]
    fill(engine, [(name, url, 1) for name, url in rows])

    with database.transaction(snapshot=True) as transaction:
        seen = survey(transaction, move)
        found = [odd_rows.all_names(transaction, asked(move)) for asked in (odd_rows.occupied, odd_rows.sharing)]

    assert [[str(name) for name in names] for names in found] == [occupied, sharing]
    assert seen.may_be_occupied >= bool(occupied)
    assert seen.may_be_shared >= bool(sharing)


USUAL = [named("b", "u", "k"), named("b", "admin", "k"), named("analysis_archive", "u", "b/k"), named("b", "u", "a#")]


@pytest.mark.parametrize(
    ("move", "more"),
    [
        (route(DB, s3("two", "u")), []),
        (route(s3("one"), DB), []),
        (route(s3("one"), s3("two")), []),
        (route(s3("one"), s3("one", "u-")), []),
        (route(s3("one", "u-"), s3("one")), [named("b", "uu", "k")]),
        (route(s3("one", "admins/"), s3("one")), []),
        (route(s3("one"), s3("one", endpoint="http://other:9000")), []),
        (route(s3("one"), s3("one", endpoint="http://other:9000"), settled=True), []),
        (route(LOCALFS, LocalfsLocation(archive_data_dir="/archive/new")), [named("b", "u/b", "k")]),
        (route(DB, s3("two")), [named("b", "legacy", "k", "odd")]),
    ],
    ids=lambda given: f"{given.source.name} to {given.destination.name}" if isinstance(given, Route) else None,
)
@pytest.mark.parametrize("moved", [0, 2], ids=["all at the source", "half of them moved"])
def test_where_no_documents_can_meet_none_are_looked_for(
    database: Database, engine: sa.Engine, move: Route, more: list[DocumentName], moved: int
) -> None:
    names = [*USUAL, *more]
    sides = [move.destination.location] * moved + [move.source.location] * len(names)
    fill(engine, [(name, content_url(side, name), 1) for name, side in zip(names, sides, strict=False)])

    with database.transaction(snapshot=True) as transaction:
        seen = survey(transaction, move)

    assert sum(one.documents for one in seen.buckets) == len(names)
    assert not seen.may_be_occupied
    assert not seen.may_be_shared


MANY = """
    INSERT INTO archive_metadata (bucket, "archiveId", "userId", "documentName", content_url, digest, size)
    SELECT bucket, key, 'admin', key || '.json', 'db\\://admin/' || bucket || '/' || key, md5(key), 1000
    FROM (SELECT 'bucket_' || number % 8 AS bucket, md5(number\\:\\:text) AS key
          FROM generate_series(1, 20000) AS number) AS names
"""


@pytest.fixture
def plans(engine: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """How PostgreSQL goes about each query that is asked, over a table of some size."""
    with engine.begin() as connection:
        connection.execute(sa.text(MANY))
        connection.execute(sa.text("ANALYZE archive_metadata"))
    plans: list[str] = []
    rows = Transaction.rows

    def explained(transaction: Transaction, sql: str, /, **params: object) -> Sequence[Any]:
        plans.append("\n".join(line[0] for line in rows(transaction, f"EXPLAIN (COSTS OFF) {sql}", **params)))
        return rows(transaction, sql, **params)

    monkeypatch.setattr(Transaction, "rows", explained)
    return plans


@pytest.mark.parametrize("store", [None, "object_store"], ids=["both stores", "one store"])
def test_workers_share_out_the_count(database: Database, plans: list[str], store: StoreName | None) -> None:
    with database.transaction(snapshot=True) as transaction:
        # As with a table of so many rows that help is worth its wages.
        transaction.execute("SET LOCAL min_parallel_table_scan_size = 0")
        transaction.execute("SET LOCAL parallel_setup_cost = 0")
        survey(transaction, route(DB, s3("two"), store))

    (plan,) = plans
    assert plan.count("Seq Scan") == plan.count("Parallel Seq Scan") == 1, plan
    assert "Partial HashAggregate" in plan


@pytest.mark.parametrize("move", [route(DB, s3("two")), route(s3("one"), s3("two")), route(s3("two"), DB)])
@pytest.mark.parametrize("side", ["source", "destination"])
def test_a_page_of_rows_is_read_off_the_primary_key(
    database: Database, plans: list[str], move: Route, side: Literal["source", "destination"]
) -> None:
    after = named("bucket_4", "admin", "8")

    with database.transaction(snapshot=True) as transaction:
        rows_after(transaction, move, after, 64, where=odd_rows.examinable(move, side))

    (plan,) = plans
    assert "Index Scan using archive_metadata_pkey" in plan
    assert "Sort" not in plan


def test_a_third_bucket_is_in_reach_of_one_region_only() -> None:
    """Its documents stay readable after a move only where the new config asks the same servers."""
    here, there = (
        S3Location(endpoint=None, region=region, bucket="b", prefix="") for region in ("eu-west-1", "us-east-1")
    )
    assert same_reach(here, here.model_copy(update={"bucket": "other"}))
    assert not same_reach(here, there)
