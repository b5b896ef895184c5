"""The whole-deployment check: what an outside auditor says after a move. Faults are sentences; none means fine.

It proves invariants I1, I2, I5 and I7 of the architecture from what is stored, never from what was reported.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from tests.anchore.config import S3, Config, Db, compresses, url_for
from tests.anchore.documents import Document, Name, Store
from tests.anchore.reader import Unreadable
from tests.anchore.s3 import CONTENT_TYPE
from tests.anchore.snapshot import Payload, Snapshot

FOLLOWS_PAYLOAD = {"content_url", "is_compressed", "digest", "size", "last_updated", "xmin"}
"""Columns that a move may change."""
PROBES = "/restow/restow_probe/"
"""Stands in the URL of what a run writes to look at a place; it may stand there when a run was killed, not longer."""
TASKS = ("public.tasks", "public.archive_migration_tasks")


@dataclass(frozen=True)
class Expected:
    """What Anchore wrote and what stood beside it, before anything was moved."""

    documents: Mapping[Name, Document]
    before: Snapshot
    left_alone: Collection[Name] = ()
    """Documents of a moved store that no move may touch, such as those in a third place."""
    accepted: Collection[Name] = ()
    """Documents that nobody can read, and whose rows and payloads stay exactly as they are."""
    living_tables: Collection[str] = ()
    """Tables that Anchore itself writes during the test, such as ``public.services``."""

    def foreign(self) -> set[str]:
        """The URLs of payloads that belong to no document."""
        return self.before.payloads.keys() - {row["content_url"] for row in self.before.rows.values()}


@dataclass(frozen=True)
class Move:
    """What is claimed: these stores are now served by ``config``."""

    config: Config
    stores: Collection[Store]
    leftovers: Collection[Config] = ()
    """Where else whole copies of the documents may stand: the source of a copy that is not cleaned yet."""


def audit(expected: Expected, now: Snapshot, reads: Mapping[Name, bytes | Unreadable], move: Move) -> list[str]:
    """Return all faults. ``reads`` is what Anchore's reader got under ``move.config``."""
    moved = {
        name
        for name, document in expected.documents.items()
        if document.store in move.stores and name not in {*expected.left_alone, *expected.accepted}
    }
    faults = _row_faults(expected, now, moved)
    faults += _read_faults(expected, reads)
    for name in sorted(now.rows.keys() & expected.documents.keys()):
        faults += _payload_faults(name, now) if name not in expected.accepted else []
        if name in moved:
            faults += _place_faults(expected, name, now, move.config)
    faults += _leftover_faults(expected, now, move.leftovers)
    faults += [f"unfinished upload: {upload}" for upload in now.uploads]
    faults += _foreign_faults(expected, now, moved)
    return faults + _table_faults(expected, now)


def audit_under_way(
    expected: Expected, now: Snapshot, *, stores: Collection[Store], configs: Collection[Config]
) -> list[str]:
    """Return the faults of a moment in the middle of a move between ``configs``.

    Rows may point to either side and copies stand on both, but every row tells the truth and every copy is whole.
    """
    moved = {name for name, document in expected.documents.items() if document.store in stores}
    faults = _row_faults(expected, now, moved)
    for name in sorted(now.rows.keys() & expected.documents.keys()):
        faults += _payload_faults(name, now)
    faults += [fault for fault in _leftover_faults(expected, now, configs) if PROBES not in fault]
    faults += _foreign_faults(expected, now, moved)
    return faults + _table_faults(expected, now)


def _row_faults(expected: Expected, now: Snapshot, moved: Collection[Name]) -> list[str]:
    faults = [f"row lost: {name}" for name in sorted(expected.documents.keys() - now.rows.keys())]
    faults += [f"row added: {name}" for name in sorted(now.rows.keys() - expected.documents.keys())]
    for name in sorted(expected.before.rows.keys() & now.rows.keys()):
        before, after = expected.before.rows[name], now.rows[name]
        free = FOLLOWS_PAYLOAD if name in moved else set()
        faults += [
            f"row changed: {name}: {column} was {before[column]!r}, is {after[column]!r}"
            for column in before
            if column not in free and before[column] != after[column]
        ]
    return faults


