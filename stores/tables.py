"""Payloads in a table of Anchore's own database: what the drivers ``db`` and ``db2`` do alike.

PostgreSQL itself computes size and digest of what it holds. A batch is one statement; its names travel in one JSON
parameter, payloads in parameters of their own.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from schemas.backend import Backend, Db2Location, DbLocation
from schemas.errors import ConfigError, DeniedError, RestowError, UnreachableError
from stores.addresses import TableAddress, table_address
from stores.batches import cut
from stores.binary_copy import integer
from stores.database import Database, LockTimeoutError, Transaction
from stores.interface import Absent, Fault, Reason, Stat
from stores.locations import Sql, scheme
from stores.payload import md5_hex
from stores.pieces import LARGE_BYTES, SqlType, read_in_pieces, send_in_pieces

T = TypeVar("T")
A = TypeVar("A")

STATEMENT_BYTES = 16 << 20
"""Payload bytes, as they travel, that go into one INSERT; a larger payload goes alone."""
STATEMENT_ROWS = 500
LARGEST_VALUE = (1 << 30) - (1 << 20)
"""Bytes. PostgreSQL takes no value and no message of 1 GiB; the rest is for the names beside it."""

TRUE = b"\x01"
"""As binary COPY sends it."""
ASKED = "jsonb_to_recordset(CAST(:asked AS jsonb)) AS q(n int, user_id text, bucket text, key text, b64 boolean)"
ASKED_OF_COPY = ASKED.replace(":asked", "current_setting('restow.asked')")
NOW = "floor(extract(epoch FROM now()))::int"


@dataclass(frozen=True, slots=True)
class Held:
    """A payload as its row holds it."""

    value: str | bytes | Callable[[], Iterator[str | bytes]]
    """What is long is made piece by piece."""
    size: int
    """Bytes that it takes on its way to PostgreSQL."""
    b64_encoded: bool = False


@dataclass(frozen=True, slots=True)
class Form:
    """How one table holds payloads.

    Each statement takes its batch from ``ASKED``, ``read`` from ``ASKED_OF_COPY``: it gives ``n``, ``b64_encoded``, the
    column's length in bytes and, unless that is more than it was made for, what it held; ``piece`` gives what it
    ``held`` from ``start`` on, ``count`` characters or bytes, of one payload; ``stat`` gives ``n``, ``size`` and
    ``md5``; ``insert``, made for a list of payloads ``p``, each with its ``n``, gives ``user_id``, ``bucket``, ``key``,
    ``size`` and ``md5`` of what is stored then. A row of the table is ``d``.
    """

    table: str
    column: str
    sql_type: SqlType
    """Of the column, as payloads are sent."""
    url: str
    """The URL that names a row's payload."""
    read: Callable[[int], str]
    piece: str
    stat: str
    delete: str
    insert: Callable[[str], str]
    held: Callable[[bytes], Held]
    payload: Callable[[bytes, bool], bytes | Fault]
    """From what the column held, text in UTF-8, and ``b64_encoded``."""


