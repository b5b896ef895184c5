"""The vendor's advisory lock ``pg_advisory_lock(2, 1)``: one migration at a time, theirs or ours.

It is a session lock: PostgreSQL drops it with the connection, so a killed run leaves none behind. A run that lives on
without it is what the fence is for (``executor/fence.py``).
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator

from schemas.errors import DeniedError, DocumentsFailedError, LockedError, RefusedError, UnreachableError
from stores.database import Database, Transaction

PATIENCE_SECONDS = 5.0
POLL_SECONDS = 0.25
TRIES = int(PATIENCE_SECONDS / POLL_SECONDS)

ADVISORY = "l.locktype = 'advisory' AND l.classid = 2 AND l.objid = 1 AND l.objsubid = 2"
# Who reads only, as status does, is none of them.
ON_ROUNDS = "l.relation = to_regclass('restow.round') AND l.mode <> 'AccessShareLock' AND l.pid <> pg_backend_pid()"
HOLDER = """
    SELECT a.pid, coalesce(a.usename, '?') AS usename, coalesce(host(a.client_addr), 'local') AS client,
           coalesce(nullif(a.application_name, ''), 'no application name') AS application,
           coalesce(to_char(a.backend_start AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS'), '?') AS since
    FROM pg_locks l JOIN pg_stat_activity a USING (pid)
    WHERE l.granted AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND """


class MigrationLock:
    """The held lock. ``still_held`` asks the server, because a lost connection loses the lock in silence."""

    def __init__(self, session: Transaction) -> None:
        self._session = session

    def still_held(self) -> bool:
        try:
            return _holds(self._session)
        except UnreachableError:
            return False

    def require(self, so_far: str) -> None:
        """Raise DocumentsFailedError, which says what was done ``so_far``, when the lock is lost."""
        if not self.still_held():
            raise DocumentsFailedError(
                f"the migration lock was lost with its connection to the database; {so_far}",
                hint="run the same command again",
            )


@contextlib.contextmanager
def migration_lock(database: Database, *, pause: Callable[[float], None] = time.sleep) -> Iterator[MigrationLock]:
    """Hold the lock for the block, on a connection of its own.

    Raises LockedError, which names the holder, after trying for five seconds, also while a transaction of a run that
    was killed, or lost the lock, is still at work on the journal's rounds; RefusedError behind a pooler that hands each
    statement another server connection, where a session lock means nothing; DeniedError when nothing can be written to
    this database; UnreachableError.
    """
    with contextlib.ExitStack() as stack:
        session = database.retried(lambda: _granted(database, stack, pause))
        try:
            yield MigrationLock(session)
        finally:
            # Closing the connection gives the lock back as well, so a lost one is no fault of what was done.
            with contextlib.suppress(UnreachableError):
                session.execute("SELECT pg_advisory_unlock(2, 1)")


def holder(database: Database) -> str | None:
    """Say who holds the lock, or None when it is free; takes nothing. Raises as ``migration_lock`` does."""

    def look() -> str | None:
        with database.session() as session:
            _refuse_read_only(session)
            _refuse_pooler(database, session)
            return _first(session, ADVISORY)

    return database.retried(look)


def still_at_work(who: str | None) -> LockedError:
    """Return the error that says so of another run's transaction."""
    return LockedError(
        f"a transaction of another run is still at work{f': {who}' if who else ''}",
        hint="end that run if it lives; else PostgreSQL soon notices that it is gone; then run again",
    )


def _granted(database: Database, stack: contextlib.ExitStack, pause: Callable[[float], None]) -> Transaction:
    """Return a session that holds the lock; ``stack`` closes it."""
    with contextlib.ExitStack() as opened:
        session = opened.enter_context(database.session())
        _refuse_read_only(session)
        _refuse_pooler(database, session)
        # It is idle for as long as the longest stage takes; 14 is the first version that minds.
        session.rows("SELECT set_config(name, '0', FALSE) FROM pg_settings WHERE name = 'idle_session_timeout'")
        _acquire(session, pause)
        if not _holds(session):
            raise _pooled(database)
        _outlive(session, pause)
        stack.push(opened.pop_all())
    return session


def _refuse_read_only(session: Transaction) -> None:
    asked = "SELECT current_setting('transaction_read_only') = 'on' AS closed, pg_is_in_recovery() AS standby"
    found = session.one(asked)
    if found.closed:
        name = session.one("SELECT current_database() AS name").name
        why = "it is a standby" if found.standby else "default_transaction_read_only is on"
        raise DeniedError(
            f"nothing can be written to the database {name}: {why}",
            hint="connect to the primary, and to a database that may be written",
        )


def _refuse_pooler(database: Database, session: Transaction) -> None:
    """Raise RefusedError when statements of this session are not all answered by the same server process.

    While another transaction is open, a process of its own answers each connection, unless a pooler lends them out.
    """
    own = _process(session)
    with database.transaction() as other:
        lent = _process(other) == own or _process(session) != own
    if lent:
        raise _pooled(database)


def _process(session: Transaction) -> int:
    return int(session.one("SELECT pg_backend_pid() AS pid").pid)


def _pooled(database: Database) -> RefusedError:
    name = database.name
    return RefusedError(
        f"database {name.host}:{name.port}/{name.name}: a pooler lends each transaction a connection, so no lock holds",
        hint="give --db-connect a URL that leads to PostgreSQL itself, or to a pool in session mode",
    )


def _acquire(session: Transaction, pause: Callable[[float], None]) -> None:
    for _ in range(TRIES):
        if session.one("SELECT pg_try_advisory_lock(2, 1) AS granted").granted:
            return
        pause(POLL_SECONDS)
    raise LockedError(
        f"another migration holds the lock: {_first(session, ADVISORY) or 'it has just ended'}",
        hint="wait for it to end, then run again",
    )


def _outlive(session: Transaction, pause: Callable[[float], None]) -> None:
    """Wait for what a killed run has left behind: what is seen from now on is not changed by it any more."""
    for _ in range(TRIES):
        if _first(session, ON_ROUNDS) is None:
            return
        pause(POLL_SECONDS)
    raise still_at_work(_first(session, ON_ROUNDS))


def _holds(session: Transaction) -> bool:
    return bool(session.rows(f"{HOLDER} {ADVISORY} AND l.pid = pg_backend_pid()"))


def _first(session: Transaction, condition: str) -> str | None:
    for row in session.rows(HOLDER + condition):
        return (
            f"PostgreSQL process {row.pid}, user {row.usename}, from {row.client}, "
            f"{row.application}, connected since {row.since} UTC"
        )
    return None
