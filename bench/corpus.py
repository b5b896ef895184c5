"""What is moved: documents as the demo has them, or small ones alone, in each of the places that a move begins at.

A corpus lies on disk, one file a document, for the tools that upload files; in a database that others are copied from,
as driver ``db`` stores it; and, where a case asks for it, in a bucket or below a directory as Anchore would have it.
"""

from __future__ import annotations

import functools
import itertools
import json
import os
import random
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bench import floor
from bench.servers import Servers
from restow.demo import tables
from restow.demo.corpus import Document, documents
from schemas.backend import LocalfsLocation, Location, S3Location
from stores.interface import DocumentName
from stores.locations import content_url, content_url_sql

SEED = 2035
IMAGES = 0.108
"""To a document: what leaves one in sixteen to be an archived image."""
SMALL_BYTES = 4096

Kind = Literal["mixed", "4 kB"]


@dataclass(frozen=True)
class Size:
    """How many documents the corpora of a benchmark have."""

    mixed: int
    small: int


@dataclass(frozen=True)
class Corpus:
    kind: Kind
    files: Path
    """Each document's payload, at account/bucket/key."""
    template: str
    """The database that holds it, as driver ``db`` does."""
    documents: int
    bytes: int


def mixed(count: int) -> Iterator[Document]:
    """Yield the demo's documents: manifests of 3 kB, analyses up to megabytes, archives that do not compress."""
    return itertools.islice(documents(SEED, images=int(count * IMAGES), archived=count), count)


def small(count: int) -> Iterator[Document]:
    """Yield manifests of 4 kB."""
    dice = random.Random(SEED)  # noqa: S311 - sample data
    for number in range(count):
        key = f"sha256:{dice.randbytes(32).hex()}"
        layers = [f"sha256:{dice.randbytes(32).hex()}" for _ in range(48)]
        payload = json.dumps({"document": {"schemaVersion": 2, "layers": layers}}).encode()
        padded = payload[:-2] + b" " * (SMALL_BYTES - len(payload)) + payload[-2:]
        yield Document(DocumentName("manifest_data", key, "admin", f"{key}.json"), padded, 1_740_000_000 + number)


class Library:
    """The corpora, each made at the first call for it and kept until ``close``."""

    def __init__(self, servers: Servers, size: Size) -> None:
        self._servers = servers
        self._size = size
        self._open = ExitStack()
        # A method's cache would outlive the library.
        self.corpus = functools.cache(self._corpus)
        self.at_s3 = functools.cache(self._at_s3)
        self.at_localfs = functools.cache(self._at_localfs)

    def close(self) -> None:
        self._open.close()

    def _corpus(self, kind: Kind) -> Corpus:
        made = mixed(self._size.mixed) if kind == "mixed" else small(self._size.small)
        name = "mixed" if kind == "mixed" else "small"
        files = self._servers.directory / name
        self._servers.create_anchore_database(name)
        with self._servers.opened(name) as database:
            tables.fill(database, _on_disk(made, files))
        self._servers.sql("VACUUM ANALYZE", database=name)
        sizes = [(files / key).stat().st_size for key in floor.keys_of(files)]
        return Corpus(kind, files, name, len(sizes), sum(sizes))

    def _at_s3(self, corpus: Corpus) -> tuple[str, str]:
        """Return a bucket that holds the corpus, and the database whose rows say so."""
        bucket = self._open.enter_context(self._servers.bucket())
        self._servers.put(bucket, {key: corpus.files / key for key in floor.keys_of(corpus.files)})
        return bucket, self._moved(corpus, "s3", S3Location(endpoint="", region=None, bucket=bucket, prefix=""))

    def _at_localfs(self, corpus: Corpus) -> tuple[Path, str]:
        """Return a directory that holds the corpus, and the database whose rows say so."""
        location = LocalfsLocation(archive_data_dir=str(self._servers.directory / f"{corpus.template}-localfs"))
        for key in floor.keys_of(corpus.files):
            account, bucket, archive_id = key.split("/", 2)
            url = content_url(location, DocumentName(bucket, archive_id, account, ""))
            path = Path(url.removeprefix("file://"))
            path.parent.mkdir(parents=True, exist_ok=True)
            os.link(corpus.files / key, path)
        return Path(location.archive_data_dir), self._moved(corpus, "localfs", location)

    def _moved(self, corpus: Corpus, driver: str, location: Location) -> str:
        name = f"{corpus.template}_{driver}"
        url = content_url_sql(location, row="r", param="head")
        self._servers.sql(f"CREATE DATABASE {name} TEMPLATE {corpus.template}")
        self._servers.sql(f"UPDATE archive_metadata r SET content_url = {url.text}", database=name, **url.params)
        self._servers.sql("TRUNCATE archive_document", "VACUUM FULL ANALYZE archive_metadata", database=name)
        return name


def _on_disk(made: Iterable[Document], files: Path) -> Iterator[Document]:
    """Pass the documents on, each written to its file."""
    for document in made:
        name = document.name
        path = files / name.user_id / name.bucket / name.archive_id
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(document.payload)
        yield document