def _read_faults(expected: Expected, reads: Mapping[Name, bytes | Unreadable]) -> list[str]:
    faults = []
    for name, document in sorted(expected.documents.items()):
        read = reads[name]
        if name in expected.accepted:
            continue
        if isinstance(read, Unreadable):
            faults.append(f"unreadable: {name}: {read.reason}")
        elif read != document.content:
            faults.append(f"other content: {name}: {len(read)} bytes, not the {len(document.content)} written")
    return faults


def _payload_faults(name: Name, now: Snapshot) -> list[str]:
    """The row must tell the truth about what is stored where it points."""
    row = now.rows[name]
    stored = now.payloads.get(row["content_url"])
    if stored is None:
        return [f"payload missing: {name}: nothing at {row['content_url']}"]
    faults = []
    if row["digest"] is not None and row["digest"] != _md5(stored.content):
        faults.append(f"wrong digest: {name}: {row['content_url']}")
    if row["size"] is not None and row["size"] != len(stored.content):
        faults.append(f"wrong size: {name}: row {row['size']}, stored {len(stored.content)}")
    if row["is_compressed"] and _inflated(stored.content) is None:
        faults.append(f"not compressed as the row says: {name}")
    return faults


def _place_faults(expected: Expected, name: Name, now: Snapshot, config: Config) -> list[str]:
    """A moved document must stand where, and as, Anchore itself would have written it under ``config``."""
    document, row = expected.documents[name], now.rows[name]
    section = config.section(document.store)
    faults = []
    if row["content_url"] != url_for(section.place, document):
        faults.append(f"wrong place: {name}: {row['content_url']}")
    if row["digest"] is None or row["size"] is None:
        faults.append(f"no digest or size: {name}")
    before = expected.before.rows[name]
    due = compresses(section, document.content)
    if due and not row["is_compressed"]:
        faults.append(f"not compressed although the config says so: {name}")
    if row["is_compressed"] and not due and (isinstance(section.place, Db) or not before["is_compressed"]):
        faults.append(f"compressed although the config does not say so: {name}")
    stored = now.payloads.get(row["content_url"])
    if isinstance(section.place, S3) and stored is not None and f" {CONTENT_TYPE} " not in stored.stamp:
        faults.append(f"wrong content type: {name}: {stored.stamp}")
    return faults


def _leftover_faults(expected: Expected, now: Snapshot, configs: Collection[Config]) -> list[str]:
    """Nothing may be stored that no row names, but whole copies where one of ``configs`` would put them (I5)."""
    named = {row["content_url"] for row in now.rows.values()} | expected.foreign()
    allowed = {
        url_for(config.section(document.store).place, document): document
        for config in configs
        for document in expected.documents.values()
    }
    faults = []
    for url in sorted(now.payloads.keys() - named):
        content = now.payloads[url].content
        if url not in allowed:
            faults.append(f"left over: {url}")
        elif allowed[url].content not in (content, _inflated(content)):
            faults.append(f"partial or wrong copy: {url}")
    return faults


def _foreign_faults(expected: Expected, now: Snapshot, moved: Collection[Name]) -> list[str]:
    """Foreign payloads, and those of documents that were not moved, must not even have been written again (I7)."""
    others = {
        row["content_url"]: f"payload of {name}, which was not moved,"
        for name, row in expected.before.rows.items()
        if name not in moved
    }
    others |= {url: f"foreign payload {url}" for url in expected.foreign()}
    faults = []
    for url, what in sorted(others.items()):
        before, after = expected.before.payloads.get(url), now.payloads.get(url)
        if before is not None and before != after:
            faults.append(f"{what} {_change(before, after)}")
    return faults


def _table_faults(expected: Expected, now: Snapshot) -> list[str]:
    others = {*TASKS, *expected.living_tables}
    return [
        f"table changed: {table}"
        for table, rows in expected.before.tables.items()
        if table not in others and not table.startswith("restow.") and rows != now.tables.get(table)
    ]


def _change(before: Payload, after: Payload | None) -> str:
    if after is None:
        return "is gone"
    return "changed" if before.content != after.content else "was written again"


def _inflated(payload: bytes) -> bytes | None:
    try:
        return zlib.decompress(payload)
    except zlib.error:
        return None


def _md5(payload: bytes) -> str:
    return hashlib.md5(payload, usedforsecurity=False).hexdigest()
