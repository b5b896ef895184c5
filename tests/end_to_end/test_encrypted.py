"""A database that is only to be had encrypted, as most are: each way to ask for it carries a whole migration."""

from __future__ import annotations

import pytest
import yaml

from tests.anchore.config import Config
from tests.end_to_end.codes import UNREACHABLE
from tests.end_to_end.migration import DESTINATION, SOURCE, Migration
from tests.tls import Tls, encrypted


def write(migration: Migration, file: str, config: Config, url: str, *, ssl: bool) -> None:
    content = config.content(url)
    content["credentials"]["database"]["db_connect_args"]["ssl"] = ssl
    migration.deployment.write_yaml(file, yaml.safe_dump(content))


@pytest.mark.parametrize("asked", ["by the config's ssl", "by the URL's sslmode", "by --db-ca"])
def test_a_migration_over_an_encrypted_connection(migration: Migration, tls: Tls, asked: str) -> None:
    flags = ("--db-ca", tls.authority) if asked == "by --db-ca" else ()
    with encrypted(migration.deployment.database_url, tls.server) as server:
        url = f"{server}?sslmode=verify-full&sslrootcert={tls.authority}" if asked == "by the URL's sslmode" else server
        for file, config in ((SOURCE, migration.source), (DESTINATION, migration.destination)):
            write(migration, file, config, url, ssl=asked == "by the config's ssl")

        migration.cli.run(*flags, "plan", SOURCE, DESTINATION, "-o", "plan.json").must_end(0)
        migration.cli.run(*flags, "apply", "plan.json", "--yes").must_end(0)
        migration.cli.run(*flags, "verify", DESTINATION, "--full").must_end(0)
    migration.assert_at_destination()


def test_a_connection_that_is_not_as_asked_for_is_told_once_and_why(migration: Migration, tls: Tls) -> None:
    plain = migration.cli.run("--db-use-ssl", "plan", SOURCE, DESTINATION).must_end(UNREACHABLE)
    assert "does not encrypt connections" in plain.stderr
    assert "leave out --db-use-ssl" in plain.stderr
    with encrypted(migration.deployment.database_url, tls.self_signed) as url:
        write(migration, SOURCE, migration.source, url, ssl=True)
        stranger = migration.cli.run("--db-ca", tls.authority, "plan", SOURCE, DESTINATION).must_end(UNREACHABLE)
        assert "shows a certificate that is not accepted" in stranger.stderr
        assert "--db-ca FILE" in stranger.stderr


def test_the_url_that_is_given_says_how_to_encrypt(migration: Migration, tls: Tls) -> None:
    """The config's ssl is for the config's URL; one that is given beside it may go another way, a tunnel for one."""
    url = migration.deployment.database_url
    write(migration, SOURCE, migration.source, url, ssl=True)
    plan = ("plan", SOURCE, DESTINATION)

    for asked in ("", "?sslmode=prefer"):
        migration.cli.run(*plan, env={"RESTOW_DB_CONNECT": f"{url}{asked}"}).must_end(UNREACHABLE)
    migration.cli.run(*plan, env={"RESTOW_DB_CONNECT": f"{url}?sslmode=disable"}).must_end(0)
    with encrypted(url, tls.server) as server:
        migration.cli.run(*plan, env={"RESTOW_DB_CONNECT": server}).must_end(0)
        migration.cli.run(*plan, env={"RESTOW_DB_CONNECT": f"{server}?sslmode=require"}).must_end(0)
