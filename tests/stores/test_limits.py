"""How much each location takes: as numbers, as the drivers count, and as PostgreSQL compares."""

from __future__ import annotations

import base64

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from schemas.backend import Db2Location, DbLocation, LocalfsLocation, Location, S3Location, SwiftLocation
from stores import db, db2, limits
from stores.limits import largest_payload, too_large_sql
from stores.tables import LARGEST_VALUE

DB = DbLocation(table="archive_document")
DB2 = Db2Location(table="object_storage")
S3 = S3Location(endpoint="http://minio:9000", region=None, bucket="bucket", prefix="")
LOCALFS = LocalfsLocation(archive_data_dir="/archive")
SWIFT = SwiftLocation(auth_url=None, container="c", prefix="")
GIB = 1 << 30


@given(room=st.integers(0, 1000))
def test_what_fits_into_base64_is_the_most_that_fits(room: int) -> None:
    fits = [n for n in range(room + 1) if len(base64.encodebytes(bytes(n))) <= room]
    assert limits._largest_in_base64(room) == fits[-1]


def test_the_tables_take_what_their_drivers_can_send() -> None:
    for length in (0, 1, 56, 57, 58, 1000):
        assert db.FORM.held(b"x" * length).size == length
        assert db.FORM.held(b"\xff" * length).size == len(base64.encodebytes(bytes(length)))
        assert db2.FORM.held(b"x" * length).size == 2 * length + 2
    assert largest_payload(DB, archive=False) == LARGEST_VALUE
    assert largest_payload(DB, archive=True) == limits._largest_in_base64(LARGEST_VALUE)
    for archive in (False, True):
        largest = largest_payload(DB2, archive=archive)
        assert largest is not None
        assert 2 * largest + 2 <= LARGEST_VALUE < 2 * (largest + 1) + 2


def test_s3_takes_five_gibibytes_and_a_directory_anything() -> None:
    assert largest_payload(S3, archive=False) == largest_payload(S3, archive=True) == 5 * GIB
    assert largest_payload(LOCALFS, archive=True) is None
    assert largest_payload(SWIFT, archive=True) is None


@pytest.mark.parametrize("location", [DB, DB2, S3], ids=["db", "db2", "s3"])
@pytest.mark.parametrize("bucket", ["analysis_archive", "analysis_data"])
def test_one_byte_more_is_too_much(engine: sa.Engine, location: Location, bucket: str) -> None:
    largest = largest_payload(location, archive=bucket == "analysis_archive")
    assert largest is not None
    assert [ask(engine, location, bucket, size) for size in (0, largest, largest + 1, None)] == [
        False,
        False,
        True,
        None,
    ]


@pytest.mark.parametrize("location", [LOCALFS, SWIFT], ids=["localfs", "swift"])
def test_nothing_is_too_much_where_there_is_no_limit(engine: sa.Engine, location: Location) -> None:
    assert ask(engine, location, "analysis_archive", 1 << 62) is False


def ask(engine: sa.Engine, location: Location, bucket: str, size: int | None) -> object:
    condition = too_large_sql(location, row="r")
    row = "SELECT CAST(:bucket AS varchar) AS bucket, CAST(:size AS bigint) AS size"
    with engine.connect() as connection:
        asked = sa.text(f"SELECT {condition.text} FROM ({row}) r")
        return connection.execute(asked, {"bucket": bucket, "size": size, **condition.params}).scalar_one()
