"""Anchore's PostgreSQL: connections, transactions, retries, and the border where driver errors become ours.

Callers write plain SQL with named parameters; no other room sees SQLAlchemy. Values reach the server as parameters
only, and errors never carry them (``hide_parameters``).
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import random
import re
import socket
import ssl
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pg8000.dbapi
import sqlalchemy as sa
from pydantic import SecretStr

from schemas.errors import ConfigError, DeniedError, RestowError, UnreachableError
from stores.binary_copy import BinaryRows, Values
from stores.database_tls import encrypted, tls_context
from stores.database_url import DatabaseUrl, parse_url

T = TypeVar("T")

BACKOFF_SECONDS = 0.2
BACKOFF_CEILING_SECONDS = 5.0

SILENCE_SECONDS = 60
"""After which a server that says nothing is asked whether it is there; a host that has vanished is given up twice as
late, also while it owes the answer to a statement that takes hours."""
PROBE_SECONDS = 10
PROBES = 6

OLDEST_VERSION = 12
"""Of PostgreSQL; the statements are tested from this one on."""

# SQLSTATE, https://www.postgresql.org/docs/current/errcodes-appendix.html
DENIED = ("28", "42501", "25006")
PASSING = ("08", "53", "57P", "57014", "40001", "40P01", "25P03", "25P04")
UNKNOWN_DATABASE = "3D000"
LOCK_TIMEOUT = "55P03"
UNDEFINED = ("42P01", "42703")
NEXT_STEP = {
    "28000": "check user, password and grants of the database URL; a server that wants encryption needs --db-use-ssl",
    "25006": "connect to the primary, and to a database that may be written",
    "53100": "free space on the database server, then run again",
    "53300": "wait until other connections end, or allow this database more of them, then run again",
    "57014": "if nobody cancelled it by hand, raise statement_timeout for this role; then run again",
    "25P03": "raise idle_in_transaction_session_timeout for this role, then run again",
}


class DatabaseFaultError(UnreachableError):
    """PostgreSQL does not answer, or gives up a transaction that may well succeed the next time."""


class LockTimeoutError(DatabaseFaultError):
    """A lock was not granted within ``lock_timeout``."""


class NotAnchoreError(ConfigError):
    """A table or column of Anchore's is missing: the URL names another database."""


class OldServerError(ConfigError):
    """The server is older than the statements that restow sends."""


@dataclass(frozen=True)
class DatabaseOptions:
    """The global ``--db-…`` options, already merged with ``db_connect_args``. Times in seconds."""

    use_ssl: bool = False
    ca_file: Path | None = None
    timeout: float | None = None
    """Bound on the wait for any one reply of the server."""
    connect_timeout: float = 30.0
    retries: int = 3


class Transaction:
    """Statements on one connection. Not thread-safe; lives as long as its ``with`` block.

    Each raises UnreachableError, DeniedError, LockTimeoutError or NotAnchoreError.
    """

    def __init__(self, connection: sa.Connection, where: str) -> None:
        self._connection = connection
        self._where = where

    def rows(self, sql: str, /, **params: object) -> Sequence[Any]:
        """Return all rows; columns are attributes of a row."""
        with _translated(self._where):
            return self._connection.execute(sa.text(sql), params).all()

    def one(self, sql: str, /, **params: object) -> Any:
        """Return the only row. Raises when there is none or more than one: a bug, not a condition."""
        with _translated(self._where):
            return self._connection.execute(sa.text(sql), params).one()

    def execute(self, sql: str, /, **params: object) -> int:
        """Return the number of rows that the statement touched."""
        with _translated(self._where):
            return self._connection.execute(sa.text(sql), params).rowcount

    def copy_out(self, query: str, /, **settings: str) -> list[Values]:
        """Return all rows of a query with their values in PostgreSQL's binary format, text in UTF-8.

        It takes no parameters, but ``current_setting('restow.…')`` gives it these, as long as the transaction lasts.
        """
        for name, value in settings.items():
            self.rows("SELECT set_config(:name, :value, TRUE)", name=f"restow.{name}", value=value)
        received = BinaryRows()
        with _translated(self._where), contextlib.closing(self._connection.connection.cursor()) as cursor:
            # An extension of the database driver's, which SQLAlchemy does not know.
            cursor.execute(f"COPY ({query}) TO STDOUT (FORMAT binary)", stream=received)  # type: ignore[call-arg]
        return received.rows


