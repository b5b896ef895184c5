"""What must be true of a deployment, whatever was done to it: the machine's memory, and what an outsider finds."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.anchore import audit
from tests.anchore.audit import Expected
from tests.anchore.config import Config, Place
from tests.anchore.documents import Document, Name, Store, store_of
from tests.anchore.reader import Unreadable
from tests.anchore.snapshot import Payload, Snapshot
from tests.crash.points import UNNAMED
from tests.machine.documents import SLOTS
from tests.machine.world import OTHER, World

EVIDENCE = ("content_url", "digest", "size", "is_compressed")
KEYS = ("bucket", "archive_id", "user_id", "document_name")
SERVICES = "public.services"


@dataclass(frozen=True)
class Left:
    """A payload that a switch, or its undoing, made superfluous as long as the row stays as it was put then."""

    address: str
    row: tuple[Any, ...]
    by: str
    """What made it so."""


@dataclass
class Model:
    world: World
    in_force: Config
    beside: Snapshot
    """The deployment before Anchore wrote its first document: what stands beside them, and stays."""
    documents: dict[Name, Document] = field(default_factory=dict)
    contents: dict[Name, set[bytes]] = field(default_factory=dict)
    """Every content that a document ever had: what is left over of it is one of these, and whole."""
    lost: set[Name] = field(default_factory=set)
    """Documents that the test has made unreadable."""
    spoiled: dict[str, bytes] = field(default_factory=dict)
    """What the test itself has put where no row points, by address, for as long as it is that."""
    debris: set[str] = field(default_factory=set)
    """What dead runs have left under names that no document has."""
    abandoned: set[str] = field(default_factory=set)
    """What Anchore itself has left behind: it knows one place for each document."""
    left: dict[Name, Left] = field(default_factory=dict)
    """Of each document what the latest switch, or its undoing, has made superfluous."""

    def address(self, row: Mapping[str, Any]) -> str:
        """Return where the configuration in force looks for a row's payload."""
        return self.world.address(self.place(store_of(row["bucket"])), row["content_url"])

    def place(self, store: Store) -> Place:
        return self.in_force.section(store).place

    def remember(self, document: Document) -> None:
        self.documents[document.name] = document
        self.remember_content(document)

    def remember_content(self, document: Document) -> None:
        self.contents.setdefault(document.name, set()).add(document.content)

    def after_anchore(self) -> None:
        """Take down which documents cannot be read after what the test itself did, and what no row names."""
        reads = self._reads()
        self.lost = {name for name, document in self.documents.items() if reads[name] != document.content}
        now = self.world.look()
        self.abandoned |= self._nameless(now) - self._known()

    def unreadable(self) -> dict[Name, Unreadable | bytes]:
        """Return the documents that are not read as they were written."""
        reads = self._reads()
        return {name: reads[name] for name, document in self.documents.items() if reads[name] != document.content}

    def faults(self, before: Snapshot, now: Snapshot, *, given_up: Collection[Name]) -> list[str]:
        """Return what is wrong after a run, by what was there before it; forget what has been healed.

        ``given_up``: documents that the plan may leave as they are. Copies made of them ahead are removed.
        """
        unreadable = self.unreadable()
        faults = [
            f"not read as written: {name}: {why!r:.100}" for name, why in unreadable.items() if name not in self.lost
        ]
        faults += list(self._last_good_ones_gone(before, now, given_up))
        faults += list(self._rows(before, now, unreadable))
        self.lost &= unreadable.keys()
        faults += list(self._payloads(now))
        return faults

    def _reads(self) -> Mapping[Name, bytes | Unreadable]:
        return self.world.read(self.in_force, iter(self.documents))

    def _rows(self, before: Snapshot, now: Snapshot, unreadable: Collection[Name]) -> Iterator[str]:
        expected = Expected(documents=self.documents, before=before)
        yield from audit._row_faults(expected, now, now.rows.keys())
        yield from audit._table_faults(Expected({}, self.beside, living_tables=[SERVICES]), now)
        for name, row in now.rows.items():
            stored = now.payloads.get(self.address(row))
            if name not in unreadable and stored is not None and row["size"] not in {None, len(stored.content)}:
                yield f"wrong size: {name}: row {row['size']}, stored {len(stored.content)}"
            was = before.rows.get(name)
            if name in unreadable and was is not None and was["digest"] is not None and evidence(was) != evidence(row):
                yield f"switched to what cannot be read: {name}: {row['content_url']}"

    def _payloads(self, now: Snapshot) -> Iterator[str]:
        named = {self.address(row) for row in now.rows.values()}
        for address, payload in self.beside.payloads.items():
            if now.payloads.get(address) != payload:
                yield f"foreign payload {address} is not what it was"
        self.spoiled = {
            address: content
            for address, content in self.spoiled.items()
            if address in now.payloads and now.payloads[address].content == content
        }
        self.debris &= now.payloads.keys()
        self.abandoned &= now.payloads.keys()
        excused = named | self.beside.payloads.keys() | self.spoiled.keys() | self.debris
        owners = self._owners()
        for address in sorted(now.payloads.keys() - excused):
            if address not in owners:
                yield f"left over: {address}"
            elif not any(is_whole(now.payloads[address], content) for content in owners[address]):
                yield f"partial or wrong copy: {address}"
        yield from (f"unfinished upload: {upload}" for upload in now.uploads)
        unknown = self._nameless(now) - self._known() - excused - self.abandoned
        yield from (f"nobody knows of: {address}" for address in sorted(unknown))

    def _last_good_ones_gone(self, before: Snapshot, now: Snapshot, given_up: Collection[Name]) -> Iterator[str]:
        """Whatever happens: where there was a good payload of a document, there is one."""
        for name in self.documents.keys() - set(given_up):
            document = self.documents[name]
            addresses = {self.world.address_of(place, document) for place in self.world.places}
            addresses |= {self.address(rows[name]) for rows in (before.rows, now.rows) if name in rows}
            good = [
                one for one in addresses if one in before.payloads and is_whole(before.payloads[one], document.content)
            ]
            if good and not any(
                one in now.payloads and is_whole(now.payloads[one], document.content) for one in addresses
            ):
                yield f"the last good payload is gone: {name}: {good}"

    def _nameless(self, now: Snapshot) -> set[str]:
        """Return where a payload stands that no row names."""
        return now.payloads.keys() - {self.address(row) for row in now.rows.values()}

    def _known(self) -> set[str]:
        """Return where, by the journal, a payload of ours stands or a source does that is still to be cleaned."""
        urls = {url for copy in self.world.copies() for url in (copy["old_url"], copy["new_url"])}
        return urls | {OTHER + url for url in urls if url is not None}

    def forget(self, name: Name) -> None:
        """Anchore deletes a document: its payload may stay, and it knows nothing of a source that waits for a clean."""
        row = self.world.row(self.documents.pop(name))
        assert row is not None
        self.abandoned.add(self.address(row))
        for copy in self.world.copies():
            if copy["state"] == "switched" and Name(*(copy[key] for key in KEYS)) == name:
                self.abandoned |= {copy["old_url"], OTHER + copy["old_url"]}

    def _owners(self) -> dict[str, set[bytes]]:
        """Return for each address where a document may stand the contents that it may have."""
        owners: dict[str, set[bytes]] = {}
        for document in SLOTS:
            for place in self.world.places:
                address = self.world.address_of(place, document)
                owners.setdefault(address, set()).update(self.contents.get(document.name, ()))
        return owners

    def take_switch(self, before: Snapshot, now: Snapshot, old: Config, by: str) -> None:
        """Remember of each row that was pointed elsewhere what it pointed to under ``old``."""
        for name in before.rows.keys() & now.rows.keys():
            was, row = before.rows[name], now.rows[name]
            there = self.world.address(old.section(store_of(name.bucket)).place, was["content_url"])
            if there != self.address(row):
                self.left[name] = Left(there, evidence(row), by)

    def not_cleaned(self, now: Snapshot, by: str) -> list[str]:
        """Return what should be gone after a clean that says it is done."""
        nameless = self._nameless(now)
        return [
            f"not cleaned: {name}: {one.address}"
            for name, one in self.left.items()
            if one.by == by and one.address in nameless and name in now.rows and evidence(now.rows[name]) == one.row
        ]

    def left_of_deleted(self, now: Snapshot, config: Config, stores: Collection[Store]) -> list[str]:
        """Return copies of documents that were deleted before ``stores`` came to ``config``."""
        excused = self.beside.payloads.keys() | self.spoiled.keys() | self.debris | self.abandoned
        there = {
            self.world.address_of(config.section(document.store).place, document)
            for document in SLOTS
            if document.store in stores and document.name not in self.documents
        }
        # With another prefix such a URL can be that of a document that is there.
        there -= {
            self.world.address_of(place, document)
            for document in self.documents.values()
            for place in self.world.places
        }
        return [f"copy of a deleted document: {address}" for address in sorted(there & self._nameless(now) - excused)]


def evidence(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(row[column] for column in EVIDENCE)


def is_whole(payload: Payload, content: bytes) -> bool:
    return content in {payload.content, inflated(payload.content)}


def digest(payload: bytes | None) -> str | None:
    """Return what a row says of a payload."""
    return None if payload is None else hashlib.md5(payload, usedforsecurity=False).hexdigest()


def inflated(payload: bytes) -> bytes | None:
    try:
        return zlib.decompress(payload)
    except zlib.error:
        return None


def unnamed(addresses: Collection[str]) -> set[str]:
    return {address for address in addresses if UNNAMED.search(address)}
