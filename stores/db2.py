"""Driver ``db2``: payloads as bytes in Anchore's own table ``object_storage``."""

from __future__ import annotations

from typing import Any

from stores.tables import ASKED, NOW, Form, Held, values

# Anchore writes no other version, and reads no other.
SAME_DOCUMENT = """d."userId" = q.user_id AND d.bucket = q.bucket AND d.key = q.key AND d.version = ''"""

REPLACE = """
        ON CONFLICT ("userId", bucket, key, version) DO UPDATE
        SET content = excluded.content, last_updated = excluded.last_updated
        RETURNING d."userId" AS user_id, d.bucket, d.key, length(d.content) AS size, md5(d.content) AS md5
"""
"""The end of every statement that inserts payloads as ``d``."""


def _insert(count: int) -> str:
    return f"""
        INSERT INTO object_storage AS d ("userId", bucket, key, version, content, created_at, last_updated)
        SELECT q.user_id, q.bucket, q.key, '', p.payload, {NOW}, {NOW}
        FROM {ASKED} JOIN {values(count, "bytea")} ON p.n = q.n
        {REPLACE}
    """


def _held(payload: bytes) -> Held:
    # The database driver sends bytes as hexadecimal text.
    return Held(payload, 2 * len(payload) + 2)


def _payload(row: Any) -> bytes | None:
    content: bytes | None = row.content
    return content


FORM = Form(
    table="object_storage",
    column="content",
    url="""'db2://' || d."userId" || '/' || d.bucket || '/' || d.key""",
    read=f"SELECT q.n, d.content FROM {ASKED} JOIN object_storage d ON {SAME_DOCUMENT}",
    stat=f"""
        SELECT q.n, length(d.content) AS size, md5(d.content) AS md5
        FROM {ASKED} JOIN object_storage d ON {SAME_DOCUMENT}
    """,
    delete=f"DELETE FROM object_storage d USING {ASKED} WHERE {SAME_DOCUMENT}",
    insert=_insert,
    held=_held,
    payload=_payload,
)