class Database:
    """One Anchore database. Thread-safe; connections are pooled up to ``connections``."""

    def __init__(self, url: SecretStr, options: DatabaseOptions, *, connections: int = 4) -> None:
        """Open no connection yet. Raises ConfigError for a URL that cannot be read, or not be followed to the full."""
        parsed = parse_url(url)
        tls = tls_context(parsed, use_ssl=options.use_ssl, authority=options.ca_file)
        self.name = parsed.name
        self._where = parsed.where
        self._options = options
        self._engine = sa.create_engine(
            "postgresql+pg8000://",
            creator=lambda: _connect(parsed, options, tls),
            pool_size=connections,
            max_overflow=1,
            pool_timeout=600,
            hide_parameters=True,
        )
        sa.event.listen(self._engine, "handle_error", _drop_what_is_lost)
        # A connection that cannot even be closed is a page of trace to it; what failed is told once, by us.
        logging.getLogger("sqlalchemy.pool").setLevel(logging.CRITICAL)
        unbounded = dataclasses.replace(options, timeout=None)
        self._patient_engine = sa.create_engine(
            "postgresql+pg8000://",
            creator=lambda: _connect(parsed, unbounded, tls),
            poolclass=sa.NullPool,
            hide_parameters=True,
        )

    @contextlib.contextmanager
    def transaction(self, *, snapshot: bool = False, patient: bool = False) -> Iterator[Transaction]:
        """Open one transaction; commit at the end of the block, roll back when an exception leaves it.

        ``snapshot`` makes it REPEATABLE READ and read-only: all statements see the same state and none can write.
        ``patient`` sets no bound on the wait for a reply: for the one statement over all rows, which takes as long as
        it takes. Raises UnreachableError, DeniedError, LockTimeoutError or NotAnchoreError.
        """
        with self._connected(self._patient_engine if patient else self._engine) as connection:
            with _translated(self._where):
                begun = connection.begin()
                if snapshot:
                    connection.execute(sa.text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
            try:
                yield Transaction(connection, self._where)
            except BaseException:
                with contextlib.suppress(RestowError), _translated(self._where):
                    begun.rollback()
                raise
            with _translated(self._where):
                begun.commit()

    @contextlib.contextmanager
    def session(self) -> Iterator[Transaction]:
        """Open a connection outside the pool in autocommit mode, for a session-level lock."""
        with self._connected(self._engine) as connection:
            with _translated(self._where):
                connection.execution_options(isolation_level="AUTOCOMMIT")
                connection.detach()
            yield Transaction(connection, self._where)

    def run(self, work: Callable[[Transaction], T], *, snapshot: bool = False) -> T:
        """Run ``work`` in a transaction, and again after a passing fault.

        ``work`` must be safe to run twice, even if it was committed: the reply to the commit may be what was lost.
        """

        def attempt() -> T:
            with self.transaction(snapshot=snapshot) as transaction:
                return work(transaction)

        return self.retried(attempt)

    def retried(self, attempt: Callable[[], T]) -> T:
        """Return what ``attempt`` returns, which is called again after a passing fault, as often as the options say.

        Faults of a store that it uses are passed on: the store has tried again itself.
        """
        for number in range(self._options.retries):
            try:
                return attempt()
            except DatabaseFaultError:
                time.sleep(_backoff(number))
        return attempt()

    def close(self) -> None:
        self._engine.dispose()
        self._patient_engine.dispose()

    @contextlib.contextmanager
    def _connected(self, engine: sa.Engine) -> Iterator[sa.Connection]:
        with _translated(self._where):
            connection = engine.connect()
        try:
            yield connection
        finally:
            # A connection that is lost cannot be given back in order; what was done with it is known by now.
            with contextlib.suppress(RestowError), _translated(self._where):
                connection.close()


def _drop_what_is_lost(context: sa.engine.ExceptionContext) -> None:
    # After a restart of the server all pooled connections are dead: one that fails tells for those made before it.
    if isinstance(context.original_exception, OSError | pg8000.dbapi.InterfaceError):
        context.is_disconnect = True


@contextlib.contextmanager
def _translated(where: str) -> Iterator[None]:
    try:
        yield
    except sa.exc.DBAPIError as error:
        raise _translate(error.orig, where) from error
    except (pg8000.dbapi.Error, OSError) as error:
        raise _translate(error, where) from error
    except (sa.exc.PendingRollbackError, sa.exc.ResourceClosedError) as error:
        raise DatabaseFaultError(f"database {where}: the connection was lost", hint="run again") from error
    except sa.exc.TimeoutError as error:
        raise DatabaseFaultError(f"database {where}: no free connection") from error


def _connect(url: DatabaseUrl, options: DatabaseOptions, tls: ssl.SSLContext | None) -> pg8000.dbapi.Connection:
    name = url.name
    # The socket is made here because pg8000 has one timeout for both the connect and each reply.
    connection = socket.create_connection((name.host, name.port), options.connect_timeout)
    _watch_the_peer(connection)
    # pg8000 sends a statement and its values in several writes; without this each waits for the server's ACK.
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        if tls is not None:
            connection = encrypted(connection, tls, url)
        made = pg8000.dbapi.connect(
            user=url.user,
            # A server that asks for one and gets none says so; pg8000 cannot.
            password="" if url.password is None else url.password.get_secret_value(),
            host=name.host,
            port=name.port,
            database=name.name,
            sock=connection,
            ssl_context=False,
            application_name="restow",
            # Whatever the database, or the role, has for a default: names and payloads may hold any character.
            startup_params={"client_encoding": "UTF8"},
        )
    except BaseException:
        connection.close()
        raise
    connection.settimeout(options.timeout)
    version = str(made.parameter_statuses.get("server_version", ""))
    if _is_old(version):
        made.close()
        raise OldServerError(
            f"database {url.where}: PostgreSQL {version} is too old; restow needs {OLDEST_VERSION} or newer",
            hint="upgrade the database server first; nothing was written",
        )
    return made


def _is_old(version: str) -> bool:
    major = re.match(r"\d+", version)
    return major is not None and int(major[0]) < OLDEST_VERSION


def _watch_the_peer(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if sys.platform == "linux":
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, SILENCE_SECONDS)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, PROBE_SECONDS)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, PROBES)
        milliseconds = 1000 * (SILENCE_SECONDS + PROBE_SECONDS * PROBES)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)


