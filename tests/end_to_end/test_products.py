"""What a run hands over: task row, snippet, report, status."""

from __future__ import annotations

import json

import sqlalchemy as sa
import yaml

from tests.end_to_end.migration import Migration


def test_the_task_row_is_one_that_the_vendor_s_tool_lists(migration: Migration) -> None:
    migration.plan()
    migration.apply()

    with migration.deployment.engine.connect() as connection:
        (task,) = connection.execute(sa.text("SELECT * FROM tasks JOIN archive_migration_tasks USING (id)")).mappings()

    assert (task["type"], task["state"]) == ("archivemigrationtask", "complete")
    assert (task["migrate_from_driver"], task["migrate_to_driver"]) == ("db", "s3")
    count = len(migration.expected.documents)
    assert (task["archive_documents_to_migrate"], task["archive_documents_migrated"]) == (count, count)
    assert task["started_at"] is not None
    assert task["ended_at"] >= task["started_at"]
    assert task["executor_id"]


def test_the_snippet_comes_with_the_switch_and_names_every_setting(migration: Migration) -> None:
    migration.plan()

    snippet = yaml.safe_load(migration.apply().stdout)

    catalog = migration.destination.content("")["services"]["catalog"]
    given = snippet["services"]["catalog"]["object_store"]
    wanted = catalog["object_store"]
    assert given["compression"] == wanted["compression"]
    public = {key: value for key, value in wanted["storage_driver"]["config"].items() if not key.endswith("_key")}
    assert public.items() <= given["storage_driver"]["config"].items()
    assert given["storage_driver"]["name"] == "s3"


def test_the_complete_snippet_goes_to_a_private_file_and_is_the_destination_s_section(migration: Migration) -> None:
    path = migration.deployment.root / "complete.yaml"
    migration.cli.secret_files.append(path)
    migration.plan()

    migration.apply("plan.json", "--snippet", str(path))

    assert path.stat().st_mode & 0o777 == 0o600
    given = yaml.safe_load(path.read_text(encoding="utf-8"))
    catalog = migration.destination.content("")["services"]["catalog"]
    assert given["services"]["catalog"]["object_store"] == catalog["object_store"]


def test_status_tells_how_far_it_is_and_writes_nothing(migration: Migration) -> None:
    migration.plan()
    said = []
    with migration.writes_nothing():
        said.append(migration.cli.run("status", "plan.json").must_end(0).stdout)
    for stage in ("copy", "switch", "clean"):
        migration.apply("plan.json", "--through", stage)
        with migration.writes_nothing():
            said.append(migration.cli.run("status", "plan.json").must_end(0).stdout)

    assert len(set(said)) == 4
    assert "switched" in said[2]
    assert "cleaned" in said[3]


def test_the_report_says_what_the_auditor_finds(migration: Migration) -> None:
    migration.plan()

    migration.apply("plan.json", "--report", "report.json")

    path = migration.deployment.root / "report.json"
    assert path.stat().st_mode & 0o777 == 0o600
    report = json.loads(path.read_text(encoding="utf-8"))
    assert report["exit_code"] == 0
    ledgers = [bucket for move in report["moves"] for bucket in move["buckets"]]
    assert sum(ledger["copied"] for ledger in ledgers) == len(migration.expected.documents)
    found: dict[str, int] = {}
    for document in migration.expected.documents.values():
        found[document.bucket] = found.get(document.bucket, 0) + 1
    assert {ledger["bucket"]: ledger["found"] for ledger in ledgers} == found
    assert all(ledger["unaccounted"] == 0 for ledger in ledgers)
