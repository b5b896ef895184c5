"""The vendor's advisory lock ``pg_advisory_lock(2, 1)``: one migration at a time, theirs or ours.

It is a session lock: PostgreSQL drops it with the connection, so a killed run leaves none behind.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator

from schemas.errors import LockedError, RefusedError, UnreachableError
from stores.database import Database, Transaction

PATIENCE_SECONDS = 5.0
POLL_SECONDS = 0.25

HOLDER = """
    SELECT a.pid, coalesce(a.usename, '?') AS usename, coalesce(host(a.client_addr), 'local') AS client,
           coalesce(nullif(a.application_name, ''), 'no application name') AS application,
           coalesce(to_char(a.backend_start AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS'), '?') AS since
    FROM pg_locks l JOIN pg_stat_activity a USING (pid)
    WHERE l.locktype = 'advisory' AND l.classid = 2 AND l.objid = 1 AND l.objsubid = 2 AND l.granted
      AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


class MigrationLock:
    """The held lock. ``still_held`` asks the server, because a lost connection loses the lock in silence."""

    def __init__(self, session: Transaction) -> None:
        self._session = session

    def still_held(self) -> bool:
        try:
            return bool(self._session.rows(HOLDER + " AND l.pid = pg_backend_pid()"))
        except UnreachableError:
            return False


@contextlib.contextmanager
def migration_lock(database: Database, *, pause: Callable[[float], None] = time.sleep) -> Iterator[MigrationLock]:
    """Hold the lock for the block, on a connection of its own.

    Raises LockedError, which names the holder, after trying for five seconds; RefusedError behind a pooler that
    hands each statement another server connection, where a session lock means nothing.
    """
    with database.session() as session:
        _acquire(session, pause)
        lock = MigrationLock(session)
        if not lock.still_held():
            raise RefusedError(
                "the lock was granted but this connection does not hold it",
                hint="a connection pooler in transaction mode is in between; use a direct --db-connect URL",
            )
        try:
            yield lock
        finally:
            # Closing the connection gives the lock back as well, so a lost one is no fault of what was done.
            with contextlib.suppress(UnreachableError):
                session.execute("SELECT pg_advisory_unlock(2, 1)")


def holder(database: Database) -> str | None:
    """Say who holds the lock, or None when it is free; takes nothing."""
    with database.transaction() as transaction:
        return _holder(transaction)


def _acquire(session: Transaction, pause: Callable[[float], None]) -> None:
    tries = int(PATIENCE_SECONDS / POLL_SECONDS)
    for _ in range(tries):
        if session.one("SELECT pg_try_advisory_lock(2, 1) AS granted").granted:
            return
        pause(POLL_SECONDS)
    raise LockedError(
        f"another migration holds the lock: {_holder(session) or 'it has just ended'}",
        hint="wait for it to end, then run again",
    )


def _holder(session: Transaction) -> str | None:
    for row in session.rows(HOLDER):
        return (
            f"PostgreSQL process {row.pid}, user {row.usename}, from {row.client}, "
            f"{row.application}, connected since {row.since} UTC"
        )
    return None
