"""A PostgreSQL of a test's own, which it may crash and start again."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import sqlalchemy as sa

from restow.demo.servers import PostgresServer, postgres
from tests.anchore import canaries, tables

DATABASE = "anchore"


@dataclass
class Fragile:
    """A server that keeps data directory and port, whatever happens to it."""

    directory: Path
    _running: ExitStack = field(default_factory=ExitStack)
    _server: PostgresServer | None = None

    @property
    def server(self) -> PostgresServer:
        assert self._server is not None
        return self._server

    def start(self) -> None:
        port = None if self._server is None else self._server.port
        self._server = self._running.enter_context(postgres(self.directory, port=port))

    def crash(self) -> None:
        """End every process of the server at once; what was committed is in its log, and nowhere else."""
        os.kill(self.server.pid, signal.SIGQUIT)
        self._running.close()

    def fresh_database(self) -> str:
        """Return the URL of a database with Anchore's tables and no documents."""
        administrator = sa.create_engine(_driver(self.server.url("postgres")), isolation_level="AUTOCOMMIT")
        with administrator.connect() as connection:
            connection.execute(sa.text(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)"))
            connection.execute(sa.text(f"CREATE DATABASE {DATABASE}"))
        administrator.dispose()
        url = self.server.url(DATABASE, password=canaries.DATABASE_PASSWORD)
        engine = sa.create_engine(_driver(url))
        tables.create(engine)
        engine.dispose()
        return url


@contextmanager
def fragile(directory: Path) -> Iterator[Fragile]:
    with ExitStack() as running:
        made = Fragile(directory, running)
        made.start()
        yield made


def _driver(url: str) -> str:
    return url.replace("postgresql://", "postgresql+pg8000://")
