"""A database whose owner has set what most leave alone: a migration there and back reads and writes the same."""

from __future__ import annotations

import sqlalchemy as sa

from tests.anchore.config import Config, Db, Db2, Section
from tests.anchore.deployment import Deployment
from tests.cli import Cli
from tests.end_to_end.codes import DONE
from tests.end_to_end.migration import begin, few

SETTINGS = {
    "array_nulls": "off",
    "bytea_output": "escape",
    "client_encoding": "LATIN1",
    "client_min_messages": "debug5",
    "DateStyle": "German, DMY",
    "default_transaction_deferrable": "on",
    "default_transaction_isolation": "serializable",
    "IntervalStyle": "sql_standard",
    "quote_all_identifiers": "on",
    "row_security": "off",
    "search_path": "elsewhere, public",
    "session_replication_role": "replica",
    "standard_conforming_strings": "off",
    "TimeZone": "'Asia/Kathmandu'",
    "transform_null_equals": "on",
}


def test_a_migration_there_and_back_whatever_the_owner_has_set(deployment: Deployment, cli: Cli) -> None:
    name = sa.make_url(deployment.database_url).database
    between = Config(Section(Db2()), Section(deployment.s3("archive")))
    migration = begin(deployment, cli, Config(Section(Db())), between, documents=few())
    for setting, value in SETTINGS.items():
        _alter(deployment, f"ALTER DATABASE {name} SET {setting} = {value}")

    migration.plan()
    migration.apply()
    cli.run("verify", "dest-config.yaml", "--full").must_end(DONE)
    cli.run("migrations", "config.yaml").must_end(DONE)
    migration.plan_back()
    migration.apply("back.json")

    _alter(deployment, f"ALTER DATABASE {name} RESET ALL")
    migration.assert_at_source()


def _alter(deployment: Deployment, statement: str) -> None:
    with deployment.engine.begin() as connection:
        connection.execute(sa.text(statement))
    # What is set holds for connections that are made from now on.
    deployment.engine.dispose()
