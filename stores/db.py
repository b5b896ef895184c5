"""Driver ``db``: payloads as text in Anchore's own table ``archive_document``.

A payload that is UTF-8 without NUL is stored as it is, any other as base64 with line breaks. PostgreSQL itself computes
size and digest of what it holds. A batch is one statement; its names travel in one JSON parameter, payloads in
parameters of their own.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from schemas.backend import Backend, DbLocation
from schemas.errors import ConfigError, DeniedError, RestowError, UnreachableError
from stores.addresses import TableAddress, table_address
from stores.database import Database, LockTimeoutError, Transaction
from stores.interface import Absent, Fault, Reason, Stat
from stores.locations import scheme
from stores.payload import md5_hex

T = TypeVar("T")
A = TypeVar("A")

STATEMENT_BYTES = 16 << 20
"""Payload bytes that go into one INSERT; a larger payload goes alone."""
STATEMENT_ROWS = 500
LARGEST_TEXT = (1 << 30) - (1 << 20)
"""Bytes. PostgreSQL takes no value and no message of 1 GiB; the rest is for the names beside it."""

ASKED = "jsonb_to_recordset(CAST(:asked AS jsonb)) AS q(n int, user_id text, bucket text, key text, b64 boolean)"
SAME_DOCUMENT = 'd.bucket = q.bucket AND d."archiveId" = q.key AND d."userId" = q.user_id'
# Anchore looks for (bucket, archiveId, userId) alone; of several rows the one with the usual name is the likeliest.
USUAL_NAME_FIRST = """ORDER BY d."documentName" = q.key || '.json' DESC, d."documentName" COLLATE "C" LIMIT 1"""
STORED_BYTES = "CASE WHEN d.b64_encoded THEN decode(d.jsondata, 'base64') ELSE convert_to(d.jsondata, 'UTF8') END"

READ = f"""
    SELECT q.n, d.jsondata, d.b64_encoded
    FROM {ASKED} CROSS JOIN LATERAL (
        SELECT d.jsondata, d.b64_encoded FROM archive_document d WHERE {SAME_DOCUMENT} {USUAL_NAME_FIRST}) d
"""
STAT = f"""
    SELECT q.n, length(d.stored) AS size, md5(d.stored) AS md5
    FROM {ASKED} CROSS JOIN LATERAL (
        SELECT {STORED_BYTES} AS stored FROM archive_document d WHERE {SAME_DOCUMENT} {USUAL_NAME_FIRST}) d
