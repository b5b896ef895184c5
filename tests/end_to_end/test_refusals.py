"""Codes 2, 4, 5 and 6: what the plan or the moment does not allow is refused, and nothing is written."""

from __future__ import annotations

from dataclasses import replace

import sqlalchemy as sa
import yaml

from tests.anchore.config import Config, Section
from tests.anchore.deployment import Deployment
from tests.anchore.documents import Document
from tests.cli import Cli
from tests.end_to_end.codes import DONE, HAS_MOVES, LOCKED, REFUSED, STALE
from tests.end_to_end.holding import IMPATIENT
from tests.end_to_end.migration import Migration, begin, few, plan_of

VENDORS_LOCK = "SELECT pg_advisory_lock(2, 1)"


def test_2_only_when_asked_for_and_only_when_documents_move(migration: Migration) -> None:
    arguments = ("plan", "config.yaml", "dest-config.yaml", "-o", "plan.json")
    migration.cli.run(*arguments, "--detailed-exitcode").must_end(HAS_MOVES)
    migration.cli.run(*arguments).must_end(DONE)
    migration.apply()
    migration.cli.run(*arguments, "--detailed-exitcode").must_end(DONE)


def test_4_when_a_config_was_edited_after_planning(migration: Migration) -> None:
    migration.plan()
    for name, config in (
        ("dest-config.yaml", Config(Section(migration.deployment.s3("elsewhere")))),
        ("dest-config.yaml", Config(Section(migration.destination.object_store.place))),  # compression switched off
        ("config.yaml", Config(Section(migration.deployment.s3("elsewhere")))),
    ):
        path = migration.deployment.root / name
        planned = path.read_text(encoding="utf-8")
        migration.deployment.write_config(name, config)
        with migration.writes_nothing():
            said = migration.apply(code=STALE)
        assert name in said.stderr
        path.write_text(planned, encoding="utf-8")

    migration.apply()
    migration.assert_at_destination()


def test_4_not_when_only_the_rest_of_the_config_or_a_secret_changed(migration: Migration) -> None:
    """Keys rotate, ports change: neither is what the plan approved."""
    migration.plan()
    for name in ("config.yaml", "dest-config.yaml"):
        path = migration.deployment.root / name
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        content["log_level"] = "DEBUG"
        content["services"]["apiext"]["port"] = 9999
        content["credentials"]["database"]["db_connect_args"]["timeout"] = 60
        if name == "config.yaml":
            url = content["credentials"]["database"]["db_connect"]
            content["credentials"]["database"]["db_connect"] = url.replace("z6Hn3@", "z6Hn3-rotated@")
        path.write_text(yaml.safe_dump(content), encoding="utf-8")

    migration.apply()
    migration.assert_at_destination()


def test_4_when_the_documents_outgrew_the_envelope(migration: Migration) -> None:
    plan = plan_of(migration.plan())
    added = plan["envelope"]["documents_floor"] + 1
    with migration.deployment.engine.begin() as connection:
        connection.execute(
            sa.text(
                """
                INSERT INTO archive_metadata (bucket, "archiveId", "userId", "documentName", content_url, is_compressed,
                    digest, size, created_at, last_updated, record_state_key)
                SELECT 'query_data', 'new-' || n, 'admin', 'new-' || n || '.json', 'db://admin/query_data/new-' || n,
                    false, md5('{}'), 2, 1, 1, 'active' FROM generate_series(1, :added) n
                """
            ),
            {"added": added},
        )
        connection.execute(
            sa.text(
                """
                INSERT INTO archive_document (bucket, "archiveId", "userId", "documentName", jsondata, b64_encoded)
                SELECT 'query_data', 'new-' || n, 'admin', 'new-' || n || '.json', '{}', false
                FROM generate_series(1, :added) n
                """
            ),
            {"added": added},
        )
    before = plan["totals"]["documents"]

    with migration.writes_nothing():
        said = migration.apply(code=STALE)

    assert str(before) in said.stderr
    assert str(before + added) in said.stderr


def test_4_a_plan_made_offline_approves_no_counts(migration: Migration) -> None:
    migration.plan("--offline")

    with migration.writes_nothing():
        migration.apply(code=STALE)


def test_5_without_a_terminal_and_without_yes(migration: Migration) -> None:
    migration.plan()

    with migration.writes_nothing():
        said = migration.cli.run("apply", "plan.json").must_end(REFUSED)

    assert "--yes" in said.stderr


def test_5_when_the_answer_is_no_and_0_when_it_is_yes(migration: Migration) -> None:
    migration.plan()

    said = migration.cli.answer("apply", "plan.json", reply="n\n").must_end(REFUSED)
    assert said.stdout == ""
    migration.assert_not_switched()

    migration.cli.answer("apply", "plan.json", reply="y\n").must_end(DONE)
    migration.assert_at_destination()


def test_5_rows_that_neither_side_can_read(migration: Migration) -> None:
    """Planning says so and ends well; applying refuses."""
    with migration.deployment.engine.begin() as connection:
        connection.execute(
            sa.text("UPDATE archive_metadata SET content_url = 'swift://box/key' WHERE \"archiveId\" = :key"),
            {"key": migration.bundle.archive_id},
        )
    said = migration.cli.run("plan", "config.yaml", "dest-config.yaml", "-o", "plan.json").must_end(DONE)
    assert "refuse" in said.stderr
    assert [f["code"] for f in plan_of(migration.deployment.root / "plan.json")["findings"] if f["severity"] == "error"]

    with migration.writes_nothing():
        migration.apply(code=REFUSED)


def test_5_one_place_under_two_names(deployment: Deployment, cli: Cli) -> None:
    """The same server by another name: a copy over itself would destroy the only payload."""
    place = deployment.s3()
    alias = replace(place, url=place.url.replace("127.0.0.1", "localhost"))
    migration = begin(deployment, cli, Config(Section(place)), Config(Section(alias)), documents=few())
    migration.plan()

    with migration.writes_nothing():
        migration.apply(code=REFUSED)


def test_5_another_document_s_payload_in_the_way(deployment: Deployment, cli: Cli) -> None:
    """Prefixes have no slash of their own: account "x" under prefix "team-" meets account "team-x" under none."""
    documents = [Document("policy_bundles", "policy", account, account.encode()) for account in ("x", "team-x")]
    migration = begin(
        deployment,
        cli,
        Config(Section(deployment.s3())),
        Config(Section(deployment.s3(prefix="team-"))),
        documents=documents,
    )
    plan = plan_of(migration.plan())
    assert "destination-occupied" in [finding["code"] for finding in plan["findings"]]

    with migration.writes_nothing():
        migration.apply(code=REFUSED)


def test_6_while_another_migration_holds_the_lock(migration: Migration) -> None:
    migration.plan()
    with migration.deployment.engine.connect() as holder:
        holder.execute(sa.text("SET application_name = 'anchore-manager'"))
        holder.execute(sa.text(VENDORS_LOCK))
        pid = holder.execute(sa.text("SELECT pg_backend_pid()")).scalar_one()
        with migration.writes_nothing():
            said = migration.cli.run("apply", "plan.json", "--yes", rig=IMPATIENT).must_end(LOCKED)
        holder.execute(sa.text("SELECT pg_advisory_unlock_all()"))

    assert str(pid) in said.stderr or "anchore-manager" in said.stderr
    migration.apply()
    migration.assert_at_destination()
