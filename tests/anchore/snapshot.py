"""Everything that a deployment holds at one moment: rows, payloads, and the marks that any write would change."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from tests.anchore.documents import Name
from tests.anchore.s3 import keys, missing_as_key_error

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

DOCUMENT_TABLES = ("public.archive_metadata", "public.archive_document", "public.object_storage")


@dataclass(frozen=True)
class Payload:
    """What is stored in one place, and the marks of its last write."""

    content: bytes
    stamp: str
    """ETag, times, content type of an object; transaction of a row; times and mode of a file."""


@dataclass(frozen=True)
class Snapshot:
    """Two snapshots are equal when nothing was written between them, not even the same bytes again."""

    rows: Mapping[Name, Mapping[str, Any]]
    """``archive_metadata``, all columns, and ``xmin``: the transaction that wrote the row."""
    payloads: Mapping[str, Payload]
    """By the URL that Anchore would use."""
    tables: Mapping[str, tuple[str, ...]]
    """Every other table of the database, the journal included: its rows as text, with ``xmin``."""
    buckets: tuple[str, ...]
    uploads: tuple[str, ...]
    """Multipart uploads that were begun and neither finished nor dropped."""


def take(engine: sa.Engine, client: S3Client, buckets: Iterable[str], directories: Iterable[Path]) -> Snapshot:
    """Look at the database, at those of ``buckets`` that exist, and at all files under ``directories``."""
    with engine.connect() as connection:
        rows = {_name(row): row for row in _rows(connection, "SELECT xmin::text, * FROM archive_metadata")}
        payloads = {**_text_payloads(connection), **_binary_payloads(connection)}
        tables = {table: _as_text(connection, table) for table in _tables(connection)}
    there = {bucket["Name"] for bucket in client.list_buckets()["Buckets"]}
    existing = tuple(sorted(there & set(buckets)))
    for bucket in existing:
        payloads |= _objects(client, bucket)
    for directory in directories:
        payloads |= _files(directory)
    uploads = tuple(upload for bucket in existing for upload in _uploads(client, bucket))
    return Snapshot(rows=rows, payloads=payloads, tables=tables, buckets=existing, uploads=uploads)


def tables_of(engine: sa.Engine) -> dict[str, tuple[str, ...]]:
    """Return every table but those of the documents, as ``Snapshot.tables`` has them."""
    with engine.connect() as connection:
        return {table: _as_text(connection, table) for table in _tables(connection)}


def differences(before: Snapshot, after: Snapshot) -> list[str]:
    """Return one line for each thing that was written, added or removed between two snapshots."""
    found = [f"bucket {bucket}: only at one time" for bucket in set(before.buckets) ^ set(after.buckets)]
    found += [f"upload {upload}: only at one time" for upload in set(before.uploads) ^ set(after.uploads)]
    for kind, old, new in (
        ("row", before.rows, after.rows),
        ("payload", before.payloads, after.payloads),
        ("table", before.tables, after.tables),
    ):
        found += [
            f"{kind} {key}: {_change(old.get(key), new.get(key))}"
            for key in [*old, *(new.keys() - old.keys())]
            if old.get(key) != new.get(key)
        ]
    return found


def _change(old: object, new: object) -> str:
    if old is None:
        return "added"
    if new is None:
        return "gone"
    match old, new:
        case Payload(), Payload():
            what = "written again" if old.content == new.content else "other bytes"
            return f"{what} ({old.stamp} → {new.stamp})"
        case dict(), dict():
            return ", ".join(f"{key} {old[key]!r} → {new[key]!r}" for key in old if old[key] != new[key])
        case tuple(), tuple():
            return f"-{sorted(set(old) - set(new))} +{sorted(set(new) - set(old))}"[:2000]
        case _:
            return "changed"


def _name(row: Mapping[str, Any]) -> Name:
    return Name(row["bucket"], row["archiveId"], row["userId"], row["documentName"])


def _text_payloads(connection: sa.Connection) -> dict[str, Payload]:
    found = {}
    for row in _rows(connection, "SELECT xmin::text, * FROM archive_document"):
        text = row["jsondata"] or ""
        content = base64.decodebytes(text.encode()) if row["b64_encoded"] else text.encode()
        url = f"db://{row['userId']}/{row['bucket']}/{row['archiveId']}"
        if row["documentName"] != row["archiveId"] + ".json":
            url += f" called {row['documentName']}"
        # How the text is laid out is part of the format: a reader of another age may not skip line breaks.
        layout = hashlib.sha256(text.encode()).hexdigest()[:16]
        found[url] = Payload(content, f"xmin {row['xmin']} b64 {row['b64_encoded']} text {layout}")
    return found


def _binary_payloads(connection: sa.Connection) -> dict[str, Payload]:
    found = {}
    for row in _rows(connection, "SELECT xmin::text, * FROM object_storage"):
        url = f"db2://{row['userId']}/{row['bucket']}/{row['key']}"
        if row["version"]:
            url += f" version {row['version']}"
        found[url] = Payload(bytes(row["content"] or b""), f"xmin {row['xmin']}")
    return found


def _objects(client: S3Client, bucket: str) -> dict[str, Payload]:
    found = {}
    for key in keys(client, bucket):
        try:
            with missing_as_key_error():
                answer = client.get_object(Bucket=bucket, Key=key)
        except KeyError:
            continue  # deleted since it was listed
        stamp = f"{answer['ETag']} {answer['LastModified'].isoformat()} {answer['ContentType']} {answer['Metadata']}"
        found[f"s3://{bucket}/{key}"] = Payload(answer["Body"].read(), stamp)
    return found


def _uploads(client: S3Client, bucket: str) -> list[str]:
    answer = client.list_multipart_uploads(Bucket=bucket)
    return [f"s3://{bucket}/{upload['Key']}" for upload in answer.get("Uploads", [])]


def _files(directory: Path) -> dict[str, Payload]:
    found = {}
    for path in sorted(directory.rglob("*")):
        if path.is_file():
            stat = path.stat()
            found[f"file://{path}"] = Payload(path.read_bytes(), f"{stat.st_mtime_ns} {stat.st_ino} {stat.st_mode:o}")
    return found


def _tables(connection: sa.Connection) -> list[str]:
    listed = _rows(
        connection,
        """
        SELECT n.nspname || '.' || c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_'
        ORDER BY 1
        """,
    )
    return [row["name"] for row in listed if row["name"] not in DOCUMENT_TABLES]


def _as_text(connection: sa.Connection, table: str) -> tuple[str, ...]:
    schema, name = (f'"{part}"' for part in table.split("."))
    rows = _rows(
        connection, f"SELECT 'xmin ' || t.xmin::text || ' ' || t::text AS text FROM {schema}.{name} t ORDER BY 1"
    )
    return tuple(row["text"] for row in rows)


def _rows(connection: sa.Connection, statement: str) -> list[dict[str, Any]]:
    return [dict(row) for row in connection.execute(sa.text(statement)).mappings()]
