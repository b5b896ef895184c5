"""Payloads that do not pass through restow: inside PostgreSQL, and by the S3 server."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from restow.demo.servers import S3Server
from schemas.backend import Db2Location, DbLocation
from schemas.plan import Transfer
from stores import db, db2
from stores.database import Database
from stores.direct import DirectCopy, Transit
from stores.interface import Absent, DocumentName, Fault, Stat, Store
from stores.locations import content_url
from stores.opening import open_direct
from stores.tables import TableStore
from tests.anchore import canaries
from tests.anchore.s3 import Clients
from tests.stores.conformance import KEYS, PAYLOADS, TEXT, document, md5
from tests.stores.s3_places import S3Place, driver, open_s3

GZIP = b"\x1f\x8b\x08\0\0\0\0\0\xff\xfe\0"
ZLIB = b"\x78\x9c\xff\xfe\0"
SMALL = {kind: payload for kind, payload in PAYLOADS.items() if len(payload) < 1_000_000}
NO_TEXT = ["not UTF-8", "NUL in text", "a NUL alone", "a surrogate in UTF-8"]


@dataclass
class Way:
    """Two stores, and the direct way between them."""

    transfer: Transfer
    source: Store
    destination: Store
    database: Database

    @property
    def direct(self) -> DirectCopy:
        way = open_direct(self.transfer, self.source, self.destination, self.database)
        assert way is not None
        return way

    def plant(self, name: DocumentName, payload: bytes) -> Transit:
        """Store a payload at the source; what would be asked for with a row that fits."""
        old, new = (content_url(one.backend.location, name) for one in (self.source, self.destination))
        (stored,) = self.source.write([(old, payload)])
        assert isinstance(stored, Stat)
        return Transit(old, new, md5(payload), len(payload))

    def there(self, asked: Transit) -> bytes | Absent | Fault:
        return self.destination.read([asked.new_url])[0]


@pytest.fixture(params=["db_to_db2", "db2_to_db", "s3_to_s3"])
def way(request: pytest.FixtureRequest) -> Way:
    made: Way = request.getfixturevalue(request.param)
    return made


@pytest.fixture
def tables(database: Database) -> tuple[TableStore, TableStore]:
    return (
        TableStore(database, DbLocation(table="archive_document"), db.FORM),
        TableStore(database, Db2Location(table="object_storage"), db2.FORM),
    )


@pytest.fixture
def db_to_db2(tables: tuple[TableStore, TableStore], database: Database) -> Way:
    return Way("in_database", tables[0], tables[1], database)


@pytest.fixture
def db2_to_db(tables: tuple[TableStore, TableStore], database: Database) -> Way:
    return Way("in_database", tables[1], tables[0], database)


@pytest.fixture
def buckets(s3_server: S3Server, clients: Clients, numbers: Iterator[int]) -> Iterator[tuple[S3Place, S3Place]]:
    """Two buckets of one server, the second with a prefix."""
    client = clients.at(s3_server.url, s3_server.access_key, s3_server.secret_key)
    number = next(numbers)
    places: list[S3Place] = []
    for prefix in ("", "team/"):
        bucket = f"direct-{number}-{len(places)}"
        client.create_bucket(Bucket=bucket)
        places.append(S3Place(open_s3(driver(s3_server.url, bucket, prefix=prefix)), client, bucket, prefix))
    yield places[0], places[1]
    for place in places:
        place.store.close()


@pytest.fixture
def s3_to_s3(buckets: tuple[S3Place, S3Place], database: Database) -> Way:
    source, destination = (place.store for place in buckets)
    destination.prove_digests(f"s3://{buckets[1].bucket}/{buckets[1].prefix}probe")
    return Way("server_side_copy", source, destination, database)


def arrived(said: object) -> tuple[str | None, int] | None:
    """Return the digest, or what is claimed to be it, and the size of what an answer says the destination holds."""
    return (said.md5 or said.claim, said.size) if isinstance(said, Stat) else None


@pytest.mark.parametrize("payload", SMALL.values(), ids=SMALL.keys())
def test_a_payload_arrives_byte_for_byte_and_the_destination_says_so(way: Way, payload: bytes) -> None:
    asked = way.plant(document("k"), payload)
    (said,) = way.direct.copy([asked])
    if isinstance(said, Fault):
        assert way.there(asked) == Absent()
        assert payload in [PAYLOADS[kind] for kind in NO_TEXT], "only what is no text cannot go into a column of text"
        assert content_url(DbLocation(table="archive_document"), document("k")) == asked.new_url
    else:
        assert arrived(said) == (asked.digest, asked.size)
        assert way.there(asked) == payload


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS.keys())
def test_under_every_name(way: Way, key: str) -> None:
    asked = way.plant(document(key), TEXT)
    (said,) = way.direct.copy([asked])
    assert arrived(said) == (asked.digest, asked.size)
    assert way.there(asked) == TEXT


def test_many_at_once_and_again(way: Way) -> None:
    payloads = {document(f"k{n}"): b"%d" % n * n for n in range(40)}
    asked = [way.plant(name, payload) for name, payload in payloads.items()]
    for _ in range(2):
        assert [arrived(said) for said in way.direct.copy(asked)] == [(one.digest, one.size) for one in asked]
    assert way.destination.read([one.new_url for one in asked]) == list(payloads.values())


@pytest.mark.parametrize("size", [56, 57, 58, 114, 1026])
def test_a_bundle_stands_in_archive_document_as_anchore_writes_it(db2_to_db: Way, size: int) -> None:
    payload = GZIP.ljust(size, b"\xff")
    asked = db2_to_db.plant(document("bundle"), payload)
    (said,) = db2_to_db.direct.copy([asked])
    assert arrived(said) == (asked.digest, asked.size)
    row = db2_to_db.database.run(lambda opened: opened.one("SELECT jsondata, b64_encoded FROM archive_document"))
    assert (row.jsondata, row.b64_encoded) == (base64.encodebytes(payload).decode(), True)


def test_bundles_of_the_archive_go_as_anchore_stores_them(way: Way) -> None:
    asked = way.plant(document("bundle"), GZIP)
    (said,) = way.direct.copy([asked])
    assert arrived(said) == (asked.digest, asked.size)
    assert way.there(asked) == GZIP


@pytest.mark.parametrize("wrong", [{"digest": md5(b"other")}, {"size": 1}], ids=["digest", "size"])
def test_what_is_not_the_row_s_payload_never_replaces_what_is_at_the_destination(
    way: Way, wrong: dict[str, str | int]
) -> None:
    asked = way.plant(document("k"), b"damaged since")
    good = way.plant(document("good"), TEXT)
    way.destination.write([(asked.new_url, b"the last good one")])

    said, other = way.direct.copy([Transit(**{**asked._asdict(), **wrong}), good])

    assert not isinstance(said, Stat)
    assert way.there(asked) == b"the last good one"
    assert arrived(other) == (good.digest, good.size)


def test_what_is_not_there_is_not_copied(way: Way) -> None:
    asked = way.plant(document("gone"), TEXT)
    way.source.delete([asked.old_url])
    (said,) = way.direct.copy([asked])
    assert not isinstance(said, Stat)
    assert way.there(asked) == Absent()


def test_one_that_only_python_can_store_keeps_no_other_from_being_copied(db2_to_db: Way) -> None:
    asked = [db2_to_db.plant(document(f"k{n}"), payload) for n, payload in enumerate([TEXT, b"a", ZLIB, b"b"])]
    said = db2_to_db.direct.copy(asked)
    assert [type(one) for one in said] == [Stat, Stat, Fault, Stat]
    assert [db2_to_db.there(one) for one in asked] == [TEXT, b"a", Absent(), b"b"]


def test_nothing_is_copied_for_who_may_not_read_the_source(
    buckets: tuple[S3Place, S3Place], s3_server: S3Server, database: Database
) -> None:
    source, destination = buckets
    stranger = open_s3(
        driver(s3_server.url, destination.bucket, prefix="team/", access_key="nobody", secret_key=canaries.SECRET_KEY)
    )
    asked = Way("server_side_copy", source.store, destination.store, database).plant(document("k"), TEXT)
    said = [*stranger.copy([asked]), *stranger.copy([asked])]
    assert [type(one) for one in said] == [Fault, Fault]
    assert "does not copy for us" in str(said[1])
    assert destination.stored(document("k")) is None
    stranger.close()


def test_a_streamed_move_has_no_direct_way(db_to_db2: Way) -> None:
    assert open_direct("stream", db_to_db2.source, db_to_db2.destination, db_to_db2.database) is None


@pytest.mark.parametrize("transfer", ["in_database", "server_side_copy"])
def test_a_way_that_the_stores_do_not_have_is_none(
    transfer: Transfer, buckets: tuple[S3Place, S3Place], tables: tuple[TableStore, TableStore], database: Database
) -> None:
    assert open_direct(transfer, tables[0], buckets[0].store, database) is (
        None if transfer == "in_database" else buckets[0].store
    )
    assert open_direct(transfer, buckets[0].store, tables[0], database) is None