class TableStore:
    """One table of one database. Thread-safe; each call takes a connection of the database's pool."""

    def __init__(self, database: Database, location: DbLocation | Db2Location, form: Form) -> None:
        self._database = database
        self._backend = Backend(location=location)
        self._scheme = scheme(location)
        self._form = form
        self._empty = Fault(Reason.CORRUPT, f"its row in {form.table} has no {form.column}")

    @property
    def backend(self) -> Backend:
        return self._backend

    def check_access(self) -> None:
        """Look whether the table is there and may be read.

        Raises NotAnchoreError, DeniedError or UnreachableError.
        """
        table = self._form.table
        question = f"SELECT has_table_privilege('{table}', 'SELECT') AS may"
        if not self._database.run(lambda transaction: transaction.one(question).may, snapshot=True):
            raise DeniedError(
                f"the database role may not read the table {table}",
                hint=f"use the role that Anchore uses, or GRANT SELECT ON {table}",
            )

    def prepare(self) -> None:
        """Do nothing: Anchore itself makes its tables."""

    def refuse_foreign(self) -> None:
        """Do nothing: what else is there does not matter to Anchore."""

    def prove_digests(self, url: str) -> bool:  # noqa: ARG002 - nothing has to be tried
        """Say True: the digests are PostgreSQL's own MD5."""
        return True

    def read(self, urls: Sequence[str]) -> list[bytes | Absent | Fault]:
        return _each(self._read, self._addresses(urls), refused)

    def stat(self, urls: Sequence[str]) -> list[Stat | Absent | Fault]:
        return _each(self._stat, self._addresses(urls), self._stat_by_reading)

    def overview(self, urls: Sequence[str]) -> list[Stat | Absent | Fault]:
        return self.stat(urls)

    def write(self, items: Sequence[tuple[str, bytes]]) -> list[Stat | Fault]:
        answers: list[Stat | Fault] = []
        made = (self._item(url, payload) for url, payload in items)
        for part in cut(made, _size, documents=STATEMENT_ROWS, size=STATEMENT_BYTES):
            answers += _each(self._write, part, refused)
        return answers

    def delete(self, urls: Sequence[str]) -> list[Fault | None]:
        return _each(self._delete, self._addresses(urls), refused)

    @property
    def table(self) -> str:
        return self._form.table

    def holds_only(self, transaction: Transaction, urls: Sql) -> bool:
        """Whether the table has rows, and each is named by the query ``urls`` of one column ``url``."""
        found = transaction.one(
            f"""
            SELECT EXISTS (SELECT FROM {self.table}) AND NOT EXISTS (
                SELECT FROM {self.table} d LEFT JOIN ({urls.text}) s ON s.url = {self._form.url} WHERE s.url IS NULL
            ) AS only
            """,
            **urls.params,
        )
        return bool(found.only)

    def empty(self, transaction: Transaction, urls: Sql) -> bool:
        """Delete all rows and give their space back, if the table ``holds_only`` these under its lock; say whether.

        Raises LockTimeoutError when somebody uses the table, DeniedError without the right to.
        """
        transaction.execute(f"LOCK TABLE {self.table} IN ACCESS EXCLUSIVE MODE")
        only = self.holds_only(transaction, urls)
        if only:
            transaction.execute(f"TRUNCATE TABLE {self.table}")
        return only

    def close(self) -> None:
        """Do nothing: the connections are the database's."""

    def _addresses(self, urls: Sequence[str]) -> list[TableAddress | Fault]:
        return [table_address(url, self._scheme) for url in urls]

    def _item(self, url: str, payload: bytes) -> _Item | Fault:
        address = table_address(url, self._scheme)
        if isinstance(address, Fault):
            return address
        held = self._form.held(payload)
        if held.size > LARGEST_VALUE:
            too_long = f"{held.size} bytes on the way to PostgreSQL, which takes no more than {LARGEST_VALUE}"
            return Fault(Reason.REFUSED, too_long)
        return _Item(address, held)

    def _read(self, addresses: Sequence[TableAddress]) -> list[bytes | Absent | Fault]:
        def work(transaction: Transaction) -> dict[int, bytes | Fault]:
            rows = transaction.copy_out(self._form.read(LARGE_BYTES), asked=_json(addresses))
            numbered = [(integer(n), values) for n, *values in rows]
            return {n: self._payload(transaction, addresses[n], *values) for n, values in numbered}

        found = self._database.run(work, snapshot=True)
        return [found.get(n, Absent()) for n in range(len(addresses))]

    def _payload(
        self,
        transaction: Transaction,
        address: TableAddress,
        b64_encoded: bytes | None,
        length: bytes | None,
        held: bytes | None,
    ) -> bytes | Fault:
        if length is None:
            return self._empty
        if held is not None:
            return self._form.payload(held, b64_encoded == TRUE)
        asked = _json([address])

        def piece(start: int, count: int) -> str | bytes:
            held: str | bytes = transaction.one(self._form.piece, asked=asked, start=start, count=count).held
            return held

        return self._form.payload(read_in_pieces(piece), b64_encoded == TRUE)

    def _stat(self, addresses: Sequence[TableAddress]) -> list[Stat | Absent | Fault]:
        found = {row.n: self._stat_of(row) for row in self._rows(self._form.stat, addresses)}
        return [found.get(n, Absent()) for n in range(len(addresses))]

    def _stat_of(self, row: Any) -> Stat | Fault:
        return self._empty if row.md5 is None else Stat(size=row.size, md5=row.md5)

    def _stat_by_reading(self, address: TableAddress, _: RestowError) -> Stat | Absent | Fault:
        # PostgreSQL rejects base64 that Python, and so Anchore, may still read.
        (payload,) = _each(self._read, [address], refused)
        return Stat(size=len(payload), md5=md5_hex(payload)) if isinstance(payload, bytes) else payload

    def _rows(self, sql: str, addresses: Sequence[TableAddress]) -> Sequence[Any]:
        asked = _json(addresses)
        return self._database.run(lambda transaction: transaction.rows(sql, asked=asked), snapshot=True)

    def _write(self, items: Sequence[_Item]) -> list[Stat | Fault]:
        asked = _json([item.address for item in items], [item.held.b64_encoded for item in items])
        values = {f"p{n}": item.held.value for n, item in enumerate(items)}

        def work(transaction: Transaction) -> Sequence[Any]:
            # What is long is in a batch alone.
            value = items[0].held.value
            if callable(value):
                sent = send_in_pieces(transaction, self._form.sql_type, value())
                return transaction.rows(self._form.insert(sent), asked=asked)
            return transaction.rows(self._form.insert(_values(len(items), self._form.sql_type)), asked=asked, **values)

        rows = self._database.run(work)
        stored = {TableAddress(row.user_id, row.bucket, row.key): self._stat_of(row) for row in rows}
        # A trigger may have taken a row away without a word.
        dropped = Fault(Reason.NOT_STORED, "PostgreSQL took the row and stored none")
        return [stored.get(item.address, dropped) for item in items]

    def _delete(self, addresses: Sequence[TableAddress]) -> list[Fault | None]:
        asked = _json(addresses)
        self._database.run(lambda transaction: transaction.execute(self._form.delete, asked=asked))
        return [None] * len(addresses)


