"""The commands that only look: what they find, and that they write nothing."""

from __future__ import annotations

import json

import sqlalchemy as sa
import yaml

from tests.anchore.config import Config, Db, Section
from tests.anchore.deployment import Deployment
from tests.anchore.documents import Document
from tests.cli import Cli
from tests.end_to_end.codes import INTEGRITY
from tests.end_to_end.migration import Migration, begin, few


def replace_payload(migration: Migration, document: Document, payload: bytes) -> None:
    migration.deployment.anchore(migration.source).store_payload(document, payload)


def test_verify_reads_every_document_under_the_config_in_force_and_none_under_the_other(migration: Migration) -> None:
    count = len(migration.deployment.snapshot().rows)
    with migration.writes_nothing():
        said = migration.cli.run("verify", "config.yaml", "--full").must_end(0)
        assert f"{count} of {count} documents can be read" in said.stdout
        said = migration.cli.run("verify", "dest-config.yaml").must_end(INTEGRITY)
        assert f"0 of {count} documents can be read" in said.stdout
        assert said.stdout.count("unreachable") == count


def test_verify_lists_in_the_same_order_however_many_look_at_once(deployment: Deployment, cli: Cli) -> None:
    begin(deployment, cli, Config(Section(Db())), Config(Section(deployment.s3())), documents=few(300))
    alone = cli.run("verify", "dest-config.yaml", "--jobs", "1").must_end(INTEGRITY).stdout
    assert cli.run("verify", "dest-config.yaml", "--jobs", "8").must_end(INTEGRITY).stdout == alone
    assert alone.splitlines()[-1].startswith("object_store and analysis_archive in s3://")


def test_verify_lists_a_missing_document(migration: Migration) -> None:
    migration.deployment.anchore(migration.source).delete_payload(migration.bundle)

    said = migration.cli.run("verify", "config.yaml").must_end(INTEGRITY)

    (line,) = [line for line in said.stdout.splitlines() if "missing" in line]
    assert migration.bundle.archive_id in line


def test_verify_lists_a_document_with_one_wrong_byte_also_on_s3_and_without_full(migration: Migration) -> None:
    migration.plan()
    migration.apply()
    snapshot = migration.deployment.snapshot()
    url = next(row["content_url"] for name, row in snapshot.rows.items() if name == migration.bundle.name)
    good = snapshot.payloads[url].content
    migration.deployment.anchore(migration.destination).store_payload(migration.bundle, bytes([good[0] ^ 1]) + good[1:])

    said = migration.cli.run("verify", "dest-config.yaml").must_end(INTEGRITY)

    (line,) = [line for line in said.stdout.splitlines() if "corrupt" in line]
    assert migration.bundle.archive_id in line


def test_migrations_lists_ours_and_the_vendors(migration: Migration) -> None:
    with migration.deployment.engine.begin() as connection:
        connection.execute(
            sa.text(
                """
                WITH task AS (
                    INSERT INTO tasks (state, last_state, created_at, started_at, last_updated, executor_id, type)
                    VALUES ('running', 'running', now(), now(), now(), 'node:1:2:', 'archivemigrationtask')
                    RETURNING id)
                INSERT INTO archive_migration_tasks (id, migrate_from_driver, migrate_to_driver,
                    archive_documents_to_migrate, archive_documents_migrated, online_migration)
                SELECT id, 'localfs', 'db', 10, 4, false FROM task
                """
            )
        )
    migration.plan()
    migration.apply()

    lines = migration.cli.run("migrations", "config.yaml").must_end(0).stdout.splitlines()

    assert len(lines) == 3
    assert "localfs" in lines[1]
    assert "4 of 10" in lines[1]
    assert "anchore-manager" in lines[1]
    assert "complete" in lines[2]
    assert "restow, round 1" in lines[2]


def test_migrations_of_a_database_without_any_says_so(migration: Migration) -> None:
    said = migration.cli.run("migrations", "--db-connect", migration.deployment.database_url).must_end(0)
    assert said.stdout == "No migration has been recorded.\n"


def test_a_report_is_shown_with_its_ledger(migration: Migration) -> None:
    migration.plan()
    migration.apply("plan.json", "--report", "report.json")

    said = migration.cli.run("show", "report.json").must_end(0).stdout

    assert "switched and cleaned" in said
    assert "query_data" in said
    assert migration.cli.run("show", "report.json", "--format", "markdown").must_end(0).stdout.startswith("```text\n")


def test_each_schema_is_json_and_fits_what_the_program_writes(migration: Migration) -> None:
    import jsonschema

    migration.plan()
    migration.apply("plan.json", "--report", "report.json")
    for name in ("plan", "report"):
        schema = json.loads(migration.cli.run("schema", name).must_end(0).stdout)
        written = json.loads((migration.deployment.root / f"{name}.json").read_text(encoding="utf-8"))
        jsonschema.validate(written, schema)
    schema = json.loads(migration.cli.run("schema", "config").must_end(0).stdout)
    config = yaml.safe_load((migration.deployment.root / "dest-config.yaml").read_text(encoding="utf-8"))
    jsonschema.validate(config, schema)


def test_drivers_names_all_five(migration: Migration) -> None:
    said = migration.cli.run("drivers").must_end(0).stdout
    assert [line.split()[0] for line in said.splitlines()] == ["db", "db2", "s3", "localfs", "swift"]
