"""Driver ``db`` against PostgreSQL with Anchore's tables."""

from __future__ import annotations

import base64

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings

from schemas.backend import DbLocation
from stores.database import Database
from stores.db import FORM
from stores.interface import DocumentName, Fault, Reason, Stat
from tests.stores.conformance import TEXT, document, md5
from tests.stores.table_conformance import DOCUMENTS, TableConformance, TablePlace, must_come_back


@pytest.fixture
def place(database: Database, engine: sa.Engine) -> TablePlace:
    return TablePlace(
        location=DbLocation(table="archive_document"),
        form=FORM,
        key='bucket = :bucket AND "archiveId" = :archive_id AND "userId" = :user_id ORDER BY "documentName"',
        insert="""
            INSERT INTO archive_document (bucket, "archiveId", "userId", "documentName", jsondata, b64_encoded,
                                          created_at, last_updated, record_state_key, record_state_val)
            VALUES (:bucket, :archive_id, :user_id, :document_name, :jsondata, :b64_encoded,
                    1500000000, 1500000000, 'old', 'as it was')
            """,
        columns=columns,
        payload=payload,
        database=database,
        engine=engine,
    )


def columns(payload: bytes | None) -> dict[str, object]:
    if payload is None:
        return {"jsondata": None, "b64_encoded": False}
    try:
        text = payload.decode()
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        return {"jsondata": base64.encodebytes(payload).decode(), "b64_encoded": True}
    return {"jsondata": text, "b64_encoded": False}


def payload(row: sa.RowMapping) -> bytes:
    text = str(row["jsondata"]).encode()
    return base64.decodebytes(text) if row["b64_encoded"] else text


class TestDb(TableConformance):
    pass


@pytest.mark.parametrize(
    ("payload", "jsondata", "b64_encoded"),
    [
        (b"", "", False),
        ("ключ 😀".encode(), "ключ 😀", False),
        (b"a\0", "YQA=\n", True),
        (b"\xff" * 58, "/" * 76 + "\n" + "/w==\n", True),
    ],
)
def test_text_is_stored_as_it_is_and_all_else_as_base64_lines(
    place: TablePlace, payload: bytes, jsondata: str, b64_encoded: bool
) -> None:
    place.store.write([(place.url(document("k")), payload)])
    (row,) = place.rows(document("k"))
    assert (row["jsondata"], row["b64_encoded"]) == (jsondata, b64_encoded)


def test_a_new_row_is_named_as_anchore_does(place: TablePlace) -> None:
    place.store.write([(place.url(document("k")), TEXT)])
    (row,) = place.rows(document("k"))
    assert (row["documentName"], row["record_state_key"]) == ("k.json", "active")


@pytest.mark.parametrize("names", [("other",), ("aaa", "k.json", "zzz"), ("aaa", "zzz")])
def test_a_row_with_an_odd_name_keeps_it_and_gets_no_second(place: TablePlace, names: tuple[str, ...]) -> None:
    url = place.url(document("k"))
    for name in names:
        place.plant(document("k")._replace(document_name=name), name.encode())
    seen = "k.json" if "k.json" in names else names[0]
    assert place.store.read([url]) == [seen.encode()]
    place.store.write([(url, TEXT)])
    assert place.store.read([url]) == [TEXT]
    rows = {row["documentName"]: row["jsondata"].encode() for row in place.rows(document("k"))}
    assert rows == {name: TEXT if name == seen else name.encode() for name in names}
    assert place.store.delete([url]) == [None]
    assert place.rows(document("k")) == []


@pytest.mark.parametrize(
    ("jsondata", "b64_encoded"), [(None, True), ("YQ", True), ("Y", True)], ids=["null", "cut", "stub"]
)
def test_broken_base64_is_corrupt_and_the_others_are_read(
    place: TablePlace, jsondata: str | None, b64_encoded: bool
) -> None:
    place.plant(document("good"), TEXT)
    place.plant_row(document("broken"), jsondata=jsondata, b64_encoded=b64_encoded)
    urls = [place.url(document(key)) for key in ("good", "broken")]
    for good, broken in (place.store.read(urls), place.store.stat(urls)):
        assert good in (TEXT, Stat(len(TEXT), md5(TEXT)))
        assert isinstance(broken, Fault)
        assert broken.reason is Reason.CORRUPT


def test_base64_that_only_python_reads_has_the_digest_python_sees(place: TablePlace) -> None:
    place.plant_row(document("k"), jsondata="aGV-sbG8=", b64_encoded=True)
    url = place.url(document("k"))
    assert place.store.read([url]) == [b"hello"]
    assert place.store.stat([url]) == [Stat(5, md5(b"hello"))]


def test_a_row_without_the_flag_is_text(place: TablePlace) -> None:
    place.plant_row(document("k"), jsondata="plain", b64_encoded=None)
    url = place.url(document("k"))
    assert place.store.read([url]) == [b"plain"]
    assert place.store.stat([url]) == [Stat(5, md5(b"plain"))]


@pytest.mark.parametrize("payload", [b"x" * 101, b"\0" * 80], ids=["text", "base64"])
def test_what_is_too_long_for_postgresql_is_not_even_sent(
    place: TablePlace, monkeypatch: pytest.MonkeyPatch, payload: bytes
) -> None:
    monkeypatch.setattr("stores.tables.LARGEST_VALUE", 100)
    items = [(place.url(document("long")), payload), (place.url(document("short")), b"x" * 100)]
    refused, stored = place.store.write(items)
    assert isinstance(refused, Fault)
    assert refused.reason is Reason.REFUSED
    assert isinstance(stored, Stat)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(items=DOCUMENTS)
def test_any_names_and_any_bytes_come_back(place: TablePlace, items: dict[DocumentName, bytes]) -> None:
    must_come_back(place, items)
