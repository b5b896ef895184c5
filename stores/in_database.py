"""Payloads that go from one of Anchore's tables to the other: PostgreSQL copies them, and takes the digests."""

from __future__ import annotations

import json
from collections.abc import Sequence

from schemas.backend import Db2Location, DbLocation
from stores import db, db2
from stores.addresses import TableAddress, table_address
from stores.database import Database
from stores.direct import Transit
from stores.interface import Absent, Fault, Stat
from stores.locations import scheme
from stores.tables import NOW, narrowing, refused

PAIRS = """jsonb_to_recordset(CAST(:asked AS jsonb)) AS q(n int, user_id text, bucket text, key text,
                                                            new_user text, new_bucket text, new_key text,
                                                            digest text, size bigint)"""

# A bundle of the archive begins like this, and so is no UTF-8. Whatever else is none makes the statement fail:
# PostgreSQL has no way to ask.
IS_GZIP = "substring(s.content FOR 2) = decode('1f8b', 'hex')"
# As Anchore's encodebytes has it: each line ends, the last one too. Where that one is full, encode() has ended it.
AS_BASE64 = r"rtrim(encode(s.content, 'base64'), E'\n') || E'\n'"

TO_DB2 = f"""
    INSERT INTO object_storage AS d ("userId", bucket, key, version, content, created_at, last_updated)
    SELECT q.new_user, q.new_bucket, q.new_key, '', s.stored, {NOW}, {NOW}
    FROM {PAIRS} CROSS JOIN LATERAL (
        SELECT {db.STORED_BYTES} AS stored FROM archive_document d
        WHERE {db.SAME_DOCUMENT} {db.USUAL_NAME_FIRST}) s
    WHERE length(s.stored) = q.size AND md5(s.stored) = q.digest
    {db2.REPLACE}
"""
TO_DB = f"""
    INSERT INTO archive_document AS d (bucket, "archiveId", "userId", "documentName", created_at, last_updated,
                                       record_state_key, jsondata, b64_encoded)
    SELECT q.new_bucket, q.new_key, q.new_user,
           coalesce((SELECT d."documentName" FROM archive_document d
                     WHERE d.bucket = q.new_bucket AND d."archiveId" = q.new_key AND d."userId" = q.new_user
                     {db.USUAL_NAME_FIRST}),
                    q.new_key || '.json'),
           {NOW}, {NOW}, 'active',
           CASE WHEN {IS_GZIP} THEN {AS_BASE64} ELSE convert_from(s.content, 'UTF8') END, {IS_GZIP}
    FROM {PAIRS} JOIN object_storage s
      ON s."userId" = q.user_id AND s.bucket = q.bucket AND s.key = q.key AND s.version = ''
    WHERE length(s.content) = q.size AND md5(s.content) = q.digest
    {db.REPLACE}
"""


class InDatabase:
    """From the table of one driver to the table of the other, within one database."""

    def __init__(
        self, database: Database, source: DbLocation | Db2Location, destination: DbLocation | Db2Location
    ) -> None:
        self._database = database
        self._schemes = scheme(source), scheme(destination)
        self._statement = TO_DB2 if isinstance(destination, Db2Location) else TO_DB

    def copy(self, payloads: Sequence[Transit]) -> list[Stat | Absent | Fault]:
        # One that only Python can read or write, or two that go to one place, spoil a statement.
        return narrowing(self._copy, payloads, refused)

    def _copy(self, payloads: Sequence[Transit]) -> list[Stat | Absent | Fault]:
        old, new = self._schemes
        pairs = [(table_address(one.old_url, old), table_address(one.new_url, new)) for one in payloads]
        asked = [
            {"n": n, **source._asdict(), "new_user": to.user_id, "new_bucket": to.bucket, "new_key": to.key}
            | {"digest": one.digest, "size": one.size}
            for n, (one, (source, to)) in enumerate(zip(payloads, pairs, strict=True))
            if isinstance(source, TableAddress) and isinstance(to, TableAddress)
        ]
        rows = self._database.run(lambda opened: opened.rows(self._statement, asked=json.dumps(asked)))
        stored = {(row.user_id, row.bucket, row.key): Stat(size=row.size, md5=row.md5) for row in rows}
        return [stored.get(to, Absent()) if isinstance(to, TableAddress) else to for _, to in pairs]
