"""What Anchore's URL parser makes of a document's name: rules in Python, in SQL, and the parser itself."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from restow.demo.servers import PostgresServer
from schemas.backend import Db2Location, DbLocation, LocalfsLocation, Location, S3Location, SwiftLocation
from stores.addresses import BREAKS_ACCOUNT, ObjectAddress, TableAddress, object_address, table_address
from stores.interface import DocumentName, Fault, Reason
from stores.locations import Sql, content_url, content_url_sql
from stores.names import unreadable, unreadable_sql

DB = DbLocation(table="archive_document")
DB2 = Db2Location(table="object_storage")


def s3(bucket: str = "bucket", prefix: str = "") -> S3Location:
    return S3Location(endpoint="http://minio:9000", region=None, bucket=bucket, prefix=prefix)


def swift(container: str = "container", prefix: str = "") -> SwiftLocation:
    return SwiftLocation(auth_url=None, container=container, prefix=prefix)


LOCALFS = LocalfsLocation(archive_data_dir="/archive")
LOCATIONS = (DB, DB2, s3(), s3(prefix="/a%/"), s3(prefix="None"), s3(prefix="#"), s3("Bucket"), swift(), swift("C"),
             swift(prefix="?"), LOCALFS)  # fmt: skip

ODD = st.sampled_from([*"#?\t\r\n/[]@:;%+ \\", *BREAKS_ACCOUNT, "ﬁ", "e\u0301", "é", "😀", "\x85", "\u2028", "%23"])
PIECES = st.characters(exclude_categories=["Cs"], exclude_characters="\0") | ODD
TEXT = st.lists(PIECES, max_size=12).map("".join)
LONG = st.integers(1000, 1030).map(lambda length: "k" * length) | st.integers(500, 515).map(lambda length: "é" * length)
NAMES = st.builds(DocumentName, bucket=TEXT, archive_id=TEXT | LONG, user_id=TEXT, document_name=st.just("k.json"))


@pytest.fixture(scope="module")
def connection(postgres_server: PostgresServer) -> Iterator[sa.Connection]:
    url = postgres_server.url("postgres").replace("postgresql://", "postgresql+pg8000://")
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as made:
        yield made
    engine.dispose()


def ask(connection: sa.Connection, name: DocumentName, *expressions: Sql) -> tuple[object, ...]:
    """Evaluate expressions over a row ``r`` with this name."""
    columns = {"bucket": ":b", '"archiveId"': ":k", '"userId"': ":u"}
    row = ", ".join(f"CAST({param} AS varchar) AS {column}" for column, param in columns.items())
    params: dict[str, object] = {"b": name.bucket, "k": name.archive_id, "u": name.user_id}
    for expression in expressions:
        params |= expression.params
    chosen = ", ".join(expression.text for expression in expressions)
    return tuple(connection.execute(sa.text(f"SELECT {chosen} FROM (SELECT {row}) r"), params).one())


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(location=st.sampled_from(LOCATIONS), name=NAMES)
def test_sql_and_python_agree_on_every_name(connection: sa.Connection, location: Location, name: DocumentName) -> None:
    url = content_url_sql(location, row="r", param="head")
    readable = unreadable_sql(location, row="r", param="unreadable")
    assert ask(connection, name, url, readable) == (content_url(location, name), unreadable(location, name) is not None)


def test_the_parameters_of_two_locations_may_meet_in_one_statement(connection: sa.Connection) -> None:
    name = DocumentName("b", "k", "u", "k.json")
    one = unreadable_sql(s3(prefix="p"), row="r", param="one")
    other = unreadable_sql(s3(prefix="p" * 1024), row="r", param="other")
    assert ask(connection, name, one, other) == (False, True)


@settings(max_examples=1000)
@given(name=NAMES)
@example(DocumentName("b", "k", "a@b:c", ""))
@example(DocumentName("b", "k", "", ""))
def test_table_names_are_readable_where_the_parser_gives_them_back(name: DocumentName) -> None:
    try:
        parts = urlsplit(content_url(DB, name))
        bucket, slash, key = parts.path.removeprefix("/").partition("/")
        seen = (parts.netloc, bucket, key) if slash else None
    except ValueError:
        seen = None
    if seen != (name.user_id, name.bucket, name.archive_id):
        assert unreadable(DB, name) is not None
    elif not set("[]") & set(name.user_id):
        # With brackets only an account like [::1] passes, which is an address to the parser.
        assert unreadable(DB, name) is None
    assert unreadable(DB, name) == unreadable(DB2, name)


@settings(max_examples=1000)
@given(prefix=TEXT, name=NAMES)
def test_object_names_are_readable_where_the_parser_gives_them_back(prefix: str, name: DocumentName) -> None:
    location = s3(prefix=prefix)
    parts = urlsplit(content_url(location, name))
    key = f"{prefix}{name.user_id}/{name.bucket}/{name.archive_id}"
    same = (parts.hostname, parts.path.removeprefix("/")) == ("bucket", key)
    assert (unreadable(location, name) is None) == (same and len(key.encode()) <= 1024)
    assert (unreadable(swift(prefix=prefix), name) is None) == same


@pytest.mark.parametrize("location", [s3("Bucket"), swift("Container")])
def test_a_bucket_with_capitals_cannot_be_read_at_all(location: Location) -> None:
    assert "lower-case" in (unreadable(location, DocumentName("b", "k", "u", "k.json")) or "")


@pytest.mark.parametrize(
    ("name", "readable"),
    [
        (DocumentName("b", "k#?\t", "u#[]", ""), True),
        (DocumentName("b/c", "k", "u", ""), False),
        (DocumentName("b", "a/b", "u/v", ""), True),
    ],
)
def test_localfs_hashes_all_but_the_bucket(name: DocumentName, readable: bool) -> None:
    assert (unreadable(LOCALFS, name) is None) is readable


def test_the_characters_that_break_an_account_are_all_there_are() -> None:
    found = {
        character
        for character in map(chr, range(0x80, 0x110000))
        if set("/?#@:") & set(unicodedata.normalize("NFKC", character))
    }
    assert found == set(BREAKS_ACCOUNT) - set("[]")


@given(name=NAMES)
def test_an_address_is_the_physical_place_or_a_fault(name: DocumentName) -> None:
    place = table_address(content_url(DB, name), "db://")
    if unreadable(DB, name) is None:
        assert place == TableAddress(name.user_id, name.bucket, name.archive_id)
    elif "/" not in name.user_id + name.bucket:
        assert isinstance(place, Fault)
        assert place.reason is Reason.REFUSED


@given(prefix=TEXT, name=NAMES)
def test_an_object_address_is_the_physical_place_or_a_fault(prefix: str, name: DocumentName) -> None:
    location = s3(prefix=prefix)
    address = object_address(content_url(location, name), "s3://")
    if isinstance(address, Fault):
        assert unreadable(location, name) is not None
    else:
        assert address == ObjectAddress("bucket", f"{prefix}{name.user_id}/{name.bucket}/{name.archive_id}")


@pytest.mark.parametrize(
    "url", ["", "db://", "db://u", "db://u/b", "db2://u/b/k", "DB://u/b/k", "s3://u/b/k", "db://u/b/k\0"]
)
def test_what_is_no_table_address_is_a_fault(url: str) -> None:
    assert isinstance(table_address(url, "db://"), Fault)


@pytest.mark.parametrize("url", ["", "s3://", "s3://b", "s3://b/", "s3:///k", "db://u/b/k", "s3://B/k", "s3://b/k?x"])
def test_what_is_no_object_address_is_a_fault(url: str) -> None:
    assert isinstance(object_address(url, "s3://"), Fault)


def test_slashes_belong_to_the_key() -> None:
    assert object_address("s3://b//a/x", "s3://") == ObjectAddress("b", "/a/x")
    assert table_address("db://u/b//a/", "db://") == TableAddress("u", "b", "/a/")
