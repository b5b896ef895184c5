"""Pages of the journal: each copy once, in the order of the key, at the cost of what a page holds."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from executor.evidence import Copy, switched_copies, unchecked_copies
from executor.fence import Ticket
from executor.journal import Journal
from executor.unswitched import leftovers, vanished_copies
from schemas.backend import Backend, DbLocation, S3Location
from stores.catalog import Route
from stores.database import Database, Transaction
from stores.interface import DocumentName

DOCUMENTS = 20_000
PAGE = 50
TICKET = Ticket(seq=1, route_id=1, run=7)
ROUTE = Route(
    Backend(location=DbLocation(table="archive_document")),
    Backend(location=S3Location(endpoint=None, region=None, bucket="documents", prefix="")),
    store="object_store",
    shared=True,
)
ROWS = """
    INSERT INTO archive_metadata (bucket, "archiveId", "userId", "documentName", content_url, digest, size,
                                  is_compressed, last_updated)
    SELECT bucket, key, 'admin', key || '.json', 'db://admin/' || bucket || '/' || key, md5(key), 1000, FALSE, 1
    FROM (SELECT 'bucket_' || mod(number, 8) AS bucket, md5(CAST(number AS text)) AS key
          FROM generate_series(1, CAST(:documents AS int)) AS number) AS names
"""
COPIES = """
    INSERT INTO restow.copy (route, bucket, archive_id, user_id, document_name, old_url, old_digest, old_size,
                             old_compressed, old_updated, new_url, new_digest, new_size, new_compressed, state, run)
    SELECT 1, bucket, "archiveId", "userId", "documentName", content_url, digest, size, is_compressed, last_updated,
           's3://documents/' || "userId" || '/' || bucket || '/' || "archiveId", digest, size, is_compressed,
           'copied', 7
    FROM archive_metadata
"""
SWITCH = (
    'UPDATE archive_metadata r SET content_url = c.new_url FROM restow.copy c WHERE c.archive_id = r."archiveId"',
    "UPDATE restow.copy SET state = 'switched'",
)
SCANNED = re.compile(r"Scan.*rows=(\d+)\S* loops=(\d+)|Rows Removed by .*: (\d+)()")


@pytest.fixture
def journal(database: Database) -> Journal:
    """All rows have a copy; PostgreSQL knows of it what a run has told it."""
    made = Journal(database)
    made.create()
    with database.transaction() as transaction:
        transaction.execute(
            "INSERT INTO restow.route (store, source, destination, encoding) VALUES ('object_store', 'a', 'b', 'plain')"
        )
        transaction.execute(ROWS, documents=DOCUMENTS)
        transaction.execute("ANALYZE archive_metadata")
        transaction.execute(COPIES)
    made.analyze()
    return made


def execute(database: Database, *statements: str) -> None:
    with database.transaction() as transaction:
        for statement in statements:
            transaction.execute(statement)


def pages(ask: Callable[[DocumentName | None], list[Copy]]) -> list[Copy]:
    """Return the copies of all pages, one after the other."""
    seen: list[Copy] = []
    while page := ask(seen[-1].name if seen else None):
        seen += page
    return seen


@pytest.mark.usefixtures("journal")
def test_each_copy_comes_once_in_the_order_of_its_name(database: Database) -> None:
    execute(
        database,
        "UPDATE restow.copy SET checked = 7 WHERE bucket = 'bucket_1'",
        "UPDATE restow.copy SET checked = 6 WHERE bucket = 'bucket_2'",
        "UPDATE archive_metadata SET size = 1 WHERE bucket = 'bucket_3'",
        "DELETE FROM archive_metadata WHERE bucket = 'bucket_4'",
        "UPDATE restow.copy SET run = 6 WHERE bucket = 'bucket_5'",
    )

    mine = pages(lambda after: unchecked_copies(database, TICKET, after, 333))
    own = pages(lambda after: unchecked_copies(database, TICKET, after, 1000, own=True))

    assert [copy.name for copy in mine] == sorted({copy.name for copy in mine})
    assert {copy.name.bucket for copy in mine} == {f"bucket_{n}" for n in range(8)} - {"bucket_1"}
    assert {copy.name.bucket for copy in mine if not copy.fits} == {"bucket_3", "bucket_4"}
    assert len(mine) == DOCUMENTS * 7 / 8
    assert own == [copy for copy in mine if copy.name.bucket not in {"bucket_2", "bucket_5"}]
    assert switched_copies(database, TICKET, None, 1000) == []


@pytest.fixture
def scanned(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many rows PostgreSQL looks at for each query that is asked."""
    counts: list[int] = []
    rows = Transaction.rows

    def counted(transaction: Transaction, sql: str, /, **params: object) -> Sequence[Any]:
        plan = "\n".join(line[0] for line in rows(transaction, f"EXPLAIN (ANALYZE, TIMING OFF) {sql}", **params))
        found = SCANNED.findall(plan)
        counts.append(sum(int(n or gone) * int(loops or 1) for n, loops, gone, _ in found))
        return rows(transaction, sql, **params)

    monkeypatch.setattr(Transaction, "rows", counted)
    return counts


MIDDLE = DocumentName("bucket_4", "", "", "")
ASK: dict[str, Callable[[Database, Journal], Sequence[object]]] = {
    "rows to copy": lambda _, journal: journal.next_to_copy(ROUTE, TICKET, MIDDLE, PAGE),
    "copies to look for": lambda database, _: unchecked_copies(database, TICKET, MIDDLE, PAGE, own=True),
    "copies to verify": lambda database, _: unchecked_copies(database, TICKET, MIDDLE, PAGE),
    "copies that an undo left": lambda database, _: leftovers(database, TICKET, MIDDLE, PAGE),
    "sources to delete": lambda database, _: switched_copies(database, TICKET, MIDDLE, PAGE),
}


@pytest.mark.parametrize("asked", ASK)
def test_a_page_costs_what_it_holds(database: Database, journal: Journal, scanned: list[int], asked: str) -> None:
    if asked == "rows to copy":
        execute(database, "UPDATE restow.copy SET state = 'intended'")
    if asked == "sources to delete":
        execute(database, *SWITCH)

    assert len(ASK[asked](database, journal)) == PAGE

    assert sum(scanned) <= 4 * PAGE


@pytest.mark.usefixtures("journal")
def test_vanished_copies_are_looked_at_together(database: Database, scanned: list[int]) -> None:
    """Whether others need what is at their URLs is asked of all rows, once for all of a batch."""
    execute(
        database,
        "DELETE FROM archive_metadata WHERE bucket = 'bucket_1'",
        """
        UPDATE archive_metadata r SET content_url = c.new_url FROM restow.copy c
        WHERE r.bucket = 'bucket_2' AND c.bucket = 'bucket_1' AND mod(ascii(r."archiveId"), 2) = 0
          AND c.archive_id = (SELECT min(archive_id) FROM restow.copy WHERE bucket = 'bucket_1')
        """,
    )

    with database.transaction() as transaction:
        found = vanished_copies(transaction, TICKET, None, 1000)
        rest = vanished_copies(transaction, TICKET, found[-1].name, DOCUMENTS)

    gone = [*found, *rest]
    assert len(found) == 1000
    assert {one.name.bucket for one in gone} == {"bucket_1"}
    assert len({one.name for one in gone}) == DOCUMENTS / 8
    assert [one.name.archive_id for one in gone if one.owned] == [min(one.name.archive_id for one in gone)]
    assert max(scanned) <= 8 * DOCUMENTS
