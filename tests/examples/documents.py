"""What the database of each example holds: one table, and the rows that it stands for."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import sqlalchemy as sa

from tests.anchore.config import Config, Db, url_for
from tests.anchore.documents import Document

ACCOUNTS = ("admin", "team-blue")
WRITTEN_AT = 1_700_000_000


class Tally(NamedTuple):
    documents: int
    size: int
    """Bytes stored, of all that know their size."""
    without_digest: int = 0
    """Of the documents: written by a version that knew neither digest nor size."""


DOCUMENTS: Mapping[str, Tally] = {
    "analysis_archive": Tally(14, 58_720_259),
    "analysis_data": Tally(420, 987_654_321),
    "image_content_data": Tally(840, 96_468_992),
    "manifest_data": Tally(420, 1_720_337),
    "parent_manifest_data": Tally(35, 61_250),
    "policy_bundles": Tally(3, 48_111),
    "policy_evaluations": Tally(260, 5_324_800),
    "query_data": Tally(25, 40_961),
    "vulnerability_scan": Tally(420, 201_326_592),
}
"""Bucket by bucket, what stands in the database of every example that is not about its documents."""
NO_ARCHIVED_IMAGE = {bucket: tally for bucket, tally in DOCUMENTS.items() if bucket != "analysis_archive"}
VERY_OLD = {**DOCUMENTS, "analysis_data": Tally(420, 987_654_321, without_digest=40)}


def fill(engine: sa.Engine, config: Config, documents: Mapping[str, Tally]) -> None:
    """Write the rows as Anchore under ``config`` leaves them; planning needs no payloads."""
    rows = [row for bucket, tally in documents.items() for row in _rows(config, bucket, tally)]
    with engine.begin() as connection:
        connection.execute(
            sa.text(
                """
                INSERT INTO archive_metadata (bucket, "archiveId", "userId", "documentName", content_url,
                    is_compressed, digest, size, created_at, last_updated, record_state_key)
                SELECT bucket, key, account, key || '.json', url, is_compressed, digest, size, :at, :at, 'active'
                FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r(bucket text, key text, account text, url text,
                    is_compressed boolean, digest text, size bigint)
                """
            ),
            {"rows": json.dumps(rows), "at": WRITTEN_AT},
        )


def _rows(config: Config, bucket: str, tally: Tally) -> Iterator[dict[str, Any]]:
    measured = tally.documents - tally.without_digest
    each, rest = divmod(tally.size, measured)
    for number in range(tally.documents):
        key = f"sha256:{hashlib.sha256(f'{bucket} {number}'.encode()).hexdigest()}"
        document = Document(bucket, key, ACCOUNTS[number % len(ACCOUNTS)], b"")
        section = config.section(document.store)
        known: dict[str, Any] = {
            "is_compressed": section.compress_above_kbytes is not None and not isinstance(section.place, Db),
            "digest": hashlib.md5(key.encode(), usedforsecurity=False).hexdigest(),
            "size": each + (number < rest),
        }
        if number >= measured:
            known = dict.fromkeys(known)
        yield {
            "bucket": bucket,
            "key": key,
            "account": document.user_id,
            "url": url_for(section.place, document),
            **known,
        }
