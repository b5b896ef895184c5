"""Reads documents as Anchore does under one configuration, and shares no code with the stores.

Anchore knows one backend a store: it splits the row's URL with a URL parser, refuses a scheme that is not its
driver's, fetches, checks the MD5 if the row has one, and decompresses if the row says so.
"""

from __future__ import annotations

import base64
import hashlib
import urllib.parse
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, assert_never

import sqlalchemy as sa

from tests.anchore.config import S3, Config, Db, Db2, Localfs, Place, scheme_of
from tests.anchore.documents import Document, Name, store_of
from tests.anchore.s3 import Clients, missing_as_key_error


@dataclass(frozen=True)
class Unreadable:
    """Why Anchore cannot read a document under this configuration."""

    reason: str


@dataclass(frozen=True)
class Reader:
    """Anchore under one configuration."""

    engine: sa.Engine
    clients: Clients
    config: Config

    def read_all(self, names: Iterable[Name]) -> Mapping[Name, bytes | Unreadable]:
        with self.engine.connect() as connection:
            return {name: self._read(connection, name) for name in names}

    def reads_all(self, documents: Mapping[Name, Document]) -> bool:
        """Whether each of these documents is read with the content that was written."""
        with self.engine.connect() as connection:
            return all(self._read(connection, name) == document.content for name, document in documents.items())

    def _read(self, connection: sa.Connection, name: Name) -> bytes | Unreadable:
        row = _first(
            connection,
            'SELECT * FROM archive_metadata WHERE "userId" = :user AND bucket = :bucket AND "archiveId" = :key',
            user=name.user_id,
            bucket=name.bucket,
            key=name.archive_id,
        )
        if row is None:
            return Unreadable("no row")
        place = self.config.section(store_of(name.bucket)).place
        url = row["content_url"]
        if url is None or urllib.parse.urlparse(url).scheme != scheme_of(place):
            return Unreadable(f"{url} is not of driver {scheme_of(place)}")
        try:
            payload = self._fetch(connection, place, url)
        except (KeyError, ValueError) as error:
            return Unreadable(f"{url}: {error!r}")
        if row["digest"] and hashlib.md5(payload, usedforsecurity=False).hexdigest() != row["digest"]:
            return Unreadable(f"{url}: wrong digest")
        try:
            return zlib.decompress(payload) if row["is_compressed"] else payload
        except zlib.error as error:
            return Unreadable(f"{url}: does not decompress: {error}")

    def _fetch(self, connection: sa.Connection, place: Place, url: str) -> bytes:
        """Return the payload. Raises KeyError when there is none, ValueError when the URL cannot be split."""
        parsed = urllib.parse.urlparse(url)
        match place:
            case Db():
                bucket, key = parsed.path[1:].split("/", 1)
                return _text_payload(connection, parsed.netloc, bucket, key)
            case Db2():
                bucket, key = parsed.path[1:].split("/", 1)
                return _binary_payload(connection, parsed.netloc, bucket, key)
            case S3():
                with missing_as_key_error():
                    answer = self.clients.of(place).get_object(Bucket=parsed.hostname or "", Key=parsed.path[1:])
                    return answer["Body"].read()
            case Localfs():
                try:
                    return Path(parsed.path).read_bytes()
                except FileNotFoundError as error:
                    raise KeyError("no such file") from error
            case _:
                assert_never(place)


def _text_payload(connection: sa.Connection, user: str, bucket: str, key: str) -> bytes:
    row = _first(
        connection,
        'SELECT * FROM archive_document WHERE "userId" = :user AND bucket = :bucket AND "archiveId" = :key',
        user=user,
        bucket=bucket,
        key=key,
    )
    if row is None:
        raise KeyError("no row in archive_document")
    text: str = row["jsondata"] or ""
    return base64.decodebytes(text.encode()) if row["b64_encoded"] else text.encode()


def _binary_payload(connection: sa.Connection, user: str, bucket: str, key: str) -> bytes:
    row = _first(
        connection,
        "SELECT * FROM object_storage WHERE \"userId\" = :user AND bucket = :bucket AND key = :key AND version = ''",
        user=user,
        bucket=bucket,
        key=key,
    )
    if row is None:
        raise KeyError("no row in object_storage")
    return bytes(row["content"] or b"")


def _first(connection: sa.Connection, statement: str, **parameters: str) -> Mapping[str, Any] | None:
    row = connection.execute(sa.text(statement), parameters).mappings().first()
    return None if row is None else dict(row)
