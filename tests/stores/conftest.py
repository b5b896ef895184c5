"""A second S3 server beside the shared ones, and the database as the stores see it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from moto.server import ThreadedMotoServer
from pydantic import SecretStr

from stores.database import Database, DatabaseOptions
from tests.stores.scripted import Scripted


@pytest.fixture(scope="session")
def moto_url() -> Iterator[str]:
    """An S3 server that keeps every key as it is, checks no signature and forgets all at the end."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def scripted() -> Iterator[Scripted]:
    """An HTTP server that answers as the test tells it to."""
    made = Scripted()
    yield made
    made.close()


@pytest.fixture
def database(anchore_database: str) -> Iterator[Database]:
    made = Database(SecretStr(anchore_database), DatabaseOptions(timeout=60.0, retries=0))
    yield made
    made.close()


@pytest.fixture
def engine(anchore_database: str) -> Iterator[sa.Engine]:
    """Plain SQL on the same database, none of the project's code between."""
    made = sa.create_engine(anchore_database.replace("postgresql://", "postgresql+pg8000://"))
    yield made
    made.dispose()
