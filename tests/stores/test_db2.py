"""Driver ``db2`` against PostgreSQL with Anchore's tables."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings

from schemas.backend import Db2Location
from stores.database import Database
from stores.db2 import FORM
from stores.interface import Absent, DocumentName, Fault, Reason, Stat
from tests.stores.conformance import TEXT, document
from tests.stores.table_conformance import DOCUMENTS, TableConformance, TablePlace, must_come_back


@pytest.fixture
def place(database: Database, engine: sa.Engine) -> TablePlace:
    return TablePlace(
        location=Db2Location(table="object_storage"),
        form=FORM,
        key="""bucket = :bucket AND key = :archive_id AND "userId" = :user_id AND version = ''""",
        insert="""
            INSERT INTO object_storage ("userId", bucket, key, version, object_metadata, content,
                                        created_at, last_updated)
            VALUES (:user_id, :bucket, :archive_id, '', 'as it was', :content, 1500000000, 1500000000)
            """,
        columns=lambda payload: {"content": payload},
        payload=lambda row: bytes(row["content"]),
        database=database,
        engine=engine,
    )


class TestDb2(TableConformance):
    pass


def test_bytes_are_stored_as_they_are(place: TablePlace) -> None:
    payload = bytes(range(256))
    place.store.write([(place.url(document("k")), payload)])
    (row,) = place.rows(document("k"))
    assert bytes(row["content"]) == payload
    assert (row["version"], row["object_metadata"]) == ("", None)


def test_other_versions_are_not_anchores(place: TablePlace) -> None:
    """Anchore reads and writes the version without a name; nobody knows who wrote another."""
    name = document("k")
    place.plant(name, b"newest")
    place.run("UPDATE object_storage SET version = 'v1'")
    url = place.url(name)
    assert place.store.read([url]) == [Absent()]
    assert place.store.stat([url]) == [Absent()]
    place.store.write([(url, TEXT)])
    assert place.store.delete([url]) == [None]
    with place.engine.connect() as connection:
        left = connection.execute(sa.text("SELECT version, content FROM object_storage")).all()
    assert [(version, bytes(content)) for version, content in left] == [("v1", b"newest")]


@pytest.mark.parametrize(("longest", "fits"), [(201, False), (202, True)])
def test_what_is_too_long_for_postgresql_is_not_even_sent(
    place: TablePlace, monkeypatch: pytest.MonkeyPatch, longest: int, fits: bool
) -> None:
    """On its way a byte takes two hexadecimal digits."""
    monkeypatch.setattr("stores.tables.LARGEST_VALUE", longest)
    (answer,) = place.store.write([(place.url(document("k")), b"x" * 100)])
    assert isinstance(answer, Stat) == fits
    assert not isinstance(answer, Fault) or answer.reason is Reason.REFUSED


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(items=DOCUMENTS)
def test_any_names_and_any_bytes_come_back(place: TablePlace, items: dict[DocumentName, bytes]) -> None:
    must_come_back(place, items)
