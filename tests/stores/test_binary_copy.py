"""What binary COPY brings out of PostgreSQL: the values as they are stored, NULL told from nothing."""

from __future__ import annotations

import contextlib

import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from schemas.errors import RestowError
from stores.binary_copy import integer
from stores.database import Database, DatabaseOptions


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("'äöü € 𝄞'", "äöü € 𝄞".encode()),
        ("''", b""),
        ("CAST(NULL AS text)", None),
        (r"'\x00ff0a5c2e'::bytea", b"\0\xff\n\\."),
        ("''::bytea", b""),
        ("repeat('a', 3000000)", b"a" * 3_000_000),
        ("TRUE", b"\1"),
        ("FALSE", b"\0"),
        ("'100%'", b"100%"),
    ],
)
def test_a_value_comes_as_it_is_between_others(database: Database, expression: str, value: bytes | None) -> None:
    query = f"SELECT n, {expression}, NULL, 'last' FROM generate_series(-1, 1) AS n ORDER BY n"

    rows = database.run(lambda transaction: transaction.copy_out(query), snapshot=True)

    assert [integer(row[0]) for row in rows] == [-1, 0, 1]
    assert [row[1:] for row in rows] == [(value, None, b"last")] * 3


def test_no_rows_are_none(database: Database) -> None:
    assert database.run(lambda transaction: transaction.copy_out("SELECT 1 WHERE FALSE")) == []


def test_settings_are_values_and_never_sql_and_end_with_the_transaction(database: Database) -> None:
    odd = """'; DROP TABLE archive_document; -- "$$ %s :value \\ ü"""
    asked = "SELECT current_setting('restow.odd', TRUE)"

    assert database.run(lambda transaction: transaction.copy_out(asked, odd=odd)) == [(odd.encode(),)]
    assert database.run(lambda transaction: transaction.rows(asked))[0][0] in {None, ""}


def test_what_postgresql_rejects_half_way_is_an_error_and_the_connection_lives(database: Database) -> None:
    with pytest.raises(RestowError, match="division by zero"):
        database.run(lambda transaction: transaction.copy_out("SELECT 1 / n FROM generate_series(-5, 5) AS n"))

    assert database.run(lambda transaction: transaction.one("SELECT 42 AS answer").answer) == 42


def test_text_is_utf8_whatever_the_database_keeps_it_in(engine: sa.Engine) -> None:
    url = engine.url.set(database="latin")
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text("CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0 LOCALE 'C'"))
    try:
        with contextlib.closing(Database(SecretStr(url.render_as_string()), DatabaseOptions())) as latin:
            rows = latin.run(lambda transaction: transaction.copy_out("SELECT chr(228), U&'\\00e4'"))
            told = latin.run(lambda transaction: transaction.one("SELECT chr(228) AS umlaut").umlaut)
    finally:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(sa.text("DROP DATABASE latin"))

    assert rows == [("ä".encode(), "ä".encode())]
    assert told == "ä"
