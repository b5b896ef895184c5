"""Pieces of SQL that say how a copy (alias ``c``) and Anchore's row (alias ``r``) stand to each other."""

from __future__ import annotations

from stores.catalog import NAME_TYPES

UNCHANGED = """(c.old_url IS NOT DISTINCT FROM r.content_url AND c.old_digest IS NOT DISTINCT FROM r.digest
            AND c.old_size IS NOT DISTINCT FROM r.size AND c.old_compressed IS NOT DISTINCT FROM r.is_compressed)"""
AS_SWITCHED = """(c.new_url IS NOT DISTINCT FROM r.content_url AND c.new_digest IS NOT DISTINCT FROM r.digest
            AND c.new_size IS NOT DISTINCT FROM r.size AND c.new_compressed IS NOT DISTINCT FROM r.is_compressed)"""
SAME_DOCUMENT = """(c.bucket = r.bucket AND c.archive_id = r."archiveId"
            AND c.user_id = r."userId" AND c.document_name = r."documentName")"""
READY = f"(c.state = 'copied' AND {UNCHANGED} AND c.old_updated IS NOT DISTINCT FROM r.last_updated)"
"""A copy that may be switched to: what was copied is still what the row says."""
DONE = f"(c.state IN ('switched', 'cleaned') AND {AS_SWITCHED})"
ACCEPTED = f"(c.state = 'accepted' AND {UNCHANGED} AND c.old_updated IS NOT DISTINCT FROM r.last_updated)"
"""A row that the plan accepts to leave as it is, and that has not changed since."""

INTENT = (
    "bucket, archive_id, user_id, document_name, old_url, old_digest, old_size, old_compressed, old_updated, new_url"
)
INTENT_TYPES = (
    f"{NAME_TYPES}, old_url text, old_digest text, old_size bigint, old_compressed boolean, old_updated bigint, "
    "new_url text"
)
COPIED_TYPES = (
    f"{NAME_TYPES}, new_digest text, new_size bigint, new_compressed boolean, content_sha256 text, found boolean"
)
COPY_KEY = "c.bucket, c.archive_id, c.user_id, c.document_name"
KEYS_MATCH = """(c.route = n.route AND c.bucket = n.bucket AND c.archive_id = n.archive_id
            AND c.user_id = n.user_id AND c.document_name = n.document_name)"""
"""Whether a copy is the one that a row of ``listed`` names."""


def listed(types: str = NAME_TYPES) -> str:
    """Return the batch that travels as JSON in the parameter ``names``, as ``n``, each of its rows with the ``route``.

    PostgreSQL knows nothing yet about a table that is just being filled. If it saw that all copies of a batch have one
    route it would take them for few, and compare each copy of the route with each name of the batch.
    """
    rows = f"jsonb_to_recordset(CAST(:names AS jsonb)) AS n({types})"
    return f"(SELECT CAST(:route AS integer) AS route, n.* FROM {rows} OFFSET 0) n"


def unguessed(condition: str) -> str:
    """Return the condition as one truth value, of which PostgreSQL expects every other row.

    If it expected few, by what it knew of the table some minutes ago, it would sort them all for each page.
    """
    return f"(CASE WHEN {condition} THEN TRUE ELSE FALSE END)"


def each_copy() -> str:
    """Return the join that looks up the copy ``c`` on the ``:route`` of each row, by its key, none where there is none.

    A page is few rows of many. Left to choose, PostgreSQL would at times join the tables as a whole for it: it knows
    nothing yet about a table that is just being filled.
    """
    copy = f"SELECT * FROM restow.copy c WHERE c.route = :route AND {SAME_DOCUMENT}"
    return f"LEFT JOIN LATERAL ({copy} OFFSET 0) c ON TRUE"


def each_row(columns: str) -> str:
    """Return the join that looks up Anchore's row ``r`` of each copy in the same way."""
    return f"LEFT JOIN LATERAL (SELECT {columns} FROM archive_metadata r WHERE {SAME_DOCUMENT} OFFSET 0) r ON TRUE"


def restorable(route_id: int | None) -> str:
    """Whether a switched copy on this route can put the row back as it was, so that it needs no copy."""
    if route_id is None:
        return "FALSE"
    return f"""EXISTS (
        SELECT FROM restow.copy c WHERE c.route = {route_id:d} AND c.state = 'switched'
               AND {SAME_DOCUMENT} AND {AS_SWITCHED})"""


def left_alone(route_id: int | None) -> str:
    """Whether the plan of that route accepted to leave the row as it is, and it has not changed since."""
    if route_id is None:
        return "FALSE"
    return f"EXISTS (SELECT FROM restow.copy c WHERE c.route = {route_id:d} AND {SAME_DOCUMENT} AND {ACCEPTED})"
