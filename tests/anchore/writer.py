"""Writes, rewrites and deletes documents as Anchore does: the payload first, the row in a later transaction."""

from __future__ import annotations

import base64
import hashlib
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import assert_never

import sqlalchemy as sa

from tests.anchore.config import S3, Config, Db, Db2, Localfs, Place, compresses, url_for
from tests.anchore.documents import Document
from tests.anchore.s3 import CONTENT_TYPE, Clients

ZLIB_LEVEL = 3
NOW = 1_700_000_000
"""Epoch seconds that new rows carry, unless the test says otherwise."""


@dataclass(frozen=True)
class Writer:
    """Anchore under one configuration."""

    engine: sa.Engine
    clients: Clients
    config: Config

    def put(self, document: Document, *, at: int = NOW) -> None:
        """Write a new document, or the new content of an old one."""
        payload = self.put_payload(document, at=at)
        self.put_row(document, payload, at=at)

    def put_payload(self, document: Document, *, at: int = NOW) -> bytes:
        """Do the first half of a write, and return what was stored."""
        section = self.config.section(document.store)
        compress = compresses(section, document.content)
        payload = zlib.compress(document.content, ZLIB_LEVEL) if compress else document.content
        self._store(section.place, document, payload, at)
        return payload

    def put_row(
        self, document: Document, payload: bytes, *, at: int = NOW, within: sa.Connection | None = None
    ) -> None:
        """Do the second half of a write: point the row to ``payload``, at once or ``within`` a transaction."""
        section = self.config.section(document.store)
        known: dict[str, object] = {
            "is_compressed": compresses(section, document.content),
            "digest": hashlib.md5(payload, usedforsecurity=False).hexdigest(),
            "size": len(payload),
        }
        if document.old_row:
            known = dict.fromkeys(known)
        self._run(
            """
            INSERT INTO archive_metadata (bucket, "archiveId", "userId", "documentName", content_url, is_compressed,
                digest, size, document_metadata, created_at, last_updated, record_state_key)
            VALUES (:bucket, :key, :user, :name, :url, :is_compressed, :digest, :size, :metadata, :at, :at, 'active')
            ON CONFLICT (bucket, "archiveId", "userId", "documentName") DO UPDATE SET
                content_url = excluded.content_url, is_compressed = excluded.is_compressed, digest = excluded.digest,
                size = excluded.size, last_updated = excluded.last_updated
            """,
            within,
            **_names(document),
            **known,
            name=document.name.document_name,
            url=url_for(section.place, document),
            metadata=document.metadata,
            at=at,
        )

    def delete(self, document: Document) -> None:
        """Delete the row, then what is stored where this configuration writes such a document."""
        self.delete_row(document)
        self.delete_payload(document)

    def delete_row(self, document: Document, *, within: sa.Connection | None = None) -> None:
        self._run(
            'DELETE FROM archive_metadata WHERE bucket = :bucket AND "archiveId" = :key AND "userId" = :user',
            within,
            **_names(document),
        )

    def delete_payload(self, document: Document) -> None:
        place = self.config.section(document.store).place
        match place:
            case Db():
                where = 'bucket = :bucket AND "archiveId" = :key AND "userId" = :user'
                self._run(f"DELETE FROM archive_document WHERE {where}", **_names(document))
            case Db2():
                where = 'bucket = :bucket AND key = :key AND "userId" = :user'
                self._run(f"DELETE FROM object_storage WHERE {where}", **_names(document))
            case S3():
                key = url_for(place, document).removeprefix(f"s3://{place.bucket}/")
                self.clients.of(place).delete_object(Bucket=place.bucket, Key=key)
            case Localfs():
                Path(url_for(place, document).removeprefix("file://")).unlink(missing_ok=True)
            case _:
                assert_never(place)

    def archive_image(self, document: Document) -> None:
        """Add the catalog's row of an archived image whose bundle ``document`` is."""
        self._run(
            """
            INSERT INTO catalog_archived_images (account, "imageDigest", status, manifest_bucket, manifest_key,
                archive_size_bytes, created_at, last_updated, record_state_key)
            VALUES (:user, :key, 'archived', :bucket, :key, :size, :at, :at, 'active')
            """,
            **_names(document),
            size=len(document.content),
            at=NOW,
        )

    def store_payload(self, document: Document, payload: bytes) -> None:
        """Store any bytes as this document's payload, and leave the row: for damage."""
        self._store(self.config.section(document.store).place, document, payload, NOW)

    def _store(self, place: Place, document: Document, payload: bytes, at: int) -> None:
        match place:
            case Db():
                self._store_text(document, payload, at)
            case Db2():
                self._store_bytes(document, payload, at)
            case S3():
                key = url_for(place, document).removeprefix(f"s3://{place.bucket}/")
                self.clients.of(place).put_object(Bucket=place.bucket, Key=key, Body=payload, ContentType=CONTENT_TYPE)
            case Localfs():
                path = Path(url_for(place, document).removeprefix("file://"))
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(payload)
            case _:
                assert_never(place)

    def _store_text(self, document: Document, payload: bytes, at: int) -> None:
        text, encoded = _as_text(payload)
        self._run(
            """
            INSERT INTO archive_document (bucket, "archiveId", "userId", "documentName", jsondata, b64_encoded,
                created_at, last_updated, record_state_key)
            VALUES (:bucket, :key, :user, :key || '.json', :text, :encoded, :at, :at, 'active')
            ON CONFLICT (bucket, "archiveId", "userId", "documentName") DO UPDATE SET jsondata = excluded.jsondata,
                b64_encoded = excluded.b64_encoded, last_updated = excluded.last_updated
            """,
            **_names(document),
            text=text,
            encoded=encoded,
            at=at,
        )

    def _store_bytes(self, document: Document, payload: bytes, at: int) -> None:
        self._run(
            """
            INSERT INTO object_storage (bucket, key, "userId", version, content, created_at, last_updated)
            VALUES (:bucket, :key, :user, '', :payload, :at, :at)
            ON CONFLICT ("userId", bucket, key, version) DO UPDATE SET content = excluded.content,
                last_updated = excluded.last_updated
            """,
            **_names(document),
            payload=payload,
            at=at,
        )

    def _run(self, statement: str, within: sa.Connection | None = None, /, **parameters: object) -> None:
        if within is not None:
            within.execute(sa.text(statement), parameters)
            return
        with self.engine.begin() as connection:
            connection.execute(sa.text(statement), parameters)


def _names(document: Document) -> dict[str, object]:
    return {"bucket": document.bucket, "key": document.archive_id, "user": document.user_id}


def _as_text(payload: bytes) -> tuple[str, bool]:
    # PostgreSQL has no text with NUL in it, so such a payload goes the way of binary ones.
    try:
        text = payload.decode()
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        return base64.encodebytes(payload).decode("ascii"), True
    return text, False
