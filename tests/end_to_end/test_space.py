"""What clean does for the space that payloads took in Anchore's own tables."""

from __future__ import annotations

import json
from typing import Any

import pytest
import sqlalchemy as sa

from tests.anchore.config import Config, Db, Db2, Section
from tests.anchore.deployment import Deployment
from tests.anchore.documents import BOTH
from tests.cli import Cli
from tests.end_to_end.holding import locked
from tests.end_to_end.migration import Migration, begin, few

TABLES = [pytest.param(Db(), "archive_document", id="db"), pytest.param(Db2(), "object_storage", id="db2")]


def of_tables(deployment: Deployment, cli: Cli, place: Db | Db2, compress_above_kbytes: int | None = None) -> Migration:
    """Nothing but Anchore's documents is in its tables."""
    source, destination = Config(Section(place)), Config(Section(deployment.s3(), compress_above_kbytes))
    deployment.fill(source, few())
    deployment.write_config("config.yaml", source)
    deployment.write_config("dest-config.yaml", destination)
    made = Migration(deployment, cli, source, destination, BOTH, deployment.expect(few()))
    made.plan()
    return made


def file_of(deployment: Deployment, table: str) -> int:
    """Return which file holds the table: truncating it starts a new one, and deleting rows does not."""
    with deployment.engine.connect() as connection:
        question = sa.text("SELECT pg_relation_filenode(CAST(:table AS regclass))")
        return int(connection.execute(question, {"table": table}).scalar_one())


def count(deployment: Deployment, table: str) -> int:
    with deployment.engine.connect() as connection:
        return int(connection.execute(sa.text(f"SELECT count(*) FROM {table}")).scalar_one())


def vacuum(migration: Migration) -> Any:
    report = json.loads((migration.deployment.root / "plan.report.json").read_text(encoding="utf-8"))
    return report["moves"][0]["vacuum"]


@pytest.mark.parametrize(("place", "table"), TABLES)
def test_a_table_in_which_nothing_is_left_is_emptied_as_a_whole(
    deployment: Deployment, cli: Cli, place: Db | Db2, table: str
) -> None:
    migration = of_tables(deployment, cli, place)
    before = file_of(deployment, table)

    said = migration.apply()

    migration.assert_at_destination()
    assert file_of(deployment, table) != before
    assert count(deployment, table) == 0
    assert vacuum(migration) is None
    assert "VACUUM" not in said.stderr
    with migration.writes_nothing():
        migration.apply()


@pytest.mark.parametrize("compress_above_kbytes", [None, 1], ids=["as they are", "compressed"])
def test_a_row_that_nobody_knows_keeps_the_table_and_the_report_says_what_is_left_to_do(
    deployment: Deployment, cli: Cli, compress_above_kbytes: int | None
) -> None:
    """What waits is what was stored there, however small the copies are."""
    migration = of_tables(deployment, cli, Db2(), compress_above_kbytes)
    foreign = """INSERT INTO object_storage ("userId", bucket, key, version, content, created_at, last_updated)
                 VALUES ('admin', 'analysis_data', 'of nobody', '', 'x', 0, 0)"""
    with deployment.engine.begin() as connection:
        connection.execute(sa.text(foreign))
    before = file_of(deployment, "object_storage")

    migration.apply()

    assert file_of(deployment, "object_storage") == before
    assert count(deployment, "object_storage") == 1
    stored = sum(len(document.content) for document in few())
    assert vacuum(migration) == {"table": "object_storage", "bytes": stored, "run": "VACUUM FULL object_storage"}
    shown = migration.cli.run("show", "plan.report.json").must_end(0).stdout
    assert "of deleted payloads in table object_storage wait for VACUUM" in shown
    assert "VACUUM FULL object_storage;" in shown


def test_the_copies_that_an_undo_left_in_a_table_wait_for_vacuum_too(deployment: Deployment, cli: Cli) -> None:
    source, destination = Config(Section(deployment.s3())), Config(Section(Db2()))
    migration = begin(deployment, cli, source, destination, documents=few())
    migration.plan("--keep-source")
    migration.apply()
    cli.run("undo", "plan.json", "--yes").must_end(0)

    cli.run("clean", "plan.json", "--yes").must_end(0)

    stored = sum(len(document.content) for document in few())
    assert vacuum(migration) == {"table": "object_storage", "bytes": stored, "run": "VACUUM FULL object_storage"}


def test_a_table_that_somebody_reads_is_cleaned_row_by_row(deployment: Deployment, cli: Cli) -> None:
    migration = of_tables(deployment, cli, Db())
    before = file_of(deployment, "archive_document")
    with locked(deployment, "archive_document", "ACCESS SHARE"):
        migration.apply()

    migration.assert_at_destination()
    assert file_of(deployment, "archive_document") == before
    assert count(deployment, "archive_document") == 0
    assert vacuum(migration)["table"] == "archive_document"


def test_a_document_deleted_since_the_switch_keeps_its_old_row_and_so_the_table(
    deployment: Deployment, cli: Cli
) -> None:
    migration = of_tables(deployment, cli, Db())
    migration.apply("plan.json", "--through", "switch")
    deployment.anchore(migration.destination).delete(few()[0])

    migration.after_writes(few()[1:]).apply()

    assert count(deployment, "archive_document") == 1
    assert vacuum(migration)["bytes"] > 0


def test_a_table_with_a_payload_of_another_version_is_not_emptied(deployment: Deployment, cli: Cli) -> None:
    """Beside a document of the move, under its very name: nobody knows whose that is."""
    migration = of_tables(deployment, cli, Db2())
    document = next(iter(migration.expected.documents.values()))
    with deployment.engine.begin() as connection:
        connection.execute(
            sa.text(
                """
                INSERT INTO object_storage ("userId", bucket, key, version, content)
                VALUES (:user, :bucket, :key, '7', 'of somebody else')
                """
            ),
            {"user": document.user_id, "bucket": document.bucket, "key": document.archive_id},
        )

    migration.apply()

    assert count(deployment, "object_storage") == 1
    assert deployment.reader(migration.destination).reads_all(migration.expected.documents)
