"""Content URLs: what Anchore writes into ``archive_metadata.content_url`` for a document, and what it can read back.

Each rule is here twice, in Python and in SQL, because a plan over millions of rows cannot fetch them;
a property test holds the two together.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import assert_never

from schemas.backend import Db2Location, DbLocation, LocalfsLocation, Location, S3Location, SwiftLocation
from stores.interface import DocumentName


@dataclass(frozen=True, slots=True)
class Sql:
    """A piece of SQL with its bind parameters."""

    text: str
    params: dict[str, object] = field(default_factory=dict)


ALWAYS, NEVER = Sql("TRUE"), Sql("FALSE")


def content_url(location: Location, name: DocumentName) -> str:
    """Return the URL that Anchore writes for ``name`` on this location, to the byte."""
    match location:
        case DbLocation():
            return f"db://{name.user_id}/{name.bucket}/{name.archive_id}"
        case Db2Location():
            return f"db2://{name.user_id}/{name.bucket}/{name.archive_id}"
        case S3Location(bucket=bucket, prefix=prefix):
            return f"s3://{bucket}/{prefix}{name.user_id}/{name.bucket}/{name.archive_id}"
        case SwiftLocation(container=container, prefix=prefix):
            return f"swift://{container}/{prefix}{name.user_id}/{name.bucket}/{name.archive_id}"
        case LocalfsLocation(archive_data_dir=directory):
            key = _md5(name.archive_id)
            return f"file://{directory}/{_md5(name.user_id)}/{name.bucket}/{key[:2]}/{key}.json"
        case _:
            assert_never(location)


def content_url_sql(location: Location, *, row: str, param: str) -> Sql:
    """Return the SQL expression that gives ``content_url`` for a row of ``archive_metadata``.

    ``row`` is the alias of that table, ``param`` the name of the bind parameter that the expression brings.
    """
    tail = f"""{row}."userId" || '/' || {row}.bucket || '/' || {row}."archiveId\""""
    hashed = (
        f"""md5({row}."userId") || '/' || {row}.bucket || '/' || left(md5({row}."archiveId"), 2)"""
        f""" || '/' || md5({row}."archiveId") || '.json'"""
    )
    match location:
        case DbLocation():
            return _head(param, "db://", tail)
        case Db2Location():
            return _head(param, "db2://", tail)
        case S3Location(bucket=bucket, prefix=prefix):
            return _head(param, f"s3://{bucket}/{prefix}", tail)
        case SwiftLocation(container=container, prefix=prefix):
            return _head(param, f"swift://{container}/{prefix}", tail)
        case LocalfsLocation(archive_data_dir=directory):
            return _head(param, f"file://{directory}/", hashed)
        case _:
            assert_never(location)


def scheme(location: Location) -> str:
    """Return what a content URL must begin with to be readable on this location, whatever else it says."""
    match location:
        case DbLocation():
            return "db://"
        case Db2Location():
            return "db2://"
        case S3Location():
            return "s3://"
        case SwiftLocation():
            return "swift://"
        case LocalfsLocation():
            return "file://"
        case _:
            assert_never(location)


def same_reach(one: Location, other: Location) -> bool:
    """Whether both locations read the same URLs, so that a URL in a third place stays readable after the move."""
    match one, other:
        case (S3Location(), S3Location()):
            return (one.endpoint, one.region) == (other.endpoint, other.region)
        case (SwiftLocation(), SwiftLocation()):
            return one.auth_url == other.auth_url
        case _:
            return scheme(one) == scheme(other)


def _head(param: str, head: str, tail: str) -> Sql:
    return Sql(f"(CAST(:{param} AS text) || {tail})", {param: head})


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
