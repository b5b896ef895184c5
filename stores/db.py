"""Driver ``db``: payloads as text in Anchore's own table ``archive_document``.

A payload that is UTF-8 without NUL is stored as it is, any other as base64 with line breaks.
"""

from __future__ import annotations

import base64
import binascii
from functools import partial

from stores.interface import Fault, Reason
from stores.pieces import LARGE_BYTES, base64_length, base64_pieces, text_pieces
from stores.tables import ASKED, ASKED_OF_COPY, NOW, Form, Held

SAME_DOCUMENT = 'd.bucket = q.bucket AND d."archiveId" = q.key AND d."userId" = q.user_id'
# Anchore looks for (bucket, archiveId, userId) alone; of several rows the one with the usual name is the likeliest.
USUAL_NAME_FIRST = """ORDER BY d."documentName" = q.key || '.json' DESC, d."documentName" COLLATE "C" LIMIT 1"""
STORED_BYTES = "CASE WHEN d.b64_encoded THEN decode(d.jsondata, 'base64') ELSE convert_to(d.jsondata, 'UTF8') END"
REPLACE = f"""
        ON CONFLICT (bucket, "archiveId", "userId", "documentName") DO UPDATE
        SET jsondata = excluded.jsondata, b64_encoded = excluded.b64_encoded, last_updated = excluded.last_updated
        RETURNING d."userId" AS user_id, d.bucket, d."archiveId" AS key,
                  length({STORED_BYTES}) AS size, md5({STORED_BYTES}) AS md5
"""
"""The end of every statement that inserts payloads as ``d``."""


def _read(large: int) -> str:
    return f"""
        SELECT q.n, d.b64_encoded, d.length, CASE WHEN d.length <= {large:d} THEN d.jsondata END
        FROM {ASKED_OF_COPY} CROSS JOIN LATERAL (
            SELECT d.jsondata, d.b64_encoded, octet_length(d.jsondata) AS length
            FROM archive_document d WHERE {SAME_DOCUMENT} {USUAL_NAME_FIRST}) d
    """


def _insert(payloads: str) -> str:
    """A row that exists keeps its documentName, whatever that is: a second row would make Anchore read either."""
    return f"""
        INSERT INTO archive_document AS d (bucket, "archiveId", "userId", "documentName", created_at, last_updated,
                                           record_state_key, jsondata, b64_encoded)
        SELECT q.bucket, q.key, q.user_id,
               coalesce((SELECT d."documentName" FROM archive_document d WHERE {SAME_DOCUMENT} {USUAL_NAME_FIRST}),
                        q.key || '.json'),
               {NOW}, {NOW}, 'active', p.payload, q.b64
        FROM {ASKED} JOIN {payloads} ON p.n = q.n
        {REPLACE}
    """


def _held(payload: bytes) -> Held:
    """Return what Anchore writes into ``jsondata`` and ``b64_encoded``."""
    if len(payload) > LARGE_BYTES:
        if _is_text(payload):
            return Held(partial(text_pieces, payload), len(payload))
        return Held(partial(base64_pieces, payload), base64_length(len(payload)), b64_encoded=True)
    try:
        text = payload.decode()
    except UnicodeDecodeError:
        text = "\0"
    if "\0" not in text:
        return Held(text, len(payload))
    text = base64.encodebytes(payload).decode("ascii")
    return Held(text, len(text), b64_encoded=True)


def _is_text(payload: bytes) -> bool:
    try:
        return all("\0" not in piece for piece in text_pieces(payload))
    except UnicodeDecodeError:
        return False


def _payload(held: bytes, b64_encoded: bool) -> bytes | Fault:  # noqa: FBT001 - a column of the row
    if not b64_encoded:
        return held
    try:
        return base64.decodebytes(held)
    except binascii.Error as error:
        return Fault(Reason.CORRUPT, f"its base64 in archive_document cannot be read: {error}")


FORM = Form(
    table="archive_document",
    column="jsondata",
    sql_type="text",
    url="""'db://' || d."userId" || '/' || d.bucket || '/' || d."archiveId\"""",
    read=_read,
    piece=f"""
        SELECT substring(d.jsondata FROM CAST(:start AS int) FOR CAST(:count AS int)) AS held
        FROM {ASKED} CROSS JOIN LATERAL (
            SELECT d.jsondata FROM archive_document d WHERE {SAME_DOCUMENT} {USUAL_NAME_FIRST}) d
    """,
    stat=f"""
        SELECT q.n, length(d.stored) AS size, md5(d.stored) AS md5
        FROM {ASKED} CROSS JOIN LATERAL (
            SELECT {STORED_BYTES} AS stored FROM archive_document d WHERE {SAME_DOCUMENT} {USUAL_NAME_FIRST}) d
    """,
    delete=f"DELETE FROM archive_document d USING {ASKED} WHERE {SAME_DOCUMENT}",
    insert=_insert,
    held=_held,
    payload=_payload,
)
