"""Driver ``db`` against PostgreSQL with Anchore's tables."""

from __future__ import annotations

import base64
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import MappingProxyType

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from schemas.backend import DbLocation
from schemas.errors import DeniedError
from stores.database import Database, DatabaseOptions, NotAnchoreError
from stores.db import DbStore
from stores.interface import Absent, DocumentName, Fault, Reason, Stat
from tests.stores.conformance import KEYS, TEXT, VERBATIM_KEYS, StoreConformance, document, md5

DB = DbLocation(table="archive_document")
KEY = 'bucket = :bucket AND "archiveId" = :archive_id AND "userId" = :user_id'
UTF8 = st.characters(exclude_categories=["Cs"], exclude_characters="\0#?\t\r\n/[]⁇⁈⁉℀℁℅℆⩴︓︖﹕﹖﹟﹫＃／：？＠")
WORDS = st.text(UTF8, min_size=1, max_size=20)


@dataclass
class DbPlace:
    store: DbStore
    engine: sa.Engine

    def plant(self, name: DocumentName, payload: bytes) -> None:
        text, b64_encoded = anchores_text(payload)
        self.insert(name, text, b64_encoded=b64_encoded)

    def insert(self, name: DocumentName, jsondata: str | None, *, b64_encoded: bool | None) -> None:
        with self.engine.begin() as connection:
            connection.execute(
                sa.text(
                    """
                    INSERT INTO archive_document (bucket, "archiveId", "userId", "documentName", jsondata, b64_encoded,
                                                  created_at, last_updated, record_state_key, record_state_val)
                    VALUES (:bucket, :archive_id, :user_id, :document_name, :jsondata, :b64_encoded,
                            1500000000, 1500000000, 'old', 'as it was')
                    """
                ),
                {**name._asdict(), "jsondata": jsondata, "b64_encoded": b64_encoded},
            )

    def rows(self, name: DocumentName) -> list[sa.RowMapping]:
        with self.engine.connect() as connection:
            query = sa.text(f'SELECT * FROM archive_document WHERE {KEY} ORDER BY "documentName"')
            return list(connection.execute(query, name._asdict()).mappings())

    def stored(self, name: DocumentName) -> bytes | None:
        rows = self.rows(name)
        if not rows:
            return None
        text = str(rows[0]["jsondata"]).encode()
        return base64.decodebytes(text) if rows[0]["b64_encoded"] else text


def anchores_text(payload: bytes) -> tuple[str, bool]:
    try:
        text = payload.decode()
    except UnicodeDecodeError:
        return base64.encodebytes(payload).decode(), True
    return (base64.encodebytes(payload).decode(), True) if "\0" in text else (text, False)


@pytest.fixture
def place(database: Database, engine: sa.Engine) -> DbPlace:
    return DbPlace(DbStore(database, DB), engine)


class TestDb(StoreConformance):
    keys = MappingProxyType({**KEYS, **VERBATIM_KEYS})


def url(name: DocumentName) -> str:
    return f"db://{name.user_id}/{name.bucket}/{name.archive_id}"


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
    place: DbPlace, payload: bytes, jsondata: str, b64_encoded: bool
) -> None:
    place.store.write([(url(document("k")), payload)])
    (row,) = place.rows(document("k"))
    assert (row["jsondata"], row["b64_encoded"]) == (jsondata, b64_encoded)


def test_a_new_row_is_named_and_dated_as_anchore_does(place: DbPlace, engine: sa.Engine) -> None:
    place.store.write([(url(document("k")), TEXT)])
    (row,) = place.rows(document("k"))
    with engine.connect() as connection:
        now = connection.execute(sa.text("SELECT extract(epoch FROM now())")).scalar_one()
    assert row["documentName"] == "k.json"
    assert row["record_state_key"] == "active"
    assert now - 60 <= row["created_at"] == row["last_updated"] <= now


def test_overwriting_leaves_the_other_columns(place: DbPlace, engine: sa.Engine) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text("ALTER TABLE archive_document ADD COLUMN enterprise_note varchar DEFAULT 'kept'"))
    place.plant(document("k"), b"old")
    (before,) = place.rows(document("k"))
    place.store.write([(url(document("k")), TEXT)])
    (after,) = place.rows(document("k"))
    assert {name for name in before if before[name] != after[name]} == {"jsondata", "last_updated"}


