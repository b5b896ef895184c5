"""``--deep``: every payload of the moves, looked at where it is. Sees the backends by their read side; keeps only the
names of what is not in order.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial
from typing import Literal

from planner.load import require_secrets
from schemas.config import StorageConfig
from stores.batches import cut, expected_bytes, spread
from stores.catalog import Route, rows_after, rows_named
from stores.database import Database
from stores.examine import Trouble, Unreadable, examine
from stores.interface import DocumentName, Reader, Row
from stores.locations import Sql
from stores.odd_rows import Side, examinable
from stores.opening import open_store

JOBS = 16
"""Half of what ``apply`` takes unless told: Anchore is at work while a plan is made."""
PAGE_DOCUMENTS = 1024
BATCH_DOCUMENTS = 64
BATCH_BYTES = 8 << 20
PayloadCode = Literal["payload-missing", "payload-corrupt", "payload-unreadable"]
CODES: dict[Trouble, PayloadCode] = {
    "missing": "payload-missing",
    "corrupt": "payload-corrupt",
    "unreachable": "payload-unreadable",
}


@dataclass(frozen=True, slots=True)
class BadPayloads:
    """The documents that one backend of a move does not give back as their rows say, all for the same reason."""

    code: PayloadCode
    backend: str
    names: tuple[DocumentName, ...]
    """In the order of their bytes."""


@dataclass(frozen=True, slots=True)
class _Look:
    database: Database
    store: Reader
    route: Route
    where: Sql


def examine_payloads(
    source: StorageConfig,
    destination: StorageConfig,
    database: Database,
    routes: Sequence[Route],
    accepted: Collection[DocumentName],
) -> tuple[BadPayloads, ...]:
    """Look at the payload of every document to copy, and of every one that is at the destination already.

    Left out are ``accepted`` documents, and those to copy whose names no backend can look up. Raises ConfigError for a
    secret without value or a driver that is not supported, UnreachableError or DeniedError, all before the first
    payload is looked at as far as that can be known.
    """
    sides: tuple[tuple[StorageConfig, Side], ...] = ((source, "source"), (destination, "destination"))
    for config, _ in sides:
        require_secrets(config, [route.store for route in routes])
    found: list[BadPayloads] = []
    with ExitStack() as stack:
        looks = []
        for route in routes:
            for config, side in sides:
                store = stack.enter_context(closing(open_store(config.store(route.store), database, connections=JOBS)))
                store.check_access()
                looks.append(_Look(database, store, route, examinable(route, side)))
        for look in looks:
            found += _look_at(look, accepted)
    return tuple(found)


def _look_at(look: _Look, accepted: Collection[DocumentName]) -> Iterator[BadPayloads]:
    rows = (row for row in _rows(look) if row.name not in accepted)
    batches = cut(rows, expected_bytes, documents=BATCH_DOCUMENTS, size=BATCH_BYTES)
    bad: dict[Trouble, list[DocumentName]] = {trouble: [] for trouble in CODES}
    for part in spread(batches, partial(_unreadable, look), jobs=JOBS, stopped=lambda: False):
        for one in part:
            bad[one.trouble].append(one.name)
    for trouble, names in bad.items():
        if names:
            yield BadPayloads(CODES[trouble], look.store.backend.name, _in_byte_order(names))


def _unreadable(look: _Look, rows: Sequence[Row]) -> list[Unreadable]:
    """Examine a batch; what seems wrong is read once more, row and payload, since Anchore may be writing it."""
    seen = _examined(look.store, rows)
    if not seen:
        return []
    urls = {row.name: row.content_url for row in rows}
    again = [row for row in _now(look, seen).values() if row.content_url == urls[row.name]]
    unreadable = _examined(look.store, again)
    before = {row.name: row for row in again}
    settled = _now(look, unreadable)
    return [one for one in unreadable if settled.get(one.name) == before[one.name]]


def _examined(store: Reader, rows: Sequence[Row]) -> list[Unreadable]:
    # That a payload decompresses, no digest can tell.
    compressed, plain = ([row for row in rows if bool(row.is_compressed) is kind] for kind in (True, False))
    return [*examine(store, compressed, full=True)[0], *examine(store, plain, full=False)[0]]


def _now(look: _Look, found: Sequence[Unreadable]) -> dict[DocumentName, Row]:
    return look.database.run(partial(rows_named, names=[one.name for one in found])) if found else {}


def _rows(look: _Look) -> Iterator[Row]:
    page = look.database.run(lambda opened: rows_after(opened, look.route, None, PAGE_DOCUMENTS, where=look.where))
    while page:
        yield from page
        read_on = partial(rows_after, route=look.route, after=page[-1].name, limit=PAGE_DOCUMENTS, where=look.where)
        page = look.database.run(read_on)


def _in_byte_order(names: Sequence[DocumentName]) -> tuple[DocumentName, ...]:
    return tuple(sorted(names, key=lambda name: (name.bucket, name.user_id, name.archive_id, name.document_name)))
