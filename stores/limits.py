"""How large a payload a location takes. What is larger cannot be moved there, whatever is tried."""

from __future__ import annotations

from typing import assert_never

from schemas.backend import Db2Location, DbLocation, LocalfsLocation, Location, S3Location, SwiftLocation
from schemas.config import ARCHIVE_BUCKET
from stores.locations import NEVER, Sql
from stores.tables import LARGEST_VALUE

LARGEST_PUT = 5 << 30
"""Bytes that S3 takes in one PUT."""
BASE64_LINE = 57
"""Bytes of a payload that make one line of base64: 76 characters and a line break."""


def largest_payload(location: Location, *, archive: bool) -> int | None:
    """Return how many bytes a stored payload may have; None: any number.

    ``archive``: a bundle of the analysis archive, a tar.gz, which driver ``db`` holds as base64. Driver ``db2`` gets
    and gives bytes as hexadecimal text.
    """
    match location:
        case DbLocation():
            return _largest_in_base64(LARGEST_VALUE) if archive else LARGEST_VALUE
        case Db2Location():
            return (LARGEST_VALUE - len(r"\x")) // 2
        case S3Location():
            return LARGEST_PUT
        case LocalfsLocation() | SwiftLocation():
            return None
        case _:
            assert_never(location)


def too_large_sql(location: Location, *, row: str) -> Sql:
    """Return the SQL condition that holds where a row's stored size is more than the location takes.

    A row tells the size as stored at the source, if any: it may become more where the destination stores it
    uncompressed, or as base64 although it is none of the archive's, and less where the destination compresses it.
    """
    archive, other = largest_payload(location, archive=True), largest_payload(location, archive=False)
    if archive is None or other is None:
        return NEVER
    # Few rows are large: only of those the bucket is compared.
    by_bucket = f"CASE {row}.bucket WHEN '{ARCHIVE_BUCKET}' THEN {archive} ELSE {other} END"
    return Sql(f"({row}.size > {min(archive, other)} AND {row}.size > {by_bucket})")


def _largest_in_base64(room: int) -> int:
    lines, left = divmod(room, 77)
    # What is left holds a shorter line: four characters for three bytes, and its line break.
    return lines * BASE64_LINE + max(left - 1, 0) // 4 * 3
