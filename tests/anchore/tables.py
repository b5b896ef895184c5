"""Anchore's tables, as its own versions create them: mixed-case columns are quoted, nothing has a default."""

from __future__ import annotations

import sqlalchemy as sa

NAME = """bucket varchar NOT NULL, "archiveId" varchar NOT NULL, "userId" varchar NOT NULL,
        "documentName" varchar NOT NULL"""
RECORD = """created_at integer, last_updated integer, record_state_key varchar, record_state_val varchar"""

DDL = (
    f"""
    CREATE TABLE archive_metadata (
        {NAME},
        content_url varchar, is_compressed boolean, digest varchar, size bigint, document_metadata varchar,
        {RECORD},
        PRIMARY KEY (bucket, "archiveId", "userId", "documentName"))
    """,
    f"""
    CREATE TABLE archive_document (
        {NAME},
        {RECORD},
        jsondata varchar, b64_encoded boolean,
        PRIMARY KEY (bucket, "archiveId", "userId", "documentName"))
    """,
    """
    CREATE TABLE object_storage (
        "userId" varchar NOT NULL, bucket varchar NOT NULL, key varchar NOT NULL, version varchar NOT NULL,
        object_metadata varchar, content bytea, created_at integer, last_updated integer,
        PRIMARY KEY ("userId", bucket, key, version))
    """,
    "CREATE TYPE task_states AS ENUM ('initializing', 'pending', 'running', 'complete', 'failed')",
    """
    CREATE TABLE tasks (
        id serial PRIMARY KEY, state task_states, last_state task_states, created_at timestamp, started_at timestamp,
        ended_at timestamp, last_updated timestamp, executor_id varchar, type varchar)
    """,
    """
    CREATE TABLE archive_migration_tasks (
        id integer PRIMARY KEY REFERENCES tasks (id), migrate_from_driver varchar, migrate_to_driver varchar,
        archive_documents_to_migrate integer, archive_documents_migrated integer, online_migration boolean)
    """,
    f"""
    CREATE TABLE services (
        hostid varchar NOT NULL, servicename varchar NOT NULL, {RECORD},
        version varchar, base_url varchar, short_description varchar, heartbeat integer, status boolean,
        status_message varchar,
        PRIMARY KEY (hostid, servicename))
    """,
    f"""
    CREATE TABLE catalog_archived_images (
        account varchar NOT NULL, "imageDigest" varchar NOT NULL, "parentDigest" varchar,
        image_record_created_at integer, image_record_last_updated integer, analyzed_at integer, status varchar,
        annotations json, manifest_bucket varchar, manifest_key varchar, archive_size_bytes bigint, {RECORD},
        PRIMARY KEY (account, "imageDigest"))
    """,
    # An edition that adds a column of its own: nobody may assume to know them all.
    "ALTER TABLE archive_metadata ADD COLUMN enterprise_note varchar",
)

STOPPED_SERVICES = (("anchore-catalog-0", "catalog"), ("anchore-api-0", "apiext"), ("anchore-analyzer-0", "analyzer"))
STOPPED_AT = 1_600_000_000
"""Epoch seconds of the last heartbeat: years ago, so nobody waits for the next."""


def create(engine: sa.Engine) -> None:
    """Create all tables, and the rows of services that were stopped long ago."""
    with engine.begin() as connection:
        for statement in DDL:
            connection.execute(sa.text(statement))
        for host, service in STOPPED_SERVICES:
            connection.execute(
                sa.text(
                    "INSERT INTO services (hostid, servicename, heartbeat, status, record_state_key)"
                    " VALUES (:host, :service, :heartbeat, true, 'active')"
                ),
                {"host": host, "service": service, "heartbeat": STOPPED_AT},
            )
