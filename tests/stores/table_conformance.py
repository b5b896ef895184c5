"""What the two drivers that keep payloads in Anchore's database do alike, on top of what every driver does."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import strategies as st
from pydantic import SecretStr

import stores.db
import stores.db2
import stores.pieces
import stores.tables
from schemas.backend import Db2Location, DbLocation
from schemas.errors import DeniedError
from stores.database import Database, DatabaseOptions, NotAnchoreError
from stores.interface import Absent, DocumentName, Fault, Reason, Stat
from stores.tables import Form, TableStore
from tests.stores.conformance import (
    KEYS,
    TEXT,
    VERBATIM_KEYS,
    ParsedNameConformance,
    StoreConformance,
    document,
    md5,
    url_of,
)

PLAIN = st.characters(exclude_categories=["Cs"], exclude_characters="\0#?\t\r\n/[]⁇⁈⁉℀℁℅℆⩴︓︖﹕﹖﹟﹫＃／：？＠")
WORDS = st.text(PLAIN, min_size=1, max_size=20)
PAYLOADS = st.binary(max_size=200) | st.text(st.characters(exclude_categories=["Cs"]), max_size=200).map(str.encode)
DOCUMENTS = st.dictionaries(
    st.builds(DocumentName, WORDS, st.text(PLAIN | st.just("/"), max_size=30), WORDS, st.just("")), PAYLOADS, max_size=8
)


@dataclass
class TablePlace:
    """A store on one table, and plain SQL beside it."""

    location: DbLocation | Db2Location
    form: Form
    key: str
    """The SQL condition for a document's row."""
    insert: str
    columns: Callable[[bytes | None], dict[str, Any]]
    """A payload as Anchore writes it; None for a row without any."""
    payload: Callable[[sa.RowMapping], bytes]
    """The same way back."""
    database: Database
    engine: sa.Engine

    @property
    def store(self) -> TableStore:
        return self.store_on(self.database)

    def store_on(self, database: Database) -> TableStore:
        return TableStore(database, self.location, self.form)

    def plant(self, name: DocumentName, payload: bytes | None) -> None:
        self.plant_row(name, **self.columns(payload))

    def plant_row(self, name: DocumentName, **columns: object) -> None:
        with self.engine.begin() as connection:
            connection.execute(sa.text(self.insert), {**name._asdict(), **columns})

    def rows(self, name: DocumentName) -> list[sa.RowMapping]:
        with self.engine.connect() as connection:
            query = sa.text(f"SELECT * FROM {self.form.table} WHERE {self.key}")
            return list(connection.execute(query, name._asdict()).mappings())

    def stored(self, name: DocumentName) -> bytes | None:
        rows = self.rows(name)
        return self.payload(rows[0]) if rows else None

    def url(self, name: DocumentName) -> str:
        return url_of(self, name)

    def run(self, *statements: str) -> None:
        with self.engine.begin() as connection:
            for statement in statements:
                connection.execute(sa.text(statement))


