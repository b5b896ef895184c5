"""Puts faults between a run and PostgreSQL, at its driver: each statement and each commit is a place for one."""

from __future__ import annotations

import os
import re
import signal
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal
from unittest.mock import patch

import obstore
import pg8000.dbapi

import executor.catching_up
import executor.taking
import stores.database
import stores.lock

Kind = Literal["ended", "cut", "lost"]
"""``ended``: the server ends the connection before the statement reaches it. ``cut``: the connection breaks before.
``lost``: the server carries the statement out, and the connection breaks before the answer comes."""

COMMIT = "COMMIT"
WRITING = re.compile(r"\b(INSERT INTO|DELETE FROM|CREATE|nextval|LOCK TABLE)\b|\bUPDATE\s+\w", re.IGNORECASE)


@dataclass
class Faults:
    """The statements of this process so far, and which of them meet a fault."""

    log: int
    """Where each is written down, a line each."""
    strikes: Callable[[int, str], Kind | None]
    """Asked with number and label of each."""
    count: int = 0

    def around(self, connection: Any, label: str, send: Callable[[], Any]) -> Any:
        self.count += 1
        kind = self.strikes(self.count, label)
        os.write(self.log, f"{kind or 'well'} {label}\n".encode())
        if kind == "ended":
            _end(connection)
        if kind == "lost":
            send()
        if kind in {"cut", "lost"}:
            connection._usock.shutdown(socket.SHUT_RDWR)
        return send()


def strike_once(log: str, at: tuple[int, Kind] | None = None) -> None:
    """Meet a fault at the statement of this number, or at none."""
    _watch(log, lambda number, _: at[1] if at is not None and number == at[0] else None)


def strike_each(log: str, kind: Kind, only: str) -> None:
    """Meet a fault at every statement that ``only`` is found in, the first time that this very statement comes."""
    met: set[str] = set()

    def strikes(_number: int, label: str) -> Kind | None:
        if label in met or not re.search(only, label):
            return None
        met.add(label)
        return kind

    _watch(log, strikes)


def lose_for_good(log: str, pattern: str) -> None:
    """Lose the answer to the first statement that the pattern is found in, and reach no server from then on."""
    lost = False

    def strikes(_number: int, label: str) -> Kind | None:
        nonlocal lost
        if lost:
            return "cut"
        if not re.search(pattern, label):
            return None
        lost = True
        patch.object(socket, "create_connection", _refused).start()
        return "lost"

    _watch(log, strikes)


def _refused(*_: object, **__: object) -> socket.socket:
    raise ConnectionRefusedError("connection refused")


def stop_before(pattern: str, times: int = 1) -> None:
    """Suspend this process, as SIGSTOP does, right before a statement that the pattern is found in comes so often."""
    execute = pg8000.dbapi.Cursor.execute
    left = times

    def watched(cursor: Any, operation: str, *rest: Any, **named: Any) -> Any:
        nonlocal left
        if re.search(pattern, " ".join(operation.split())):
            left -= 1
            if left == 0:
                _suspend()
        return execute(cursor, operation, *rest, **named)

    patch.object(pg8000.dbapi.Cursor, "execute", watched).start()


def stop_after(pattern: str, times: int = 1) -> None:
    """Suspend this process right after a statement that the pattern is found in was answered so often."""
    execute = pg8000.dbapi.Cursor.execute
    left = times

    def watched(cursor: Any, operation: str, *rest: Any, **named: Any) -> Any:
        nonlocal left
        answer = execute(cursor, operation, *rest, **named)
        if re.search(pattern, " ".join(operation.split())):
            left -= 1
            if left == 0:
                _suspend()
        return answer

    patch.object(pg8000.dbapi.Cursor, "execute", watched).start()


def stop_before_a_put() -> None:
    """Suspend this process right before the first payload of a document goes to S3."""
    put = obstore.put
    stopped = False

    def watched(store: Any, key: str, *rest: Any, **named: Any) -> Any:
        nonlocal stopped
        if not stopped and "restow_probe" not in key:
            stopped = True
            _suspend()
        return put(store, key, *rest, **named)

    patch.object(obstore, "put", watched).start()


def _suspend() -> None:
    # To this very thread, which so does not get any further; with the process as the target it may, for a while.
    signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)


def hurry() -> None:
    """Wait but shortly: for whom is in the way, and before each new try."""
    patch.object(stores.lock, "TRIES", 2).start()
    patch.object(stores.database, "BACKOFF_SECONDS", 0.001).start()
    patch.object(executor.taking, "CLAIM_TIMEOUT", "100ms").start()
    patch.object(executor.catching_up, "PAUSE_SECONDS", 0.001).start()


def _watch(log: str, strikes: Callable[[int, str], Kind | None]) -> None:
    # What is tested is that a fault is outlived, not how long the program waits for that.
    patch.object(stores.database, "BACKOFF_SECONDS", 0.001).start()
    faults = Faults(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), strikes)
    execute, commit = pg8000.dbapi.Cursor.execute, pg8000.dbapi.Connection.commit
    written: dict[int, str] = {}
    """What each connection has to commit."""

    def watched_execute(cursor: Any, operation: str, *rest: Any, **named: Any) -> Any:
        label = " ".join(operation.split())
        connection = cursor._c
        if not connection._in_transaction:
            written.pop(id(connection), None)
        if WRITING.search(operation):
            written.setdefault(id(connection), label)
        return faults.around(connection, label, lambda: execute(cursor, operation, *rest, **named))

    def watched_commit(connection: Any) -> None:
        label = f"{COMMIT} of {written[id(connection)]}" if id(connection) in written else f"{COMMIT} of nothing"
        faults.around(connection, label, lambda: commit(connection))

    patch.object(pg8000.dbapi.Cursor, "execute", watched_execute).start()
    patch.object(pg8000.dbapi.Connection, "commit", watched_commit).start()


def _end(connection: Any) -> None:
    """Let the server end a connection, as an administrator does, and wait until it has."""
    (pid,) = struct.unpack("!i", connection._backend_key_data[:4])
    host, port = connection._usock.getpeername()[:2]
    with patch.object(pg8000.dbapi.Cursor, "execute", _PLAIN_EXECUTE):
        other = pg8000.dbapi.connect(user="postgres", host=host, port=port, database="postgres")
        other.autocommit = True
        other.cursor().execute(f"SELECT pg_terminate_backend({pid}, 5000)")
        other.close()


_PLAIN_EXECUTE = pg8000.dbapi.Cursor.execute
