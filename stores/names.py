"""Which documents Anchore can write to a location but not read back from it: rules about names alone.

Each rule is here twice, in Python and in SQL, because a plan over millions of rows cannot fetch them;
a property test holds the two together.
"""

from __future__ import annotations

from typing import assert_never

from schemas.backend import Db2Location, DbLocation, LocalfsLocation, Location, S3Location, SwiftLocation
from stores.addresses import BREAKS_ACCOUNT, CUT, holds_any
from stores.interface import DocumentName
from stores.locations import Sql

LONGEST_KEY = 1024
"""Bytes of an S3 key in UTF-8, prefix included."""
BREAKS_TABLE_ACCOUNT = "/" + BREAKS_ACCOUNT
CUTS = "Anchore's URL parser cuts its URL at # and ?, and drops tabs and line breaks"
ACCOUNT = "Anchore's URL parser rejects or cuts the account: it holds a slash, a bracket or what looks like / ? # @ :"
SLASH_IN_BUCKET = "Anchore takes the slash in the bucket for the end of its name"
CAPITALS = "Anchore's URL parser makes the bucket's or container's name lower-case"
TOO_LONG = f"its key is longer than {LONGEST_KEY} bytes"


def unreadable(location: Location, name: DocumentName) -> str | None:
    """Say why Anchore could not read that document back from that location; None: it can."""
    match location:
        case DbLocation() | Db2Location():
            return _unreadable_row(name)
        case S3Location(bucket=bucket, prefix=prefix):
            key = f"{prefix}{name.user_id}/{name.bucket}/{name.archive_id}"
            too_long = len(key.encode()) > LONGEST_KEY
            return _unreadable_object(bucket, key) or (TOO_LONG if too_long else None)
        case SwiftLocation(container=container, prefix=prefix):
            return _unreadable_object(container, f"{prefix}{name.user_id}/{name.bucket}/{name.archive_id}")
        case LocalfsLocation():
            return SLASH_IN_BUCKET if "/" in name.bucket else None
        case _:
            assert_never(location)


def unreadable_sql(location: Location, *, row: str, param: str) -> Sql:
    """Return the SQL condition that holds where ``unreadable`` gives a reason.

    ``row`` is the alias of ``archive_metadata``. All parameters begin with ``param``.
    """
    user, bucket, key = f'{row}."userId"', f"{row}.bucket", f'{row}."archiveId"'
    cut = _holds_any(f"({user} || {bucket} || {key})", f"{param}_cut")
    slash_in_bucket = f"strpos({bucket}, '/') > 0"
    match location:
        case DbLocation() | Db2Location():
            breaks = _holds_any(user, f"{param}_account")
            return Sql(
                f"({cut} OR {breaks} OR {slash_in_bucket})",
                {f"{param}_cut": _one_of(CUT), f"{param}_account": _one_of(BREAKS_TABLE_ACCOUNT)},
            )
        case S3Location(bucket=name, prefix=prefix):
            if _unreadable_object(name, prefix):
                return Sql("TRUE")
            whole = f"(CAST(:{param}_prefix AS text) || {user} || '/' || {bucket} || '/' || {key})"
            return Sql(
                f"({cut} OR octet_length({whole}) > {LONGEST_KEY})",
                {f"{param}_cut": _one_of(CUT), f"{param}_prefix": prefix},
            )
        case SwiftLocation(container=name, prefix=prefix):
            if _unreadable_object(name, prefix):
                return Sql("TRUE")
            return Sql(cut, {f"{param}_cut": _one_of(CUT)})
        case LocalfsLocation():
            return Sql(f"({slash_in_bucket})")
        case _:
            assert_never(location)


def _unreadable_row(name: DocumentName) -> str | None:
    if holds_any(f"{name.user_id}{name.bucket}{name.archive_id}", CUT):
        return CUTS
    if holds_any(name.user_id, BREAKS_TABLE_ACCOUNT):
        return ACCOUNT
    return SLASH_IN_BUCKET if "/" in name.bucket else None


def _unreadable_object(bucket: str, key: str) -> str | None:
    if holds_any(bucket + key, CUT):
        return CUTS
    return CAPITALS if bucket != bucket.lower() else None


def _holds_any(expression: str, param: str) -> str:
    # A sixth of what translate() costs, and a plan asks it of every row.
    return f"({expression} ~ CAST(:{param} AS text))"


def _one_of(characters: str) -> str:
    """Return the regular expression for one of them; a closing bracket means itself in the first place only."""
    closing = "]" if "]" in characters else ""
    return f"[{closing}{characters.replace(']', '')}]"
