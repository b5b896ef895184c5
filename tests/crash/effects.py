"""Counts what a run does to the outside, and ends or stops the process before or after one of these effects.

It sits where the program hands over to others: PostgreSQL's driver, both S3 clients, the operating system. So a batch
is as many effects as it has statements, requests and files, and what is written before a rename is seen as well.
"""

from __future__ import annotations

import itertools
import os
import re
import signal
import stat
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from unittest.mock import patch

import botocore.client
import obstore
import pg8000.dbapi

Side = Literal["before", "after"]

KILLED = 137
WRITING = re.compile(r"\b(INSERT INTO|DELETE FROM|CREATE|TRUNCATE|nextval)\b|\bUPDATE\s+\w", re.IGNORECASE)
"""Locks are none: they go with the process."""
RANDOM_TAIL = re.compile(r"(/\.restow-)\w+$")


@dataclass
class Effects:
    """The effects of this process so far, of whichever thread."""

    log: int
    """Where each is written down before it happens, a line each."""
    die: tuple[int, Side] | None
    halt: bool
    """Whether to stop there, all threads in the middle of what they do, for somebody outside to kill."""
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @contextmanager
    def one(self, label: str) -> Iterator[None]:
        number = next(self._numbers)
        os.write(self.log, f"{label}\n".encode())
        self._die(number, "before")
        try:
            yield
        finally:
            # An effect that was refused may have happened all the same.
            self._die(number, "after")

    def _die(self, number: int, side: Side) -> None:
        if self.die != (number, side):
            return
        if self.halt:
            os.kill(os.getpid(), signal.SIGSTOP)
            # Another thread may be the first to hear of it.
            threading.Event().wait()
        os._exit(KILLED)


def rig(log: str, die: tuple[int, Side] | None, directories: Sequence[str], *, halt: bool = False) -> None:
    """Write down everything that this process does from now on, and to files below ``directories``; die at ``die``.

    ``halt``: be stopped there, to be killed by another process.
    """
    # What came as JSON is a list.
    at = None if die is None else (die[0], die[1])
    effects = Effects(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), at, halt)
    _watch_postgres(effects)
    _watch_s3(effects)
    _watch_files(effects, [Path(directory) for directory in directories])


def _watch_postgres(effects: Effects) -> None:
    execute, commit, rollback = (
        pg8000.dbapi.Cursor.execute,
        pg8000.dbapi.Connection.commit,
        pg8000.dbapi.Connection.rollback,
    )
    written: set[int] = set()
    """Connections with something to commit."""

    def watched_execute(cursor: Any, operation: str, *rest: Any, **named: Any) -> Any:
        writes = WRITING.search(operation)
        if writes is None:
            return execute(cursor, operation, *rest, **named)
        written.add(id(cursor.connection))
        with effects.one(" ".join(operation[writes.start() :].split())[:60]):
            return execute(cursor, operation, *rest, **named)

    def watched_commit(connection: Any) -> None:
        if id(connection) not in written:
            commit(connection)
            return
        written.discard(id(connection))
        with effects.one("COMMIT"):
            commit(connection)

    def watched_rollback(connection: Any) -> None:
        written.discard(id(connection))
        rollback(connection)

    patch.object(pg8000.dbapi.Cursor, "execute", watched_execute).start()
    patch.object(pg8000.dbapi.Connection, "commit", watched_commit).start()
    patch.object(pg8000.dbapi.Connection, "rollback", watched_rollback).start()


def _watch_s3(effects: Effects) -> None:
    put, copy = obstore.put, obstore.copy
    call = botocore.client.BaseClient._make_api_call  # type: ignore[attr-defined]  # the stubs leave it out

    def watched_put(store: Any, key: str, *rest: Any, **named: Any) -> Any:
        with effects.one(f"PUT {key}"):
            return put(store, key, *rest, **named)

    def watched_copy(store: Any, key: str, target: str, **named: Any) -> Any:
        with effects.one(f"COPY {target}"):
            return copy(store, key, target, **named)

    def watched_call(client: Any, operation: str, parameters: dict[str, Any]) -> Any:
        if operation.startswith(("Get", "Head", "List")):
            return call(client, operation, parameters)
        with effects.one(f"{operation} {parameters.get('Key', '')}"):
            return call(client, operation, parameters)

    patch.object(obstore, "put", watched_put).start()
    patch.object(obstore, "copy", watched_copy).start()
    patch.object(botocore.client.BaseClient, "_make_api_call", watched_call).start()


def _watch_files(effects: Effects, directories: Sequence[Path]) -> None:
    def watched(name: str, changes: Callable[..., str | None]) -> None:
        """Count calls of ``os.name`` for which ``changes`` gives the path that they change."""
        original = getattr(os, name)

        def call(*asked: Any, **named: Any) -> Any:
            path = changes(*asked)
            if path is None or not any(Path(path).is_relative_to(directory) for directory in directories):
                return original(*asked, **named)
            told = RANDOM_TAIL.sub(r"\1…", path)
            with effects.one(f"{name} {told}"):
                return original(*asked, **named)

        patch.object(os, name, call).start()

    watched("mkdir", lambda path, *_: None if Path(path).exists() else str(path))
    watched("rmdir", lambda path, *_: str(path) if Path(path).is_dir() and not os.listdir(path) else None)  # noqa: PTH208
    watched("unlink", lambda path, *_: str(path) if os.path.lexists(path) else None)
    watched("open", lambda path, flags, *_: str(path) if flags & os.O_CREAT else None)
    watched("replace", lambda path, *_: str(path))
    watched("fsync", _file_of)


def _file_of(handle: int) -> str | None:
    """Return the path of an open file, for then its bytes are written; nobody sees the syncing of a folder."""
    return str(Path(f"/proc/self/fd/{handle}").readlink()) if stat.S_ISREG(os.fstat(handle).st_mode) else None