@pytest.mark.parametrize("names", [("other",), ("aaa", "k.json", "zzz"), ("aaa", "zzz")])
def test_a_row_with_an_odd_name_keeps_it_and_gets_no_second(place: DbPlace, names: tuple[str, ...]) -> None:
    for name in names:
        place.plant(document("k")._replace(document_name=name), name.encode())
    seen = "k.json" if "k.json" in names else names[0]
    assert place.store.read([url(document("k"))]) == [seen.encode()]
    place.store.write([(url(document("k")), TEXT)])
    assert place.store.read([url(document("k"))]) == [TEXT]
    rows = {row["documentName"]: row["jsondata"].encode() for row in place.rows(document("k"))}
    assert rows == {name: TEXT if name == seen else name.encode() for name in names}
    assert place.store.delete([url(document("k"))]) == [None]
    assert place.rows(document("k")) == []


@pytest.mark.parametrize(
    ("jsondata", "b64_encoded"),
    [(None, False), (None, True), ("YQ", True), ("Y", True)],
    ids=["null", "null64", "cut", "stub"],
)
def test_a_broken_row_is_corrupt_and_the_others_are_read(
    place: DbPlace, jsondata: str | None, b64_encoded: bool
) -> None:
    place.plant(document("good"), TEXT)
    place.insert(document("broken"), jsondata, b64_encoded=b64_encoded)
    urls = [url(document(key)) for key in ("good", "broken", "missing")]
    for good, broken, missing in (place.store.read(urls), place.store.stat(urls)):
        assert good in (TEXT, Stat(len(TEXT), md5(TEXT)))
        assert isinstance(broken, Fault)
        assert broken.reason is Reason.CORRUPT
        assert missing == Absent()


def test_base64_that_only_python_reads_has_the_digest_python_sees(place: DbPlace) -> None:
    place.insert(document("k"), "aGV-sbG8=", b64_encoded=True)
    assert place.store.read([url(document("k"))]) == [b"hello"]
    assert place.store.stat([url(document("k"))]) == [Stat(5, md5(b"hello"))]


def test_a_row_without_the_flag_is_text(place: DbPlace) -> None:
    place.insert(document("k"), "plain", b64_encoded=None)
    assert place.store.read([url(document("k"))]) == [b"plain"]
    assert place.store.stat([url(document("k"))]) == [Stat(5, md5(b"plain"))]


def test_what_postgresql_refuses_is_one_documents_fault(place: DbPlace, engine: sa.Engine) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text("ALTER TABLE archive_document ADD CHECK (length(jsondata) < 100)"))
    items = [(url(document(f"k{n}")), b"x" * (200 if n == 3 else 10)) for n in range(6)]
    answers = place.store.write(items)
    assert [isinstance(answer, Stat) for answer in answers] == [True, True, True, False, True, True]
    refused = answers[3]
    assert isinstance(refused, Fault)
    assert refused.reason is Reason.REFUSED
    assert "violates check constraint" in refused.detail
    assert "xxx" not in refused.detail
    assert place.stored(document("k5")) == b"x" * 10


def test_what_postgresql_drops_without_a_word_is_not_stored(place: DbPlace, engine: sa.Engine) -> None:
    with engine.begin() as connection:
        connection.execute(
            sa.text("CREATE FUNCTION drop_it() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'")
        )
        when = "BEFORE INSERT ON archive_document FOR EACH ROW WHEN (new.jsondata = 'dropped')"
        connection.execute(sa.text(f"CREATE TRIGGER dropping {when} EXECUTE PROCEDURE drop_it()"))
    dropped, stored = place.store.write([(url(document("a")), b"dropped"), (url(document("b")), b"stored")])
    assert isinstance(dropped, Fault)
    assert dropped.reason is Reason.NOT_STORED
    assert isinstance(stored, Stat)


