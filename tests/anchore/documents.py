"""A document as Anchore's services hand it to the object store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

Store = Literal["object_store", "analysis_archive"]
BOTH: tuple[Store, ...] = ("object_store", "analysis_archive")


class Name(NamedTuple):
    """The primary key of ``archive_metadata``."""

    bucket: str
    archive_id: str
    user_id: str
    document_name: str


@dataclass(frozen=True)
class Document:
    bucket: str
    archive_id: str
    user_id: str
    content: bytes
    """What the services gave and want back: before compression."""
    document_name: str | None = None
    """None: as every version of this century writes it, archive_id + ".json"."""
    metadata: str | None = None
    old_row: bool = False
    """True: written by a version that knew neither digest nor size nor compression."""

    @property
    def name(self) -> Name:
        written = f"{self.archive_id}.json" if self.document_name is None else self.document_name
        return Name(self.bucket, self.archive_id, self.user_id, written)

    @property
    def store(self) -> Store:
        return store_of(self.bucket)


def store_of(bucket: str) -> Store:
    return "analysis_archive" if bucket == "analysis_archive" else "object_store"


def by_name(documents: Iterable[Document]) -> Mapping[Name, Document]:
    """Return the documents by name. Raises ValueError when two have one name: a mistake of the test."""
    named: dict[Name, Document] = {}
    for document in documents:
        if document.name in named:
            raise ValueError(f"two documents are called {document.name}")
        named[document.name] = document
    return named
