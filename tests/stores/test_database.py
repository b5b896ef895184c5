"""The connections to PostgreSQL: what is tried again, how often, and what a broken connection leaves behind."""

from __future__ import annotations

import contextlib
import errno
import socket
import struct
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from restow.demo.servers import postgres
from schemas.errors import DeniedError, RestowError, UnreachableError
from stores.database import (
    Database,
    DatabaseFaultError,
    DatabaseOptions,
    LockTimeoutError,
    OldServerError,
    Transaction,
)
from tests.listening import listening


@contextlib.contextmanager
def opened(url: str, options: DatabaseOptions | None = None, *, connections: int = 4) -> Iterator[Database]:
    database = Database(SecretStr(url), options or DatabaseOptions(), connections=connections)
    with contextlib.closing(database):
        yield database


def ask(database: Database, *, snapshot: bool = False) -> int:
    return int(database.run(lambda transaction: transaction.one("SELECT 42 AS answer").answer, snapshot=snapshot))


@pytest.mark.parametrize(
    ("error", "tries"),
    [
        (DatabaseFaultError("gone"), 4),
        (LockTimeoutError("busy"), 4),
        (UnreachableError("a store that has tried again itself"), 1),
        (DeniedError("no"), 1),
    ],
    ids=["database", "lock timeout", "store", "denied"],
)
def test_what_passes_is_tried_as_often_as_the_options_say_with_growing_pauses(error: RestowError, tries: int) -> None:
    made = 0
    pauses: list[float] = []

    def fail() -> None:
        nonlocal made
        made += 1
        raise error

    with (
        opened("postgresql://nobody@127.0.0.1:1/none", DatabaseOptions(retries=3)) as database,
        patch.object(time, "sleep", pauses.append),
        pytest.raises(type(error)),
    ):
        database.retried(fail)
    assert made == tries
    assert len(pauses) == tries - 1
    for number, pause in enumerate(pauses):
        assert 0.1 * 2**number <= pause <= 0.2 * 2**number


def test_no_pause_is_longer_than_five_seconds() -> None:
    pauses: list[float] = []

    def fail() -> None:
        raise DatabaseFaultError("gone")

    with (
        opened("postgresql://nobody@127.0.0.1:1/none", DatabaseOptions(retries=20)) as database,
        patch.object(time, "sleep", pauses.append),
        pytest.raises(DatabaseFaultError),
    ):
        database.retried(fail)
    assert max(pauses) <= 5
    assert len({round(pause, 6) for pause in pauses[-10:]}) > 1, "no jitter"


@pytest.mark.parametrize("snapshot", [False, True])
def test_a_server_that_has_dropped_all_connections_costs_one_try(
    anchore_database: str, administrator: sa.Engine, *, snapshot: bool
) -> None:
    with opened(anchore_database, DatabaseOptions(retries=1), connections=4) as database:
        with contextlib.ExitStack() as at_once:
            for _ in range(4):
                at_once.enter_context(database.transaction()).one("SELECT 1")
        end = """
            SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity
            WHERE datname = :name AND application_name = 'restow'
        """
        with administrator.connect() as connection:
            assert connection.execute(sa.text(end), {"name": database.name.name}).scalar_one() == 4

        for _ in range(5):
            assert ask(database, snapshot=snapshot) == 42


class Reset:
    """What a socket is after something on the way has forgotten its connection: it shows when an answer is due."""

    def write(self, _: bytes) -> None: ...

    def flush(self) -> None: ...

    def close(self) -> None: ...

    def read(self, _: int) -> bytes:
        raise ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")


@pytest.mark.parametrize("snapshot", [False, True])
def test_a_network_that_has_forgotten_all_connections_costs_one_try(anchore_database: str, *, snapshot: bool) -> None:
    with opened(anchore_database, DatabaseOptions(retries=1), connections=4) as database:
        with contextlib.ExitStack() as at_once:
            made = [at_once.enter_context(database.transaction()) for _ in range(4)]
            lost = [one._connection.connection.driver_connection for one in made]
        for one in lost:
            assert one is not None
            one._sock = Reset()

        for _ in range(5):
            assert ask(database, snapshot=snapshot) == 42


