"""An Anchore database to try things on: Anchore's tables, and documents in them as its driver ``db`` stores them.

Anchore makes more tables than these; here are the ones that a migration reads or writes, with all their columns.
As in Anchore, no column has a default in the database.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable

from restow.demo.corpus import Document
from schemas.backend import DbLocation
from schemas.config import ARCHIVE_BUCKET
from stores.database import Database, Transaction
from stores.locations import content_url

STOPPED_AT = 1_750_000_000
"""Last heartbeat of the services (epoch seconds): long ago, so that they count as stopped."""

RECORD = """
    created_at integer,
    last_updated integer,
    record_state_key varchar,
    record_state_val varchar"""

TABLES = (
    f"""CREATE TABLE archive_metadata (
    bucket varchar,
    "archiveId" varchar,
    "userId" varchar,
    "documentName" varchar,
    content_url varchar,
    is_compressed boolean,
    digest varchar,
    size bigint,
    document_metadata varchar,{RECORD},
    PRIMARY KEY (bucket, "archiveId", "userId", "documentName"))""",
    f"""CREATE TABLE archive_document (
    bucket varchar,
    "archiveId" varchar,
    "userId" varchar,
    "documentName" varchar,{RECORD},
    jsondata varchar,
    b64_encoded boolean,
    PRIMARY KEY (bucket, "archiveId", "userId", "documentName"))""",
    """CREATE TABLE object_storage (
    "userId" varchar,
    bucket varchar,
    key varchar,
    version varchar,
    object_metadata varchar,
    content bytea,
    created_at integer,
    last_updated integer,
    PRIMARY KEY ("userId", bucket, key, version))""",
    "CREATE TYPE task_states AS ENUM ('initializing', 'pending', 'running', 'complete', 'failed')",
    """CREATE TABLE tasks (
    id serial PRIMARY KEY,
    state task_states,
    last_state task_states,
    created_at timestamp,
    started_at timestamp,
    ended_at timestamp,
    last_updated timestamp,
    executor_id varchar,
    type varchar)""",
    """CREATE TABLE archive_migration_tasks (
    id integer PRIMARY KEY REFERENCES tasks (id),
    migrate_from_driver varchar,
    migrate_to_driver varchar,
    archive_documents_to_migrate integer,
    archive_documents_migrated integer,
    online_migration boolean)""",
    f"""CREATE TABLE services (
    hostid varchar,
    servicename varchar,{RECORD},
    type varchar,
    version varchar,
    base_url varchar,
    short_description varchar,
    status boolean,
    status_message varchar,
    heartbeat integer,
    PRIMARY KEY (hostid, servicename))""",
    f"""CREATE TABLE catalog_archived_images (
    account varchar,
    "imageDigest" varchar,
    "parentDigest" varchar,
    image_record_created_at integer,
    image_record_last_updated integer,
    analyzed_at integer,
    status varchar,
    annotations json,
    manifest_bucket varchar,
    manifest_key varchar,
    archive_size_bytes bigint,{RECORD},
    PRIMARY KEY (account, "imageDigest"))""",
)

INSERT_PAYLOAD = """INSERT INTO archive_document
    (bucket, "archiveId", "userId", "documentName", created_at, last_updated, record_state_key,
     jsondata, b64_encoded)
    VALUES (:bucket, :archive_id, :user_id, :document_name, :at, :at, 'active', :jsondata, :b64_encoded)"""

INSERT_ROW = """INSERT INTO archive_metadata
    (bucket, "archiveId", "userId", "documentName", created_at, last_updated, record_state_key,
     content_url, is_compressed, digest, size)
    VALUES (:bucket, :archive_id, :user_id, :document_name, :at, :at, 'active', :url, false, :digest, :size)"""

INSERT_ARCHIVED_IMAGES = """INSERT INTO catalog_archived_images
    (account, "imageDigest", image_record_created_at, image_record_last_updated, analyzed_at, status,
     manifest_bucket, manifest_key, archive_size_bytes, created_at, last_updated, record_state_key)
    SELECT "userId", replace("archiveId", '.tar.gz', ''), created_at, created_at, created_at, 'archived',
           bucket, "archiveId", size, created_at, last_updated, 'active'
    FROM archive_metadata WHERE bucket = :bucket"""

INSERT_SERVICE = """INSERT INTO services
    (hostid, servicename, type, version, base_url, status, status_message, heartbeat, created_at, last_updated,
     record_state_key)
    VALUES (:host, :name, 'anchore', '1.1.0', :url, true, 'available', :heartbeat, :heartbeat, :heartbeat, 'active')"""

ROWS_BY_SCHEME = """SELECT split_part(content_url, '://', 1) AS scheme, count(*) AS documents
    FROM archive_metadata GROUP BY 1 ORDER BY 1"""
PAYLOADS_HELD = "SELECT count(*) AS documents FROM archive_document"

SERVICES = (
    ("anchore-catalog-0", "catalog", 8082),
    ("anchore-policy-0", "policy_engine", 8087),
    ("anchore-api-0", "apiext", 8228),
    ("anchore-queue-0", "simplequeue", 8083),
    ("anchore-analyzer-0", "analyzer", 8084),
)


def create(database: Database) -> None:
    with database.transaction() as transaction:
        for table in TABLES:
            transaction.execute(table)


def fill(database: Database, documents: Iterable[Document]) -> None:
    """Store ``documents`` as a deployment that was just stopped left them, with its archived images and services."""
    with database.transaction() as transaction:
        for document in documents:
            _insert(transaction, document)
        transaction.execute(INSERT_ARCHIVED_IMAGES, bucket=ARCHIVE_BUCKET)
        for host, name, port in SERVICES:
            url = f"http://{host}:{port}"
            transaction.execute(INSERT_SERVICE, host=host, name=name, url=url, heartbeat=STOPPED_AT)


def places(database: Database) -> str:
    """Say where the rows point and what the table of the driver ``db`` still holds, as plain SQL sees it."""
    with database.transaction(snapshot=True) as transaction:
        rows = transaction.rows(ROWS_BY_SCHEME)
        held = transaction.one(PAYLOADS_HELD)
    urls = ", ".join(f"{row.documents} at {row.scheme}://" for row in rows)
    return f"archive_metadata has {urls}; archive_document holds {held.documents} payloads"


def _insert(transaction: Transaction, document: Document) -> None:
    key = document.name._asdict()
    text, encoded = _text(document.payload)
    transaction.execute(INSERT_PAYLOAD, **key, at=document.created_at, jsondata=text, b64_encoded=encoded)
    transaction.execute(
        INSERT_ROW,
        **key,
        at=document.created_at,
        url=content_url(DbLocation(table="archive_document"), document.name),
        digest=hashlib.md5(document.payload, usedforsecurity=False).hexdigest(),
        size=len(document.payload),
    )


def _text(payload: bytes) -> tuple[str, bool]:
    """Return what ``jsondata`` and ``b64_encoded`` hold for this payload."""
    try:
        return payload.decode(), False
    except UnicodeDecodeError:
        return base64.encodebytes(payload).decode("ascii"), True