@pytest.mark.parametrize("payload", [b"x" * 101, b"\0" * 80], ids=["text", "base64"])
def test_what_is_too_long_for_postgresql_is_not_even_sent(
    place: DbPlace, monkeypatch: pytest.MonkeyPatch, payload: bytes
) -> None:
    monkeypatch.setattr("stores.db.LARGEST_TEXT", 100)
    refused, stored = place.store.write([(url(document("long")), payload), (url(document("short")), b"x" * 100)])
    assert isinstance(refused, Fault)
    assert refused.reason is Reason.REFUSED
    assert isinstance(stored, Stat)


@pytest.mark.parametrize(("rows", "size"), [(1, 1 << 20), (3, 1 << 20), (500, 1), (500, 25)])
def test_a_batch_may_take_several_statements(
    place: DbPlace, monkeypatch: pytest.MonkeyPatch, rows: int, size: int
) -> None:
    monkeypatch.setattr("stores.db.STATEMENT_ROWS", rows)
    monkeypatch.setattr("stores.db.STATEMENT_BYTES", size)
    payloads = [b"x" * n for n in range(20)]
    answers = place.store.write([(url(document(f"k{n}")), payload) for n, payload in enumerate(payloads)])
    assert answers == [Stat(len(payload), md5(payload)) for payload in payloads]


def test_another_database_is_recognised(database: Database, anchore_database: str) -> None:
    empty = Database(SecretStr(anchore_database.rpartition("/")[0] + "/postgres"), DatabaseOptions(retries=0))
    with pytest.raises(NotAnchoreError, match="archive_document"):
        DbStore(empty, DB).check_access()
    empty.close()
    DbStore(database, DB).check_access()


def test_missing_rights_are_denied(place: DbPlace, engine: sa.Engine, anchore_database: str) -> None:
    role = f"reader_of_{engine.url.database}"
    with engine.begin() as connection:
        connection.execute(sa.text(f"CREATE ROLE {role} LOGIN"))
    database = Database(SecretStr(anchore_database.replace("//postgres:", f"//{role}:")), DatabaseOptions(retries=0))
    store = DbStore(database, DB)
    place.plant(document("k"), TEXT)
    try:
        with pytest.raises(DeniedError, match="may not read the table"):
            store.check_access()
        with engine.begin() as connection:
            connection.execute(sa.text(f"GRANT SELECT ON archive_document TO {role}"))
        store.check_access()
        assert store.read([url(document("k"))]) == [TEXT]
        with pytest.raises(DeniedError):
            store.write([(url(document("k")), b"new")])
        with pytest.raises(DeniedError):
            store.delete([url(document("k"))])
    finally:
        database.close()
        with engine.begin() as connection:
            connection.execute(sa.text(f"DROP OWNED BY {role}"))
            connection.execute(sa.text(f"DROP ROLE {role}"))
    assert place.stored(document("k")) == TEXT


def test_several_workers_write_side_by_side(place: DbPlace) -> None:
    def write(worker: int) -> list[Stat | Fault]:
        return place.store.write([(url(document(f"{worker}-{n}")), f"{worker} {n}".encode()) for n in range(40)])

    with ThreadPoolExecutor(4) as pool:
        answers = [answer for part in pool.map(write, range(8)) for answer in part]
    assert all(isinstance(answer, Stat) for answer in answers)
    assert place.stored(document("7-39")) == b"7 39"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    items=st.dictionaries(
        st.builds(DocumentName, WORDS, st.text(UTF8 | st.just("/"), max_size=30), WORDS, st.just("")),
        st.binary(max_size=200) | st.text(st.characters(exclude_categories=["Cs"]), max_size=200).map(str.encode),
        max_size=8,
    )
)
def test_any_names_and_any_bytes_come_back(place: DbPlace, items: dict[DocumentName, bytes]) -> None:
    urls = [url(name) for name in items]
    payloads = list(items.values())
    stats = [Stat(len(payload), md5(payload)) for payload in payloads]
    assert place.store.write(list(zip(urls, payloads, strict=True))) == stats
    assert place.store.read(urls) == payloads
    assert place.store.stat(urls) == stats
    assert [place.stored(name) for name in items] == payloads
    assert place.store.delete(urls) == [None] * len(urls)
    assert [place.stored(name) for name in items] == [None] * len(urls)