def test_an_answer_that_comes_too_late_is_nobody_else_s(anchore_database: str) -> None:
    with opened(anchore_database, DatabaseOptions(timeout=0.2, retries=0), connections=1) as database:
        with pytest.raises(DatabaseFaultError, match="timed out"):
            database.run(lambda transaction: transaction.one("SELECT 41 AS answer, pg_sleep(0.5)"))
        assert ask(database) == 42


def test_a_host_that_refuses_is_told_in_words() -> None:
    with (
        opened("postgresql://nobody@127.0.0.1:1/none", DatabaseOptions(retries=0)) as database,
        pytest.raises(DatabaseFaultError, match=r"127\.0\.0\.1:1/none does not answer: Connection refused"),
    ):
        ask(database)


def test_a_snapshot_sees_one_state_and_writes_nothing(anchore_database: str) -> None:
    count = "SELECT count(*) AS documents FROM archive_metadata"

    def write(transaction: Transaction) -> None:
        transaction.execute(
            """
            INSERT INTO archive_metadata (bucket, "archiveId", "userId", "documentName")
            VALUES ('b', 'k', 'u', 'k.json')
            """
        )

    with opened(anchore_database) as database:
        with database.transaction(snapshot=True) as look:
            assert look.one(count).documents == 0
            database.run(write)
            assert look.one(count).documents == 0
        assert database.run(lambda transaction: transaction.one(count).documents) == 1
        with pytest.raises(DeniedError):
            database.run(write, snapshot=True)
        database.run(lambda transaction: transaction.execute("DELETE FROM archive_metadata"))


@pytest.mark.skipif(sys.platform != "linux", reason="the options are Linux's")
def test_a_server_that_has_vanished_is_noticed_after_two_minutes(anchore_database: str) -> None:
    """Also while it owes an answer, for which there is no bound."""
    with opened(anchore_database) as database:
        connection = database._engine.raw_connection()
        peer: socket.socket = connection.driver_connection._usock  # type: ignore[union-attr]
        assert peer.gettimeout() is None
        assert peer.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        idle, every, times = (
            peer.getsockopt(socket.IPPROTO_TCP, option)
            for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
        )
        assert idle + every * times == 120
        assert peer.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 120_000
        connection.close()


def test_a_server_that_asks_for_a_password_which_the_url_does_not_have_denies(server_directory: Path) -> None:
    directory = server_directory / "asking" / "postgres"
    with postgres(directory):
        rules = directory / "pg_hba.conf"
        rules.write_text(f"host all asked 127.0.0.1/32 scram-sha-256\n{rules.read_text()}", encoding="utf-8")
    with (
        postgres(directory) as server,
        opened(f"postgresql://asked@127.0.0.1:{server.port}/postgres") as database,
        pytest.raises(DeniedError, match="password"),
    ):
        ask(database)


@contextlib.contextmanager
def of_version(version: str) -> Iterator[str]:
    """Give the URL of a server that lets everybody in, says its version, and answers nothing more."""

    def message(kind: bytes, content: bytes) -> bytes:
        return kind + struct.pack("!i", len(content) + 4) + content

    parameter = b"server_version\0" + version.encode() + b"\0"
    welcome = message(b"R", struct.pack("!i", 0)) + message(b"S", parameter) + message(b"Z", b"I")

    def serve(client: socket.socket) -> None:
        client.recv(1 << 12)
        client.sendall(welcome)
        while client.recv(1 << 12):
            pass

    with listening(serve) as port:
        yield f"postgresql://anchore@127.0.0.1:{port}/anchore"


@pytest.mark.parametrize("version", ["9.6.24", "11.22 (Debian 11.22-1.pgdg120+1)"])
def test_an_old_server_is_refused_before_anything_is_asked_of_it(version: str) -> None:
    with of_version(version) as url, opened(url) as database, pytest.raises(OldServerError) as refused:
        ask(database)
    assert f"PostgreSQL {version} is too old; restow needs 12 or newer" in refused.value.message
    assert refused.value.exit_code == 78
