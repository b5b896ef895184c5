"""Rows of ``archive_metadata`` as the catalog meets them, and the moves that it is asked about."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import sqlalchemy as sa

from schemas.backend import Backend, Db2Location, DbLocation, LocalfsLocation, Location, S3Location, SwiftLocation
from schemas.config import StoreName
from stores.catalog import Route
from stores.interface import DocumentName

Known = tuple[DocumentName, str | None, int | None]
"""A row: name, content_url, size."""

DB = DbLocation(table="archive_document")
DB2 = Db2Location(table="object_storage")
LOCALFS = LocalfsLocation(archive_data_dir="/archive")
INSIDE = LocalfsLocation(archive_data_dir=f"/archive/{hashlib.md5(b'u', usedforsecurity=False).hexdigest()}")
"""The directory that holds account u's documents on ``LOCALFS``."""


def swift(prefix: str) -> SwiftLocation:
    return SwiftLocation(auth_url=None, container="c", prefix=prefix)


def s3(bucket: str, prefix: str = "", endpoint: str = "http://minio:9000") -> S3Location:
    return S3Location(endpoint=endpoint, region=None, bucket=bucket, prefix=prefix)


def route(
    source: Location,
    destination: Location,
    store: StoreName | None = None,
    only: tuple[str, ...] = (),
    *,
    settled: bool = False,
) -> Route:
    """Return a move of that store, None: of both at once."""
    sides = (Backend(location=source), Backend(location=destination))
    return Route(*sides, store or "object_store", store is None, only, settled)


def named(bucket: str, user: str, key: str, document_name: str | None = None) -> DocumentName:
    return DocumentName(bucket, key, user, document_name or f"{key}.json")


def fill(engine: sa.Engine, rows: Sequence[Known]) -> None:
    """Leave just these rows in the table; a row without size has no digest either."""
    with engine.begin() as connection:
        connection.execute(sa.text("DELETE FROM archive_metadata"))
        for name, url, size in rows:
            connection.execute(
                sa.text(
                    """
                    INSERT INTO archive_metadata
                        (bucket, "archiveId", "userId", "documentName", content_url, size, digest)
                    VALUES (:bucket, :archive_id, :user_id, :document_name, :url, :size, :digest)
                    """
                ),
                {**name._asdict(), "url": url, "size": size, "digest": None if size is None else "0" * 32},
            )
