"""``--ignore``: what may be accepted, what a plan records of it, and how long it holds."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.acceptance import ACCEPTABLE, BY_ROWS, accept, acceptance, check_options, still_holds
from planner.deep import BadPayloads
from planner.inventory import Inventory, take_inventory
from schemas.backend import Backend, DbLocation, S3Location
from schemas.errors import UsageError
from schemas.plan import Accepted
from stores.catalog import Route
from stores.database import Database
from stores.interface import DocumentName
from tests.planner.table import Table

DB = Backend(location=DbLocation(table="archive_document"))
S3 = Backend(location=S3Location(endpoint="http://minio:9000", region=None, bucket="bucket", prefix=""))
ROUTES = (Route(DB, S3, "object_store", shared=False), Route(DB, S3, "analysis_archive", shared=False))

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
NAMES = st.lists(st.builds(DocumentName, TEXT, TEXT, TEXT, TEXT), unique=True, max_size=8)


@given(names=NAMES, seed=st.integers())
def test_the_order_in_which_documents_are_found_is_of_no_importance(names: list[DocumentName], seed: int) -> None:
    shuffled = random.Random(seed).sample(names, len(names))  # noqa: S311
    assert acceptance("documents-unreachable", shuffled) == acceptance("documents-unreachable", names)


@given(names=NAMES, others=NAMES)
def test_it_holds_while_nothing_joins_or_changes(names: list[DocumentName], others: list[DocumentName]) -> None:
    planned, now = acceptance("payload-missing", names), acceptance("payload-missing", others)
    assert still_holds(planned, now) == (len(others) < len(names) or set(others) == set(names))


def test_the_digest_is_of_the_sorted_names_and_anybody_can_compute_it() -> None:
    # sha256 of [["a","k","u","k.json"],["b","é","u","é.json"]], characters unescaped, in UTF-8.
    names = [DocumentName("b", "é", "u", "é.json"), DocumentName("a", "k", "u", "k.json")]
    assert acceptance("payload-missing", names) == Accepted(
        code="payload-missing",
        count=2,
        digest="sha256:85dcf90cc5eb393be61fe2172fd66d9bf1d783c364acac45c70ebd84caa05d1f",
    )


@pytest.mark.parametrize(
    ("codes", "flags", "said"),
    [
        (["nonsense"], {}, "--ignore nonsense"),
        (["documents-unreachable", "digest-missing"], {}, "--ignore digest-missing"),
        (["store-would-be-split"], {"deep": True}, "--ignore store-would-be-split"),
        (["payload-unreadable"], {"deep": True}, "--ignore payload-unreadable"),
        (["payload-missing"], {}, "only --deep"),
        (["payload-corrupt", "documents-unreachable"], {}, "only --deep"),
        (["documents-unreachable"], {"offline": True}, "--offline"),
        ([], {"offline": True, "deep": True}, "--offline"),
    ],
)
def test_options_that_make_no_sense_are_refused(codes: list[str], flags: dict[str, bool], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        check_options(codes, **{"deep": False, "offline": False, **flags})


def test_who_names_a_wrong_code_is_told_the_right_ones() -> None:
    with pytest.raises(UsageError) as raised:
        check_options(["nonsense"], deep=False, offline=False)
    for code in ACCEPTABLE:
        assert code in raised.value.hint


def test_what_can_be_accepted_passes() -> None:
    check_options(sorted(ACCEPTABLE), deep=True, offline=False)
    check_options(sorted(BY_ROWS), deep=False, offline=False)
    check_options([], deep=False, offline=True)


@pytest.fixture
def documents(table: Table) -> dict[str, DocumentName]:
    for number in range(3):
        table.add("analysis_data", f"sha256:{number}")
    return {
        "lost": table.add("analysis_data", "lost", url="swift://container/lost"),
        "lost bundle": table.add("analysis_archive", "lost", url=None),
        "twice": table.add("policy_bundles", "a#b", digest=None),
        "missing": table.add("policy_bundles", "missing"),
        "missing there": table.add("query_data", "there", url="s3://bucket/admin/query_data/there"),
    }


def taken(
    database: Database, codes: Sequence[str], payloads: Sequence[BadPayloads] = ()
) -> tuple[list[Inventory], tuple[Accepted, ...]]:

    with database.transaction(snapshot=True) as transaction:
        inventories = [take_inventory(transaction, route) for route in ROUTES]
        left, accepted = accept(transaction, inventories, codes, payloads)
        return list(left), accepted


def test_accepted_documents_leave_the_counts_of_where_they_are(
    database: Database, documents: dict[str, DocumentName]
) -> None:
    payloads = [
        BadPayloads("payload-missing", "db", (documents["missing"],)),
        BadPayloads("payload-missing", "s3://bucket", (documents["missing there"],)),
    ]
    codes = ["payload-missing", "documents-unreachable", "names-unreadable-at-source"]

    (working, archive), accepted = taken(database, codes, payloads)

    assert accepted == (
        acceptance("documents-unreachable", [documents["lost"], documents["lost bundle"]]),
        acceptance("names-unreadable-at-source", [documents["twice"]]),
        acceptance("payload-missing", [documents["missing"], documents["missing there"]]),
    )
    counts = {one.bucket: one for one in (*working.buckets, *archive.buckets)}
    assert {bucket: one.accepted for bucket, one in counts.items()} == {
        "analysis_archive": 1,
        "analysis_data": 1,
        "policy_bundles": 2,
        "query_data": 1,
    }
    for one in (*counts.values(), working.totals, archive.totals):
        where = one.to_copy + one.at_destination + one.elsewhere + one.unreachable
        assert one.documents == where + one.accepted
        assert (one.at_destination, one.unreachable, one.unverifiable) == (0, 0, 0)
    assert working.totals.to_copy == counts["analysis_data"].to_copy == 3
    assert archive.totals.documents == archive.totals.accepted == 1


def test_a_document_with_two_codes_counts_once(database: Database, documents: dict[str, DocumentName]) -> None:
    codes = ["names-unreadable-at-source", "names-unreadable-at-destination"]

    (working, _), accepted = taken(database, codes)

    assert [one.count for one in accepted] == [1, 1]
    assert working.totals.accepted == 1
    assert working.totals.documents == len(documents) + 2


def test_what_was_not_named_stays_counted_where_it_is(database: Database, documents: dict[str, DocumentName]) -> None:
    before, _ = taken(database, [])
    assert documents

    left, accepted = taken(database, ["payload-too-large", "payload-corrupt"])

    assert accepted == ()
    assert left == before
    assert before[0].totals.accepted == 0
