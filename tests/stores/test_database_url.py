"""What the URL of a database means: it is followed to the full, or refused."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from schemas.errors import ConfigError
from schemas.plan import DatabaseName
from stores.database_url import parse_url


@pytest.mark.parametrize(
    ("url", "user", "name"),
    [
        ("postgresql://anchore:x@db.example.com:5433/documents", "anchore", ("db.example.com", 5433, "documents")),
        ("postgresql+pg8000://anchore@db/documents?sslmode=require", "anchore", ("db", 5432, "documents")),
        ("postgresql://anchore@[::1]?connect_timeout=3&application_name=x", "anchore", ("::1", 5432, "anchore")),
        ("postgresql:///documents", "postgres", ("localhost", 5432, "documents")),
    ],
)
def test_a_url_names_a_database(url: str, user: str, name: tuple[str, int, str]) -> None:
    parsed = parse_url(SecretStr(url))
    host, port, database = name
    assert (parsed.user, parsed.name) == (user, DatabaseName(host=host, port=port, name=database))


@pytest.mark.parametrize(
    "parameters",
    [
        "host=/tmp", "host=other.example.com", "port=5433", "dbname=other", "user=other", "password=other",
        "options=-csearch_path%3Dother", "service=other", "channel_binding=require", "sslmode=full",
        "sslrootcert=ca.pem", "sslrootcert=system", "sslmode=prefer&sslrootcert=ca.pem",
        "sslmode=require&sslrootcert=system", "sslmode=require&sslmode=disable", "sslmode=require&host=other",
    ],
)  # fmt: skip
def test_what_a_url_asks_for_is_done_or_refused(parameters: str) -> None:
    with pytest.raises(ConfigError, match="database URL"):
        parse_url(SecretStr(f"postgresql://anchore:sesame@127.0.0.1:1/documents?{parameters}"))


def test_no_refusal_shows_a_password() -> None:
    for url in ("postgresql://anchore:sesame@db/x?sesame=1", "postgresql://anchore:sesame@db/x?sslmode=sesame"):
        with pytest.raises(ConfigError) as refused:
            parse_url(SecretStr(url))
        assert "sesame" not in f"{refused.value} {refused.value.hint} {refused.value!r}"