def _translate(error: BaseException | None, where: str) -> RestowError:
    """Turn a driver error into one of ours; the text is PostgreSQL's own message, never the statement or its values."""
    detail = error.args[0] if error is not None and error.args else error
    if isinstance(error, OSError):
        detail = error.strerror or error
    if not isinstance(detail, dict):
        return DatabaseFaultError(
            f"database {where} does not answer: {detail}", hint="check host, port and network, then run again"
        )
    state, message = str(detail.get("C", "")), str(detail.get("M", ""))
    said = f"database {where}: {message} (SQLSTATE {state})"
    next_step = NEXT_STEP.get(state)
    if state.startswith(DENIED):
        return DeniedError(said, hint=next_step or "check user, password and grants of the database URL")
    if state == UNKNOWN_DATABASE:
        return UnreachableError(said, hint="check the database name in the URL")
    if state == LOCK_TIMEOUT:
        return LockTimeoutError(said, hint="another session holds the table; run again")
    if state in UNDEFINED:
        return NotAnchoreError(said, hint="this does not look like an Anchore database; check the URL")
    if state.startswith(PASSING):
        return DatabaseFaultError(said, hint=next_step or "run again")
    return RestowError(said)


def _backoff(attempt: int) -> float:
    return random.uniform(0.5, 1.0) * min(BACKOFF_CEILING_SECONDS, BACKOFF_SECONDS * 2.0**attempt)  # noqa: S311 - jitter
