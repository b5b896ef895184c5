"""Codes 69 and 77: servers that are not there and doors that stay shut."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
import sqlalchemy as sa

from restow.demo.servers import free_port
from tests.anchore.config import S3, Config, Db, Section
from tests.anchore.deployment import Deployment
from tests.anchore.documents import BOTH
from tests.cli import Cli
from tests.end_to_end.codes import DENIED, DONE, UNREACHABLE
from tests.end_to_end.migration import Migration, few


def begin_without_objects(deployment: Deployment, cli: Cli, place: S3) -> Migration:
    """Plan a move from the database to a place that nobody can look at."""
    source, destination = Config(Section(Db())), Config(Section(place))
    deployment.fill(source, few())
    deployment.write_config("config.yaml", source)
    deployment.write_config("dest-config.yaml", destination)
    migration = Migration(deployment, cli, source, destination, (), deployment.expect(few()))
    migration.plan()
    return migration


def test_69_no_database_there(migration: Migration) -> None:
    migration.plan()
    nowhere = {"RESTOW_DB_CONNECT": f"postgresql://postgres:x@127.0.0.1:{free_port()}/postgres"}

    migration.cli.run("plan", "config.yaml", "dest-config.yaml", env=nowhere).must_end(UNREACHABLE)
    with migration.writes_nothing():
        migration.cli.run("apply", "plan.json", "--yes", env=nowhere).must_end(UNREACHABLE)
    migration.cli.run("status", "plan.json", env=nowhere).must_end(UNREACHABLE)


def test_69_no_such_database(migration: Migration) -> None:
    other = {"RESTOW_DB_CONNECT": migration.deployment.database_url + "_gone"}

    migration.cli.run("plan", "config.yaml", "dest-config.yaml", env=other).must_end(UNREACHABLE)


def test_69_no_s3_there(deployment: Deployment, cli: Cli) -> None:
    place = S3(url=f"http://127.0.0.1:{free_port()}", bucket="nowhere")
    migration = begin_without_objects(deployment, cli, place)

    with migration.writes_nothing():
        migration.apply(code=UNREACHABLE)


def test_69_no_such_bucket(deployment: Deployment, cli: Cli) -> None:
    place = S3(url=deployment.s3_server.url, bucket=deployment.bucket("never-made", create=False))
    migration = begin_without_objects(deployment, cli, place)

    with migration.writes_nothing():
        said = migration.apply(code=UNREACHABLE)
    assert place.bucket in said.stderr


def test_77_wrong_keys(deployment: Deployment, cli: Cli) -> None:
    place = replace(deployment.s3(), secret_key="CANARYSECRETKEYm4V9tR2sK8pL0-outdated")
    migration = begin_without_objects(deployment, cli, place)

    with migration.writes_nothing():
        migration.apply(code=DENIED)


def test_77_a_role_without_rights(migration: Migration, powerless_url: str) -> None:
    migration.plan()
    powerless = {"RESTOW_DB_CONNECT": powerless_url}

    with migration.writes_nothing():
        said = migration.cli.run("plan", "config.yaml", "dest-config.yaml", env=powerless).must_end(DENIED)
        migration.cli.run("apply", "plan.json", "--yes", env=powerless).must_end(DENIED)
    assert "archive_metadata" in said.stderr


def test_77_a_role_that_may_only_read_can_plan_and_not_apply(migration: Migration, read_only_url: str) -> None:
    read_only = {"RESTOW_DB_CONNECT": read_only_url}
    migration.cli.run("plan", "config.yaml", "dest-config.yaml", "-o", "plan.json", env=read_only).must_end(DONE)

    with migration.writes_nothing():
        migration.cli.run("apply", "plan.json", "--yes", env=read_only).must_end(DENIED)


def test_77_a_role_that_may_not_keep_the_journal_is_refused_before_anything_is_written(
    deployment: Deployment, cli: Cli, journalless_url: str
) -> None:
    """Also no bucket is made, and the statement to ask for can be given to an administrator as it stands."""
    place = replace(deployment.s3(), bucket=deployment.bucket("not-yet", create=False), create_bucket=True)
    migration = replace(begin_without_objects(deployment, cli, place), stores=BOTH)
    role = {"RESTOW_DB_CONNECT": journalless_url}

    with migration.writes_nothing():
        cli.run("apply", "plan.json", "--dry-run", env=role).must_end(DENIED)
        said = cli.run("apply", "plan.json", "--yes", env=role).must_end(DENIED)
    grant = re.search("GRANT CREATE ON DATABASE [^;]+", said.stderr)
    assert grant is not None
    with deployment.engine.begin() as connection:
        connection.execute(sa.text(grant[0]))

    cli.run("apply", "plan.json", "--yes", env=role).must_end(DONE)
    migration.assert_at_destination()


def test_a_schema_that_an_administrator_made_for_the_role_will_do(migration: Migration, journalless_url: str) -> None:
    migration.plan()
    role = {"RESTOW_DB_CONNECT": journalless_url}
    owner = sa.make_url(journalless_url).username
    with migration.deployment.engine.begin() as connection:
        connection.execute(sa.text(f"CREATE SCHEMA restow AUTHORIZATION {owner}"))

    migration.cli.run("apply", "plan.json", "--yes", env=role).must_end(DONE)
    migration.assert_at_destination()


def test_77_a_journal_of_another_role_names_what_is_missing(migration: Migration, journalless_url: str) -> None:
    migration.plan()
    migration.apply("plan.json", "--through", "copy")
    role = {"RESTOW_DB_CONNECT": journalless_url}

    for right in ("to read", "to write"):
        with migration.writes_nothing():
            said = migration.cli.run("apply", "plan.json", "--yes", env=role).must_end(DENIED).stderr
        assert ("SELECT ON ALL TABLES" in said) == (right == "to read")
        with migration.deployment.engine.begin() as connection:
            for grant in re.findall("GRANT [^;\\n]+", said):
                connection.execute(sa.text(grant))

    migration.cli.run("apply", "plan.json", "--yes", env=role).must_end(DONE)
    migration.assert_at_destination()


@pytest.mark.parametrize("command", ["status", "undo", "clean"])
def test_78_a_database_that_is_not_anchore_s(migration: Migration, command: str) -> None:
    """It is not that the plan has not been carried out."""
    migration.plan()
    url = sa.make_url(migration.deployment.database_url).set(database="postgres").render_as_string(hide_password=False)
    yes = ("--yes",) if command != "status" else ()

    said = migration.cli.run(command, "plan.json", *yes, env={"RESTOW_DB_CONNECT": url}).must_end(78)

    assert "does not look like an Anchore database" in said.stderr


def test_status_needs_no_config_where_the_database_is_named(migration: Migration) -> None:
    migration.plan()
    (migration.deployment.root / "config.yaml").unlink()

    named = {"RESTOW_DB_CONNECT": migration.deployment.database_url}
    assert "not started" in migration.cli.run("status", "plan.json", env=named).must_end(0).stdout
    migration.cli.run("status", "plan.json").must_end(78)
    migration.cli.run("status", "plan.json", "--source", "gone.yaml", env=named).must_end(78)


def test_a_role_that_may_only_read_anchore_s_tables_goes_on_planning(migration: Migration, read_only_url: str) -> None:
    """Somebody else has a journal by now."""
    migration.plan("--keep-source")
    migration.apply()
    read_only = {"RESTOW_DB_CONNECT": read_only_url}

    migration.cli.run("plan", "config.yaml", "dest-config.yaml", env=read_only).must_end(DONE)
    for journal_is_read in (["status", "plan.json"], ["migrations"]):
        assert "GRANT USAGE" in migration.cli.run(*journal_is_read, env=read_only).must_end(DENIED).stderr
