"""``verify``: can Anchore, under this config, read every document? Looks at every row and payload; writes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from executor.engines import run_batches
from executor.progress import Progress
from executor.stopping import Stop
from schemas.backend import Backend
from schemas.config import StorageConfig, StoreName
from schemas.errors import StoppedError
from stores.batches import cut, expected_bytes
from stores.catalog import Route, rows_after, rows_named, tally
from stores.database import Database
from stores.examine import Unreadable, examine
from stores.interface import Reader, Row
from stores.opening import open_store

BATCH_DOCUMENTS = 64
PAGE_DOCUMENTS = 1024
FULL_BATCH_BYTES = 8 << 20


@dataclass
class Audit:
    """What one store's documents came to."""

    stores: tuple[StoreName, ...]
    backend: Backend
    documents: int = 0
    read: int = 0
    """Of them read in full; of the others the backend's own size and digest were compared."""
    unreadable: int = 0


Found = Callable[[Unreadable], object]


def audit(
    config: StorageConfig, database: Database, found: Found, *, full: bool, jobs: int, progress: Progress, stop: Stop
) -> tuple[Audit, ...]:
    """Audit both stores of ``config``; ``full`` reads and decompresses every payload.

    What cannot be read is given to ``found``, in the order of the rows: there may be more than fits into memory.
    Raises ConfigError for a driver that is not supported, UnreachableError, DeniedError or StoppedError.
    """
    shared = config.analysis_archive is None
    names: tuple[StoreName, ...] = ("object_store",) if shared else ("object_store", "analysis_archive")
    done = []
    for name in names:
        store = open_store(config.store(name), database, connections=jobs)
        try:
            store.check_access()
            route = Route(store.backend, store.backend, name, shared)
            result = Audit(("object_store", "analysis_archive") if shared else (name,), store.backend)
            look = _Look(database, store, route, full=full)
            _audit_store(look, result, found, jobs=jobs, progress=progress, stop=stop)
            done.append(result)
        finally:
            store.close()
    return tuple(done)


@dataclass(frozen=True)
class _Look:
    database: Database
    store: Reader
    route: Route
    full: bool


def _audit_store(look: _Look, result: Audit, found: Found, *, jobs: int, progress: Progress, stop: Stop) -> None:
    counts = look.database.run(lambda transaction: tally(transaction, look.route), snapshot=True)
    documents, size = sum(one.documents for one in counts), sum(one.size for one in counts)
    progress.begin(f"verify {look.store.backend.name}", documents=documents, size=size)
    waiting: dict[int, list[Unreadable]] = {}
    told = 0
    for part in run_batches(enumerate(_batches(look)), partial(_audit_batch, look), jobs=jobs, stop=stop):
        result.documents += part.documents
        result.read += part.read
        result.unreadable += len(part.unreadable)
        progress.advance(part.documents, part.bytes)
        waiting[part.number] = part.unreadable
        while told in waiting:
            for one in waiting.pop(told):
                found(one)
            told += 1
    if stop.reason is not None:
        raise StoppedError(f"stopped: {stop.reason}", hint="run it again; an audit begins anew")


def _batches(look: _Look) -> Iterator[list[Row]]:
    return cut(_rows(look), expected_bytes, documents=BATCH_DOCUMENTS, size=FULL_BATCH_BYTES)


def _rows(look: _Look) -> Iterator[Row]:
    page = look.database.run(lambda transaction: rows_after(transaction, look.route, None, PAGE_DOCUMENTS))
    while page:
        yield from page
        last = page[-1].name
        page = look.database.run(partial(rows_after, route=look.route, after=last, limit=PAGE_DOCUMENTS))


@dataclass(frozen=True)
class _Part:
    """What one batch came to."""

    number: int
    documents: int
    bytes: int
    read: int
    unreadable: list[Unreadable]


def _audit_batch(look: _Look, batch: tuple[int, Sequence[Row]]) -> _Part:
    number, rows = batch
    size = sum(row.size or 0 for row in rows)
    unreadable, read = examine(look.store, rows, full=look.full)
    if unreadable:
        # Anchore may be running: what it rewrote or deleted meanwhile is not what was looked at.
        before = {row.name: row for row in rows}
        now = look.database.run(lambda opened: rows_named(opened, [one.name for one in unreadable]))
        unreadable = [one for one in unreadable if now.get(one.name) == before[one.name]]
    return _Part(number, len(rows), size, read, unreadable)