def _values(count: int, sql_type: SqlType) -> str:
    """Return the list of ``count`` payloads for a FROM clause: the parameters ``p0`` and so on, each with its ``n``."""
    rows = ", ".join(f"({n}, CAST(:p{n} AS {sql_type}))" for n in range(count))
    return f"(VALUES {rows}) AS p(n, payload)"


@dataclass(frozen=True, slots=True)
class _Item:
    address: TableAddress
    held: Held


def _each(
    work: Callable[[Sequence[T]], list[A]], asked: Sequence[T | Fault], alone: Callable[[T, RestowError], A]
) -> list[A | Fault]:
    """Answer the faults with themselves and the rest by ``work``.

    Where PostgreSQL rejects a payload by itself, ``alone`` answers for it.
    """
    sound = [one for one in asked if not isinstance(one, Fault)]
    answers = iter(narrowing(work, sound, alone))
    return [one if isinstance(one, Fault) else next(answers) for one in asked]


def narrowing(
    work: Callable[[Sequence[T]], list[A]], asked: Sequence[T], alone: Callable[[T, RestowError], A]
) -> list[A]:
    """Answer a batch by ``work``, and where PostgreSQL rejects it as a whole, half by half.

    ``alone`` answers for those that it rejects by themselves too. Raises UnreachableError, DeniedError or ConfigError,
    which say nothing about a single payload.
    """
    try:
        return work(asked) if asked else []
    except (UnreachableError, DeniedError, ConfigError, LockTimeoutError):
        raise
    except RestowError as error:
        if len(asked) == 1:
            return [alone(asked[0], error)]
    half = len(asked) // 2
    return [*narrowing(work, asked[:half], alone), *narrowing(work, asked[half:], alone)]


def refused(_: object, error: RestowError) -> Fault:
    return Fault(Reason.REFUSED, error.message)


def _size(item: _Item | Fault) -> int:
    return 0 if isinstance(item, Fault) else item.held.size


def _json(addresses: Sequence[TableAddress], b64: Sequence[bool] = ()) -> str:
    flags = b64 or [False] * len(addresses)
    rows = zip(addresses, flags, strict=True)
    return json.dumps([{"n": n, **address._asdict(), "b64": flag} for n, (address, flag) in enumerate(rows)])
