"""What the rows of a move come to: counts, examples, and all documents of a finding that can be accepted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from planner import inventory
from planner.acceptance import ACCEPTABLE, BY_ROWS
from planner.inventory import Inventory, counts_of, documents_of, take_inventory
from schemas.backend import Backend, DbLocation, S3Location
from stores.catalog import Route
from stores.database import Database, Transaction
from stores.interface import DocumentName
from stores.odd_rows import Names
from tests.planner.table import Table

S3 = S3Location(endpoint="http://minio:9000", region=None, bucket="bucket", prefix="p/")
ROUTE = Route(Backend(location=DbLocation(table="archive_document")), Backend(location=S3), "object_store", shared=True)
FIVE_GIB = 5 << 30


def look(database: Database) -> Inventory:
    return database.run(lambda transaction: take_inventory(transaction, ROUTE), snapshot=True)


def names(*documents: DocumentName) -> Names:
    return Names(len(documents), tuple(str(document) for document in documents))


@pytest.fixture
def odd(table: Table) -> dict[str, list[DocumentName]]:
    """One document of every kind among ordinary ones, by the field of the inventory that names them."""
    for number in range(3):
        table.add("analysis_data", f"sha256:{number}")
    table.add("analysis_data", "there", url="s3://bucket/p/admin/analysis_data/there")
    lost = table.add("analysis_data", "lost", url="swift://container/lost")
    nowhere = table.add("query_data", "nowhere", url=None)
    old = table.add("policy_bundles", "old", digest=None, size=None)
    no_size = table.add("policy_bundles", "no size", size=None)
    legacy = table.add("policy_bundles", "legacy", name="legacy name")
    large = table.add("analysis_archive", "large", size=FIVE_GIB + 1)
    table.add("analysis_archive", "not too large", size=FIVE_GIB)
    hashed = table.add("policy_bundles", "a#b")
    slashed = table.add("policy_bundles", "key", user="team/blue")
    long = table.add("policy_bundles", "k" * 1020)
    in_the_way = table.add("query_data", "other", url="s3://bucket/p/admin/query_data/wanted")
    wanted = table.add("query_data", "wanted")
    first = table.add("vulnerability_scan", "shared")
    second = table.add("vulnerability_scan", "sharing", url="db://admin/vulnerability_scan/shared")
    return {
        "unreachable": [lost, nowhere, in_the_way],
        "unverifiable": [old],
        "unsized": [no_size, old],
        "oddly_named": [legacy],
        "too_large": [large],
        "unreadable_at_source": [hashed, slashed],
        "unreadable_at_destination": [hashed, long],
        "occupied": [wanted],
        "sharing": [first, second],
    }


def test_everything_that_stands_out_is_counted_and_named(
    database: Database, odd: dict[str, list[DocumentName]]
) -> None:
    found = look(database)

    for field, documents in odd.items():
        assert getattr(found, field) == names(*documents), field
    assert found.elsewhere == found.left_behind == Names(0, ())
    assert found.totals.documents == sum(one.documents for one in found.buckets) == 18
    assert found.totals.unreachable == 3
    assert found.totals.at_destination == 1
    assert found.totals.to_copy == 14
    assert found.totals.unverifiable == 1
    assert found.totals.accepted == 0
    assert [one.bucket for one in found.buckets] == sorted(one.bucket for one in found.buckets)


def test_where_nothing_stands_out_nothing_is_named(database: Database, table: Table) -> None:
    table.add("analysis_data", "sha256:1")
    table.add("analysis_archive", "sha256:1")

    found = look(database)

    assert found.totals.to_copy == 2
    fields = ("unreachable", "elsewhere", "unverifiable", "unsized", "occupied", "sharing", "oddly_named", "too_large")
    assert {getattr(found, field) for field in (*fields, "unreadable_at_source")} == {Names(0, ())}


@pytest.mark.parametrize(
    ("added", "passes"),
    [
        ([], 1),
        ([{"key": "there", "url": "s3://bucket/p/admin/analysis_data/there"}], 1),
        # One more for each kind to name, and for a documentName one that asks for another row of the same key.
        ([{"key": "old", "size": None}, {"key": "older", "size": None}], 2),
        ([{"key": "old", "size": None, "digest": None}], 3),
        ([{"key": "legacy", "name": "legacy name"}], 3),
        # One more looks for another row with a URL that is not the own one of its row.
        ([{"key": "other", "url": "db://admin/analysis_data/somewhere"}], 2),
    ],
)
def test_rows_are_read_once_and_again_only_for_what_stands_out(
    database: Database, table: Table, monkeypatch: pytest.MonkeyPatch, added: list[dict[str, Any]], passes: int
) -> None:
    table.add("analysis_data", "sha256:1")
    for row in added:
        table.add("analysis_data", **row)
    asked: list[str] = []
    rows = Transaction.rows

    def counting(transaction: Transaction, sql: str, /, **params: object) -> Sequence[Any]:
        asked.append(sql)
        return rows(transaction, sql, **params)

    monkeypatch.setattr(Transaction, "rows", counting)
    found = look(database)

    assert found.totals.documents == 1 + len(added)
    assert len(asked) == passes


def test_examples_are_the_first_of_all_buckets(database: Database, table: Table) -> None:
    expected = [table.add(bucket, f"{number}", url=None) for bucket in ("B", "a") for number in range(2)]
    table.add("b", "fine")
    expected += [table.add("c", f"{number}", url=None) for number in range(9)]
    table.add("d", "lost", url=None)

    assert look(database).unreachable == Names(14, tuple(str(name) for name in expected[:5]))


@pytest.mark.parametrize(
    ("code", "field"),
    [
        ("documents-unreachable", "unreachable"),
        ("destination-occupied", "occupied"),
        ("names-unreadable-at-source", "unreadable_at_source"),
        ("names-unreadable-at-destination", "unreadable_at_destination"),
        ("payload-too-large", "too_large"),
    ],
)
def test_all_documents_of_a_finding_can_be_asked_for(
    database: Database, odd: dict[str, list[DocumentName]], code: str, field: str
) -> None:
    assert code in BY_ROWS
    found = database.run(lambda transaction: documents_of(transaction, ROUTE, code), snapshot=True)
    assert found == tuple(odd[field])


def test_all_of_them_are_more_than_the_examples(database: Database, table: Table) -> None:
    lost = [table.add("analysis_data", f"sha256:{number}", url=None) for number in range(9)]

    assert look(database).unreachable == Names(9, tuple(str(name) for name in lost[:5]))
    found = database.run(lambda transaction: documents_of(transaction, ROUTE, "documents-unreachable"), snapshot=True)
    assert found == tuple(lost)


@pytest.mark.parametrize("code", [*sorted(ACCEPTABLE - BY_ROWS), "digest-missing"])
def test_rows_do_not_tell_what_only_payloads_show(database: Database, code: str) -> None:
    with pytest.raises(ValueError, match=code):
        database.run(lambda transaction: documents_of(transaction, ROUTE, code), snapshot=True)


def test_named_documents_are_counted_however_many(
    database: Database, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inventory, "NAMES_AT_ONCE", 2)
    named = [table.add("analysis_data", f"sha256:{number}", size=number) for number in range(5)]
    named.append(table.add("query_data", "old", digest=None, url="swift://lost"))
    table.add("analysis_data", "sha256:not named")
    gone = DocumentName("analysis_data", "gone", "admin", "gone.json")

    counts = database.run(lambda transaction: counts_of(transaction, ROUTE, [*named, gone]), snapshot=True)

    assert {bucket: one.documents for bucket, one in counts.items()} == {"analysis_data": 5, "query_data": 1}
    assert counts["analysis_data"].bytes == 10
    assert counts["analysis_data"].to_copy == 5
    assert counts["query_data"].unreachable == 1
