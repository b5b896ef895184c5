"""Real servers for all tests, started at the first need: PostgreSQL with Anchore's tables, SeaweedFS for S3."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from restow.demo.servers import PostgresServer, S3Server, postgres, seaweedfs
from tests.anchore import canaries, tables
from tests.anchore.deployment import Deployment
from tests.anchore.s3 import Clients
from tests.cli import Cli
from tests.nursery import Nursery
from tests.nursery import nursery as open_nursery
from tests.tls import Tls, certificates

TEMPLATE = "anchore_template"
MEMORY = Path("/dev/shm")  # noqa: S108 - not a file but a place to make one's own directory in
ROOM = 4 << 30
"""Bytes that must be free in memory; a container's default of 64 MB will not do."""


def pytest_configure() -> None:
    # Whoever starts the tests in the background of a shell or by nohup has them ignore Ctrl-C or a hang-up, and every
    # program they start too.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(scope="session")
def server_directory() -> Iterator[Path]:
    # Not below pytest's own directory: another pytest of the same user locks that to the user's eyes while
    # PostgreSQL, which never runs as root, still needs its way in.
    directory = Path(tempfile.mkdtemp(prefix="restow-tests-", dir=_memory()))
    yield directory
    shutil.rmtree(directory)


@pytest.fixture(scope="session")
def postgres_server(server_directory: Path) -> Iterator[PostgresServer]:
    with postgres(server_directory / "postgres") as server:
        yield server


@pytest.fixture(scope="session")
def s3_server(server_directory: Path) -> Iterator[S3Server]:
    directory = server_directory / "s3"
    with seaweedfs(directory, access_key=canaries.ACCESS_KEY, secret_key=canaries.SECRET_KEY) as server:
        yield server


@pytest.fixture(scope="session")
def other_s3_server(server_directory: Path) -> Iterator[S3Server]:
    """A second S3, that knows the same keys and nothing of the first."""
    directory = server_directory / "other" / "s3"
    with seaweedfs(directory, access_key=canaries.ACCESS_KEY, secret_key=canaries.SECRET_KEY) as server:
        yield server


@pytest.fixture(scope="session")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    return certificates(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="session")
def administrator(postgres_server: PostgresServer) -> Iterator[sa.Engine]:
    """The superuser outside any transaction, in the database ``postgres``."""
    engine = _engine(postgres_server.url("postgres"))
    yield engine.execution_options(isolation_level="AUTOCOMMIT")
    engine.dispose()


@pytest.fixture(scope="session")
def anchore_template(postgres_server: PostgresServer, administrator: sa.Engine) -> str:
    """The name of a database with Anchore's tables, to make others from."""
    with administrator.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {TEMPLATE}"))
    engine = _engine(postgres_server.url(TEMPLATE))
    tables.create(engine)
    engine.dispose()
    return TEMPLATE


@pytest.fixture(scope="session")
def numbers() -> Iterator[int]:
    return itertools.count(1)


@pytest.fixture
def anchore_database(
    postgres_server: PostgresServer, administrator: sa.Engine, anchore_template: str, numbers: Iterator[int]
) -> Iterator[str]:
    """The URL of an Anchore database without documents, with a canary for a password."""
    name = f"anchore_{next(numbers)}"
    with administrator.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name} TEMPLATE {anchore_template}"))
    yield postgres_server.url(name, password=canaries.DATABASE_PASSWORD)
    with administrator.connect() as connection:
        connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture(scope="session")
def clients() -> Iterator[Clients]:
    made = Clients()
    yield made
    made.close()


@pytest.fixture
def deployment(
    anchore_database: str, s3_server: S3Server, clients: Clients, tmp_path: Path, numbers: Iterator[int]
) -> Iterator[Deployment]:
    """An Anchore deployment without documents."""
    root = tmp_path / "deployment"
    root.mkdir()
    made = Deployment(
        name=f"anchore-{next(numbers)}",
        root=root,
        database_url=anchore_database,
        engine=_engine(anchore_database),
        s3_server=s3_server,
        clients=clients,
    )
    yield made
    made.close()


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    """The process that runs of the program are born in."""
    with open_nursery() as made:
        yield made


@pytest.fixture
def cli(deployment: Deployment, nursery: Nursery) -> Iterator[Cli]:
    """The program, run in the deployment's directory."""
    made = Cli(deployment, nursery)
    yield made
    made.close()


def _memory() -> Path | None:
    """Return a directory in memory: there a database is made in 20 ms, on disk it takes 300. None where it is small."""
    there = MEMORY.is_dir() and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > ROOM
    return MEMORY if there else None


def _engine(url: str) -> sa.Engine:
    return sa.create_engine(url.replace("postgresql://", "postgresql+pg8000://"))