"""
DELETE = f"DELETE FROM archive_document d USING {ASKED} WHERE {SAME_DOCUMENT}"


class DbStore:
    """One table of one database. Thread-safe; each call takes a connection of the database's pool."""

    def __init__(self, database: Database, location: DbLocation) -> None:
        self._database = database
        self._backend = Backend(location=location)
        self._scheme = scheme(location)

    @property
    def backend(self) -> Backend:
        return self._backend

    def check_access(self) -> None:
        """Look whether the table is there and may be read.

        Raises NotAnchoreError, DeniedError or UnreachableError.
        """
        question = "SELECT has_table_privilege('archive_document', 'SELECT') AS may"
        if not self._database.run(lambda transaction: transaction.one(question).may, snapshot=True):
            raise DeniedError(
                "the database role may not read the table archive_document",
                hint="use the role that Anchore uses, or GRANT SELECT ON archive_document",
            )

    def prepare(self) -> None:
        """Do nothing: Anchore itself makes its tables."""

    def prove_digests(self, url: str) -> bool:  # noqa: ARG002 - nothing has to be tried
        """Say True: the digests are PostgreSQL's own MD5."""
        return True

    def read(self, urls: Sequence[str]) -> list[bytes | Absent | Fault]:
        return _each(self._read, self._addresses(urls), _refused)

    def stat(self, urls: Sequence[str]) -> list[Stat | Absent | Fault]:
        return _each(self._stat, self._addresses(urls), self._stat_by_reading)

    def write(self, items: Sequence[tuple[str, bytes]]) -> list[Stat | Fault]:
        answers: list[Stat | Fault] = []
        for part in _parts([_text(self._address(url), payload) for url, payload in items]):
            answers += _each(self._write, part, _refused)
        return answers

    def delete(self, urls: Sequence[str]) -> list[Fault | None]:
        return _each(self._delete, self._addresses(urls), _refused)

    def close(self) -> None:
        """Do nothing: the connections are the database's."""

    def _address(self, url: str) -> TableAddress | Fault:
        return table_address(url, self._scheme)

    def _addresses(self, urls: Sequence[str]) -> list[TableAddress | Fault]:
        return [self._address(url) for url in urls]

    def _read(self, addresses: Sequence[TableAddress]) -> list[bytes | Absent | Fault]:
        found = {row.n: _payload(row.jsondata, row.b64_encoded) for row in self._rows(READ, addresses)}
        return [found.get(n, Absent()) for n in range(len(addresses))]

    def _stat(self, addresses: Sequence[TableAddress]) -> list[Stat | Absent | Fault]:
        found = {row.n: _stat(row) for row in self._rows(STAT, addresses)}
        return [found.get(n, Absent()) for n in range(len(addresses))]

    def _stat_by_reading(self, address: TableAddress, _: RestowError) -> Stat | Absent | Fault:
        # PostgreSQL rejects base64 that Python, and so Anchore, may still read.
        (payload,) = _each(self._read, [address], _refused)
        return Stat(size=len(payload), md5=md5_hex(payload)) if isinstance(payload, bytes) else payload

    def _rows(self, sql: str, addresses: Sequence[TableAddress]) -> Sequence[Any]:
        asked = _json(addresses)
        return self._database.run(lambda transaction: transaction.rows(sql, asked=asked), snapshot=True)

    def _write(self, items: Sequence[_Text]) -> list[Stat | Fault]:
        asked = _json([item.address for item in items], [item.b64_encoded for item in items])
        payloads: dict[str, object] = {f"p{n}": item.jsondata for n, item in enumerate(items)}
        sql = _insert(len(items))

        def work(transaction: Transaction) -> Sequence[Any]:
            return transaction.rows(sql, asked=asked, **payloads)

        stored = {TableAddress(row.user_id, row.bucket, row.key): _stat(row) for row in self._database.run(work)}
        # A trigger may have taken a row away without a word.
        dropped = Fault(Reason.NOT_STORED, "PostgreSQL took the row and stored none")
        return [stored.get(item.address, dropped) for item in items]

    def _delete(self, addresses: Sequence[TableAddress]) -> list[Fault | None]:
        asked = _json(addresses)
        self._database.run(lambda transaction: transaction.execute(DELETE, asked=asked))
        return [None] * len(addresses)


@dataclass(frozen=True, slots=True)
class _Text:
    """A payload as its row holds it."""

    address: TableAddress
    jsondata: str
    b64_encoded: bool
    size: int
    """Bytes of ``jsondata``."""


def _each(
    work: Callable[[Sequence[T]], list[A]], asked: Sequence[T | Fault], alone: Callable[[T, RestowError], A]
) -> list[A | Fault]:
    """Answer the faults with themselves and the rest by ``work``.

    Where PostgreSQL rejects the whole batch, each goes by itself; ``alone`` answers for those that it rejects then.
    """
    sound = [one for one in asked if not isinstance(one, Fault)]
    answers = iter(_narrowing(work, sound, alone))
    return [one if isinstance(one, Fault) else next(answers) for one in asked]


def _narrowing(
    work: Callable[[Sequence[T]], list[A]], asked: Sequence[T], alone: Callable[[T, RestowError], A]
) -> list[A]:
    try:
        return work(asked) if asked else []
    except (UnreachableError, DeniedError, ConfigError, LockTimeoutError):
        raise
    except RestowError as error:
        if len(asked) == 1:
            return [alone(asked[0], error)]
    return [answer for one in asked for answer in _narrowing(work, [one], alone)]


