"""A small Anchore deployment in a directory: both servers, the filled database, today's config and tomorrow's."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import SecretStr

from restow.demo import tables
from restow.demo.corpus import documents
from restow.demo.servers import PostgresServer, S3Server, postgres, seaweedfs
from stores.database import Database, DatabaseOptions

DATABASE = "postgres"
PASSWORD = "demo-password"  # noqa: S105 - of servers that end with the demo
ACCESS_KEY = "demo-access-key"
SECRET_KEY = "demo-secret-key"  # noqa: S105 - likewise
ENVIRONMENT_FILE = "anchore.env"
PORTS_FILE = Path("servers/ports.json")


@contextlib.contextmanager
def deployment(directory: Path) -> Iterator[Database]:
    """Run the deployment inside ``directory``, which must be empty; yield its database.

    Writes ``config.yaml`` (everything in the database), ``dest-config.yaml`` (everything in one S3 bucket, compressed)
    and ``anchore.env`` (the secrets that both refer to). Raises ServerStartError.
    """
    (directory / "servers").mkdir()
    with (
        _servers(directory) as (database_server, s3_server),
        contextlib.closing(_database(database_server)) as database,
    ):
        tables.create(database)
        tables.fill(database, documents())
        _write_configs(directory, database_server, s3_server)
        ports = {"postgres": database_server.port, "s3": urlsplit(s3_server.url).port}
        (directory / PORTS_FILE).write_text(json.dumps(ports), encoding="utf-8")
        yield database


@contextlib.contextmanager
def deployment_again(directory: Path) -> Iterator[None]:
    """Run the servers of an earlier ``deployment`` on its data, where its configs look for them."""
    ports = json.loads((directory / PORTS_FILE).read_text(encoding="utf-8"))
    with _servers(directory, postgres_port=ports["postgres"], s3_port=ports["s3"]):
        yield


@contextlib.contextmanager
def _servers(
    directory: Path, *, postgres_port: int | None = None, s3_port: int | None = None
) -> Iterator[tuple[PostgresServer, S3Server]]:
    servers = directory / "servers"
    with (
        postgres(servers / "postgres", port=postgres_port) as database_server,
        seaweedfs(servers / "s3", access_key=ACCESS_KEY, secret_key=SECRET_KEY, port=s3_port) as s3_server,
    ):
        yield database_server, s3_server


def _database(server: PostgresServer) -> Database:
    return Database(SecretStr(server.url(DATABASE, password=PASSWORD)), DatabaseOptions())


def _write_configs(directory: Path, database: PostgresServer, s3: S3Server) -> None:
    secrets = directory / ENVIRONMENT_FILE
    secrets.touch(mode=0o600)
    secrets.write_text(
        f"ANCHORE_DB_PASSWORD={PASSWORD}\n"
        f"ANCHORE_OBJECT_STORE_ACCESS_KEY={s3.access_key}\n"
        f"ANCHORE_OBJECT_STORE_SECRET_KEY={s3.secret_key}\n",
        encoding="utf-8",
    )
    head = f"""\
credentials:
  database:
    db_connect: 'postgresql://postgres:${{ANCHORE_DB_PASSWORD}}@{database.host}:{database.port}/{DATABASE}'
    db_connect_args:
      timeout: 120
      ssl: false
services:
  catalog:
    enabled: true
    object_store:
"""
    today = """\
      compression:
        enabled: false
        min_size_kbytes: 100
      storage_driver:
        name: db
        config: {}
"""
    tomorrow = f"""\
      compression:
        enabled: true
        min_size_kbytes: 100
      storage_driver:
        name: s3
        config:
          access_key: '${{ANCHORE_OBJECT_STORE_ACCESS_KEY}}'
          secret_key: '${{ANCHORE_OBJECT_STORE_SECRET_KEY}}'
          url: '{s3.url}'
          region: false
          bucket: anchore-engine-testing
          prefix: internaltest
          create_bucket: true
"""
    (directory / "config.yaml").write_text(head + today, encoding="utf-8")
    (directory / "dest-config.yaml").write_text(head + tomorrow, encoding="utf-8")
