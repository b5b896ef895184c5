"""Makes a deployment for each example of the machine, on the servers of the session."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from restow.demo.servers import PostgresServer, S3Server
from tests.anchore import canaries, s3
from tests.anchore.config import Db, Db2, Localfs
from tests.anchore.deployment import Deployment
from tests.anchore.s3 import Clients
from tests.cli import Cli
from tests.machine.world import World
from tests.nursery import Nursery


@pytest.fixture
def worlds(
    postgres_server: PostgresServer,
    administrator: sa.Engine,
    anchore_template: str,
    s3_server: S3Server,
    other_s3_server: S3Server,
    clients: Clients,
    nursery: Nursery,
    numbers: Iterator[int],
    tmp_path: Path,
) -> Callable[[], AbstractContextManager[World]]:
    """Make one deployment without documents for the block, and foreign things beside where they will be."""

    @contextmanager
    def world() -> Iterator[World]:
        number = next(numbers)
        name = f"anchore_{number}"
        with administrator.connect() as connection:
            connection.execute(sa.text(f"CREATE DATABASE {name} TEMPLATE {anchore_template}"))
        url = postgres_server.url(name, password=canaries.DATABASE_PASSWORD)
        root = tmp_path / f"deployment-{number}"
        root.mkdir()
        deployment = Deployment(
            name=f"anchore-{number}",
            root=root,
            database_url=url,
            engine=sa.create_engine(url.replace("postgresql://", "postgresql+pg8000://")),
            s3_server=s3_server,
            clients=clients,
        )
        cli = Cli(deployment, nursery)
        try:
            yield _furnished(deployment, cli, other_s3_server)
        finally:
            cli.close()
            _remove_buckets(deployment, other_s3_server)
            deployment.close()
            with administrator.connect() as connection:
                connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))

    return world


def _furnished(deployment: Deployment, cli: Cli, other: S3Server) -> World:
    root, further = deployment.s3(), deployment.s3("further", prefix="x/")
    elsewhere = replace(root, url=other.url)
    for bucket in deployment._buckets:
        deployment.clients.of(elsewhere).create_bucket(Bucket=bucket)
    directories = [deployment.directory("one"), deployment.directory("two")]
    deployment.add_foreign_rows()
    deployment.add_foreign_objects("documents", "README.txt", "team-blue/policy_bundles/of nobody")
    for directory in directories:
        folder = Path(directory) / hashlib.md5(b"blue", usedforsecurity=False).hexdigest() / "policy_bundles"
        folder.mkdir(parents=True)
        (folder / "of nobody").write_bytes(b"not Anchore's")
    one, two = (Localfs(directory) for directory in directories)
    places = (Db(), root, one, Db2(), replace(root, prefix="team-"), elsewhere, further, two)
    return World(deployment, cli, other, places)


def _remove_buckets(deployment: Deployment, other: S3Server) -> None:
    client = deployment.clients.at(other.url, other.access_key, other.secret_key)
    there = {bucket["Name"] for bucket in client.list_buckets()["Buckets"]}
    for bucket in there & set(deployment._buckets):
        for key in s3.keys(client, bucket):
            client.delete_object(Bucket=bucket, Key=key)
        client.delete_bucket(Bucket=bucket)