def _refused(_: object, error: RestowError) -> Fault:
    return Fault(Reason.REFUSED, error.message)


def _insert(count: int) -> str:
    """Return the statement for ``count`` payloads, in the parameters ``p0`` to ``p{count - 1}``.

    A row that exists keeps its documentName, whatever that is: a second row would make Anchore read either.
    """
    payloads = ", ".join(f"({n}, CAST(:p{n} AS text))" for n in range(count))
    return f"""
        INSERT INTO archive_document AS d (bucket, "archiveId", "userId", "documentName", created_at, last_updated,
                                           record_state_key, jsondata, b64_encoded)
        SELECT q.bucket, q.key, q.user_id,
               coalesce((SELECT d."documentName" FROM archive_document d WHERE {SAME_DOCUMENT} {USUAL_NAME_FIRST}),
                        q.key || '.json'),
               floor(extract(epoch FROM now()))::int, floor(extract(epoch FROM now()))::int, 'active', p.payload, q.b64
        FROM {ASKED} JOIN (VALUES {payloads}) AS p(n, payload) ON p.n = q.n
        ON CONFLICT (bucket, "archiveId", "userId", "documentName") DO UPDATE
        SET jsondata = excluded.jsondata, b64_encoded = excluded.b64_encoded, last_updated = excluded.last_updated
        RETURNING d."userId" AS user_id, d.bucket, d."archiveId" AS key,
                  length({STORED_BYTES}) AS size, md5({STORED_BYTES}) AS md5
    """


def _text(address: TableAddress | Fault, payload: bytes) -> _Text | Fault:
    """Return what Anchore writes into ``jsondata`` and ``b64_encoded``."""
    if isinstance(address, Fault):
        return address
    try:
        text = payload.decode()
    except UnicodeDecodeError:
        text = "\0"
    b64_encoded = "\0" in text
    if b64_encoded:
        text = base64.encodebytes(payload).decode("ascii")
    size = len(text) if b64_encoded else len(payload)
    if size > LARGEST_TEXT:
        return Fault(Reason.REFUSED, f"{size} bytes as text: PostgreSQL takes no more than {LARGEST_TEXT}")
    return _Text(address, text, b64_encoded, size)


def _parts(items: Sequence[_Text | Fault]) -> Iterator[list[_Text | Fault]]:
    """Cut a batch into statements of bounded size."""
    part: list[_Text | Fault] = []
    size = 0
    for item in items:
        weight = 0 if isinstance(item, Fault) else item.size
        if part and (size + weight > STATEMENT_BYTES or len(part) == STATEMENT_ROWS):
            yield part
            part, size = [], 0
        part.append(item)
        size += weight
    if part:
        yield part


def _payload(jsondata: str | None, b64_encoded: bool | None) -> bytes | Fault:  # noqa: FBT001 - a column
    if jsondata is None:
        return Fault(Reason.CORRUPT, "its row in archive_document has no jsondata")
    if not b64_encoded:
        return jsondata.encode()
    try:
        return base64.decodebytes(jsondata.encode())
    except binascii.Error as error:
        return Fault(Reason.CORRUPT, f"its base64 in archive_document cannot be read: {error}")


def _stat(row: Any) -> Stat | Fault:
    if row.md5 is None:
        return Fault(Reason.CORRUPT, "its row in archive_document has no jsondata")
    return Stat(size=row.size, md5=row.md5)


def _json(addresses: Sequence[TableAddress], b64: Sequence[bool] = ()) -> str:
    flags = b64 or [False] * len(addresses)
    rows = zip(addresses, flags, strict=True)
    return json.dumps([{"n": n, **address._asdict(), "b64": flag} for n, (address, flag) in enumerate(rows)])