class TableConformance(StoreConformance, ParsedNameConformance):
    keys = MappingProxyType({**KEYS, **VERBATIM_KEYS})

    def test_a_new_row_is_dated_as_anchore_does(self, place: TablePlace) -> None:
        place.store.write([(place.url(document("k")), TEXT)])
        (row,) = place.rows(document("k"))
        with place.engine.connect() as connection:
            now = connection.execute(sa.text("SELECT extract(epoch FROM now())")).scalar_one()
        assert now - 60 <= row["created_at"] == row["last_updated"] <= now

    def test_overwriting_leaves_the_other_columns(self, place: TablePlace) -> None:
        place.run(f"ALTER TABLE {place.form.table} ADD COLUMN enterprise_note varchar DEFAULT 'kept'")
        place.plant(document("k"), b"old")
        (before,) = place.rows(document("k"))
        place.store.write([(place.url(document("k")), TEXT)])
        (after,) = place.rows(document("k"))
        assert {name for name in before if before[name] != after[name]} == {place.form.column, "last_updated"}

    def test_a_row_without_payload_is_corrupt_and_the_others_are_read(self, place: TablePlace) -> None:
        place.plant(document("good"), TEXT)
        place.plant(document("broken"), None)
        urls = [place.url(document(key)) for key in ("good", "broken", "missing")]
        for good, broken, missing in (place.store.read(urls), place.store.stat(urls)):
            assert good in (TEXT, Stat(len(TEXT), md5(TEXT)))
            assert broken == Fault(Reason.CORRUPT, f"its row in {place.form.table} has no {place.form.column}")
            assert missing == Absent()

    @pytest.mark.parametrize("piece", [1, 7, 1000])
    def test_what_is_read_in_pieces_is_the_same(
        self, place: TablePlace, piece: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        text = "größer, 大きい, 😀 ".encode() * 9
        payloads = [b"", b"x" * 98, text, zlib.compress(text) * 3, bytes(range(256)), b"\xff" * 77, b"\xe4" + text]
        for number, payload in enumerate(payloads):
            place.plant(document(f"k{number}"), payload)
        urls = [place.url(document(f"k{number}")) for number in range(len(payloads) + 1)]
        whole = place.store.read(urls)
        assert whole == [*payloads, Absent()]
        for module in (stores.tables, stores.db, stores.db2):
            monkeypatch.setattr(module, "LARGE_BYTES", 97)
        monkeypatch.setattr(stores.pieces, "READ_AT_ONCE", piece)
        assert place.store.read(urls) == whole
        monkeypatch.setattr(stores.pieces, "SENT_AT_ONCE", 57)
        for number, payload in enumerate(payloads):
            name = document(f"sent-{number}")
            assert place.store.write([(place.url(name), payload)]) == [Stat(len(payload), md5(payload))]
            assert place.stored(name) == payload
            assert [row[place.form.column] for row in place.rows(name)] == [
                row[place.form.column] for row in place.rows(document(f"k{number}"))
            ]

    def test_what_postgresql_refuses_is_one_documents_fault(self, place: TablePlace) -> None:
        place.run(f"ALTER TABLE {place.form.table} ADD CHECK (length({place.form.column}) < 100)")
        items = [(place.url(document(f"k{n}")), b"x" * (200 if n == 3 else 10)) for n in range(6)]
        answers = place.store.write(items)
        assert [isinstance(answer, Stat) for answer in answers] == [True, True, True, False, True, True]
        refused = answers[3]
        assert isinstance(refused, Fault)
        assert refused.reason is Reason.REFUSED
        assert "violates check constraint" in refused.detail
        assert "xxx" not in refused.detail
        assert place.stored(document("k5")) == b"x" * 10

    def test_what_postgresql_drops_without_a_word_is_not_stored(self, place: TablePlace) -> None:
        when = f"BEFORE INSERT ON {place.form.table} FOR EACH ROW WHEN (new.{place.form.column} = 'dropped')"
        place.run(
            "CREATE FUNCTION drop_it() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
            f"CREATE TRIGGER dropping {when} EXECUTE PROCEDURE drop_it()",
        )
        items = [(place.url(document("a")), b"dropped"), (place.url(document("b")), b"stored")]
        dropped, stored = place.store.write(items)
        assert isinstance(dropped, Fault)
        assert dropped.reason is Reason.NOT_STORED
        assert isinstance(stored, Stat)

    @pytest.mark.parametrize(
        ("rows", "size", "statements"), [(1, 1 << 20, 20), (3, 1 << 20, 7), (500, 1 << 20, 1), (500, 4, 18)]
    )
    def test_a_batch_may_take_several_statements(
        self, place: TablePlace, monkeypatch: pytest.MonkeyPatch, rows: int, size: int, statements: int
    ) -> None:
        monkeypatch.setattr("stores.tables.STATEMENT_ROWS", rows)
        monkeypatch.setattr("stores.tables.STATEMENT_BYTES", size)
        payloads = [b"x" * n for n in range(20)]
        items = [(place.url(document(f"k{n}")), payload) for n, payload in enumerate(payloads)]
        assert place.store.write(items) == [Stat(len(payload), md5(payload)) for payload in payloads]
        with place.engine.connect() as connection:
            query = sa.text(f"SELECT count(DISTINCT xmin::text) FROM {place.form.table}")
            # A byte takes more room on its way to one table than to the other.
            assert connection.execute(query).scalar_one() in range(statements, statements + 3)

    def test_another_database_is_recognised(self, place: TablePlace, anchore_database: str) -> None:
        empty = Database(SecretStr(anchore_database.rpartition("/")[0] + "/postgres"), DatabaseOptions(retries=0))
        with pytest.raises(NotAnchoreError, match=place.form.table):
            place.store_on(empty).check_access()
        empty.close()
        place.store.check_access()

    def test_missing_rights_are_denied(self, place: TablePlace, anchore_database: str) -> None:
        role = f"reader_of_{place.engine.url.database}"
        place.run(f"CREATE ROLE {role} LOGIN")
        named = SecretStr(anchore_database.replace("//postgres:", f"//{role}:"))
        database = Database(named, DatabaseOptions(retries=0))
        store, url = place.store_on(database), place.url(document("k"))
        place.plant(document("k"), TEXT)
        try:
            with pytest.raises(DeniedError, match="may not read the table"):
                store.check_access()
            place.run(f"GRANT SELECT ON {place.form.table} TO {role}")
            store.check_access()
            assert store.read([url]) == [TEXT]
            with pytest.raises(DeniedError):
                store.write([(url, b"new")])
            with pytest.raises(DeniedError):
                store.delete([url])
        finally:
            database.close()
            place.run(f"DROP OWNED BY {role}", f"DROP ROLE {role}")
        assert place.stored(document("k")) == TEXT

    def test_several_workers_write_side_by_side(self, place: TablePlace) -> None:
        def write(worker: int) -> list[Stat | Fault]:
            items = [(place.url(document(f"{worker}-{n}")), f"{worker} {n}".encode()) for n in range(40)]
            return place.store.write(items)

        with ThreadPoolExecutor(4) as pool:
            answers = [answer for part in pool.map(write, range(8)) for answer in part]
        assert all(isinstance(answer, Stat) for answer in answers)
        assert place.stored(document("7-39")) == b"7 39"


def must_come_back(place: TablePlace, items: dict[DocumentName, bytes]) -> None:
    """Write, read, measure and delete these documents."""
    urls = [place.url(name) for name in items]
    payloads = list(items.values())
    stats = [Stat(len(payload), md5(payload)) for payload in payloads]
    assert place.store.write(list(zip(urls, payloads, strict=True))) == stats
    assert place.store.read(urls) == payloads
    assert place.store.stat(urls) == stats
    assert [place.stored(name) for name in items] == payloads
    assert place.store.delete(urls) == [None] * len(urls)
    assert [place.stored(name) for name in items] == [None] * len(urls)
