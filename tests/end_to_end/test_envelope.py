"""Code 4: how far the deployment may drift between review and window. Rows are added and taken away as SQL does it by
the thousand; a plan's gates look at rows alone, so most runs here are rehearsals.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from tests.anchore.config import Config, Db, Db2, Localfs, Section
from tests.anchore.deployment import Deployment
from tests.anchore.documents import Document
from tests.cli import Cli, Result
from tests.end_to_end.codes import DONE, STALE
from tests.end_to_end.migration import Migration, begin, few, plan_of

GIB = 1 << 30
FLOOR = 1000
"""Documents."""
SIZE = 2
"""Bytes, of each row that is added by the thousand."""


@pytest.fixture
def migration(deployment: Deployment, cli: Cli) -> Migration:
    destination = Config(Section(Localfs(deployment.directory("new")), compress_above_kbytes=1))
    return begin(deployment, cli, Config(Section(Db())), destination, documents=few())


def run(migration: Migration, statement: str, **values: object) -> int:
    with migration.deployment.engine.begin() as connection:
        return connection.execute(sa.text(statement), values).rowcount


def add_rows(migration: Migration, count: int, bucket: str = "query_data") -> None:
    run(
        migration,
        """
        INSERT INTO archive_metadata (bucket, "archiveId", "userId", "documentName", content_url, is_compressed,
            digest, size, created_at, last_updated, record_state_key)
        SELECT :bucket, 'row-' || n, 'admin', 'row-' || n || '.json', 'db://admin/' || :bucket || '/row-' || n,
            false, md5('{}'), :size, 1, 1, 'active' FROM generate_series(1, :count) n
        """,
        bucket=bucket,
        size=SIZE,
        count=count,
    )


def remove_rows(migration: Migration, count: int) -> None:
    statement = """
        DELETE FROM archive_metadata WHERE ctid IN
            (SELECT ctid FROM archive_metadata WHERE "archiveId" LIKE 'row-%' LIMIT :count)
        """
    assert run(migration, statement, count=count) == count


def claim(migration: Migration, size: int) -> int:
    """Let one row say that its payload has so many bytes more; return the total of all rows."""
    name = migration.bundle.archive_id
    run(migration, 'UPDATE archive_metadata SET size = size + :size WHERE "archiveId" = :name', size=size, name=name)
    with migration.deployment.engine.connect() as connection:
        return int(connection.execute(sa.text("SELECT sum(size) FROM archive_metadata")).scalar_one())


def rehearse(migration: Migration, *flags: str) -> Result:
    return migration.cli.run("apply", "plan.json", "--dry-run", *flags)


def message(what: str, planned: int, now: int, limit: int, percent: int, floor: int) -> str:
    drift = f"{what}: {planned} planned, {now} now ({now - planned:+})"
    return f"object_store: {drift}; the plan approves ±{limit} (the larger of {percent} % and {floor})"


@pytest.mark.parametrize(("more", "limit"), [(0, FLOOR), (5985, 1500)], ids=["floor", "percent"])
def test_documents_may_come_up_to_the_limit_and_not_one_more(migration: Migration, more: int, limit: int) -> None:
    add_rows(migration, more, "planned")
    planned = plan_of(migration.plan())["totals"]["documents"]
    assert limit == max(FLOOR, planned // 4)

    add_rows(migration, limit)
    rehearse(migration).must_end(DONE)

    add_rows(migration, 1, "one_more")
    with migration.writes_nothing():
        said = migration.apply(code=STALE)
        assert rehearse(migration).must_end(STALE).stderr == said.stderr
    assert message("documents", planned, planned + limit + 1, limit, 25, FLOOR) in said.stderr
    assert "restow plan" in said.stderr
    assert "bytes:" not in said.stderr


@pytest.mark.parametrize(("more", "limit"), [(1200, FLOOR), (5985, 1500)], ids=["floor", "percent"])
def test_documents_may_go_up_to_the_limit_and_not_one_more(migration: Migration, more: int, limit: int) -> None:
    add_rows(migration, more)
    planned = plan_of(migration.plan())["totals"]["documents"]
    assert limit == max(FLOOR, planned // 4)

    remove_rows(migration, limit)
    rehearse(migration).must_end(DONE)

    remove_rows(migration, 1)
    with migration.writes_nothing():
        said = migration.apply(code=STALE)
    assert message("documents", planned, planned - limit - 1, limit, 25, FLOOR) in said.stderr


@pytest.mark.parametrize(("claimed", "floor"), [(GIB, True), (3 * GIB, False)], ids=["floor", "percent"])
@pytest.mark.parametrize("sign", [1, -1], ids=["more", "fewer"])
def test_bytes_may_drift_up_to_the_limit_and_not_one_more(
    migration: Migration, claimed: int, *, floor: bool, sign: int
) -> None:
    planned = claim(migration, claimed)
    assert plan_of(migration.plan())["totals"]["bytes"] == planned
    limit = GIB if floor else planned // 2
    assert limit == max(GIB, planned // 2)

    claim(migration, sign * limit)
    rehearse(migration).must_end(DONE)

    claim(migration, sign)
    with migration.writes_nothing():
        said = migration.apply(code=STALE)
    assert message("bytes", planned, planned + sign * (limit + 1), limit, 50, GIB) in said.stderr
    assert "documents:" not in said.stderr


def test_all_numbers_are_told_at_once(migration: Migration) -> None:
    planned = plan_of(migration.plan())["totals"]
    add_rows(migration, FLOOR + 1)
    size = claim(migration, GIB + 1)

    said = rehearse(migration).must_end(STALE)

    assert message("documents", planned["documents"], planned["documents"] + FLOOR + 1, FLOOR, 25, FLOOR) in said.stderr
    assert message("bytes", planned["bytes"], size, GIB, 50, GIB) in said.stderr


def test_copies_may_be_made_ahead_of_any_growth(migration: Migration) -> None:
    """They change nothing that Anchore reads, and the review of the new numbers may come meanwhile."""
    migration.plan()
    migration.apply("plan.json", "--through", "copy")
    add_rows(migration, FLOOR + 1)

    rehearse(migration, "--through", "copy").must_end(DONE)
    for stage in ("verify", "switch", "clean"):
        rehearse(migration, "--through", stage).must_end(STALE)
    rehearse(migration).must_end(STALE)


def test_a_bucket_of_after_the_review_is_moved_and_told(migration: Migration) -> None:
    migration.plan()
    new = [Document("image_sboms", f"new-{number}", "admin", b'{"document": 1}') for number in range(3)]
    migration.deployment.fill(migration.source, new)
    grown = migration.after_writes([*migration.expected.documents.values(), *new])

    assert "copy    image_sboms: up to 3 of 3 documents, 45 bytes" in rehearse(migration).must_end(DONE).stdout
    migration.apply("plan.json", "--report", "report.json")

    assert ledgers_of(migration)["image_sboms"] == {"found": 3, "copied": 3}
    grown.assert_at_destination()


def test_what_vanished_since_the_review_and_since_it_was_copied_leaves_nothing(migration: Migration) -> None:
    doomed = [replace(migration.bundle, archive_id=name, document_name=None) for name in ("reviewed", "copied")]
    migration.deployment.fill(migration.source, doomed)
    migration.plan()
    anchore = migration.deployment.anchore(migration.source)
    anchore.delete(doomed[0])
    migration.apply("plan.json", "--through", "copy")
    anchore.delete(doomed[1])

    migration.apply("plan.json", "--report", "report.json")

    bundles = sum(one.store == "analysis_archive" for one in migration.expected.documents.values())
    assert ledgers_of(migration)["analysis_archive"] == {"found": bundles, "already_there": bundles}
    migration.after_writes(migration.expected.documents.values()).assert_at_destination()


def test_the_plan_s_own_progress_never_makes_it_stale(deployment: Deployment, cli: Cli) -> None:
    """A document that comes to the old place after the switch is moved by the same plan, whatever the others weigh."""
    source, destination = Config(Section(Db())), Config(Section(Db2(), compress_above_kbytes=1))
    migration = begin(deployment, cli, source, destination, documents=few())
    add_rows(migration, FLOOR + 500)
    run(
        migration,
        """
        INSERT INTO archive_document (bucket, "archiveId", "userId", "documentName", jsondata, b64_encoded)
        SELECT bucket, "archiveId", "userId", "documentName", '{}', false FROM archive_metadata
        WHERE "archiveId" LIKE 'row-%'
        """,
    )
    lie = "UPDATE archive_metadata SET size = size + :size WHERE \"archiveId\" IN ('row-1', 'row-2', 'row-3', 'row-4')"
    run(migration, lie, size=GIB // 4)
    migration.plan()
    run(migration, lie, size=-GIB // 4)  # as few bytes now as the plan approves, and compression will make them fewer
    migration.apply("plan.json", "--through", "copy")
    rehearse(migration).must_end(DONE)
    migration.apply()
    late = Document("query_data", "late", "admin", b'{"document": "late"}')
    deployment.fill(source, [late])

    migration.apply()

    assert deployment.reader(destination).reads_all({**migration.expected.documents, late.name: late})


def ledgers_of(migration: Migration) -> dict[str, dict[str, Any]]:
    """Return what the report says of each bucket, without what is nought."""
    report = json.loads((migration.deployment.root / "report.json").read_text(encoding="utf-8"))
    return {
        one.pop("bucket"): {word: count for word, count in one.items() if count}
        for move in report["moves"]
        for one in move["buckets"]
    }
