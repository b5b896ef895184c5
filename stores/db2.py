"""Driver ``db2``: payloads as bytes in Anchore's own table ``object_storage``."""

from __future__ import annotations

from functools import partial

from stores.pieces import LARGE_BYTES, byte_pieces
from stores.tables import ASKED, ASKED_OF_COPY, NOW, Form, Held

# Anchore writes no other version, and reads no other.
SAME_DOCUMENT = """d."userId" = q.user_id AND d.bucket = q.bucket AND d.key = q.key AND d.version = ''"""

REPLACE = """
        ON CONFLICT ("userId", bucket, key, version) DO UPDATE
        SET content = excluded.content, last_updated = excluded.last_updated
        RETURNING d."userId" AS user_id, d.bucket, d.key, length(d.content) AS size, md5(d.content) AS md5
"""
"""The end of every statement that inserts payloads as ``d``."""


def _read(large: int) -> str:
    return f"""
        SELECT q.n, FALSE, length(d.content), CASE WHEN length(d.content) <= {large:d} THEN d.content END
        FROM {ASKED_OF_COPY} JOIN object_storage d ON {SAME_DOCUMENT}
    """


def _insert(payloads: str) -> str:
    return f"""
        INSERT INTO object_storage AS d ("userId", bucket, key, version, content, created_at, last_updated)
        SELECT q.user_id, q.bucket, q.key, '', p.payload, {NOW}, {NOW}
        FROM {ASKED} JOIN {payloads} ON p.n = q.n
        {REPLACE}
    """


def _held(payload: bytes) -> Held:
    # The database driver sends bytes as hexadecimal text.
    size = 2 * len(payload) + 2
    return Held(partial(byte_pieces, payload) if len(payload) > LARGE_BYTES else payload, size)


FORM = Form(
    table="object_storage",
    column="content",
    sql_type="bytea",
    # A row of another version is no payload of Anchore's, and no URL names it.
    url="""CASE WHEN d.version = '' THEN 'db2://' || d."userId" || '/' || d.bucket || '/' || d.key END""",
    read=_read,
    piece=f"""
        SELECT substring(d.content FROM CAST(:start AS int) FOR CAST(:count AS int)) AS held
        FROM {ASKED} JOIN object_storage d ON {SAME_DOCUMENT}
    """,
    stat=f"""
        SELECT q.n, length(d.content) AS size, md5(d.content) AS md5
        FROM {ASKED} JOIN object_storage d ON {SAME_DOCUMENT}
    """,
    delete=f"DELETE FROM object_storage d USING {ASKED} WHERE {SAME_DOCUMENT}",
    insert=_insert,
    held=_held,
    payload=lambda held, _: held,
)
