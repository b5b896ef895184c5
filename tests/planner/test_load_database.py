"""The database connection: as a URL, and part by part as the Helm chart writes it into config.yaml."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from planner.load import load_config, require_database
from schemas.config import StorageConfig
from schemas.errors import ConfigError
from schemas.plan import DatabaseName
from stores.database_url import parse_url

PARTS = {"user": "anchore", "password": "sesame", "host": "db", "port": 5432, "name": "postgres"}
CHART = """\
services: {catalog: {}}
credentials:
  database:
    user: "${ANCHORE_DB_USER}"
    password: "${ANCHORE_DB_PASSWORD}"
    host: "${ANCHORE_DB_HOST}"
    port: "${ANCHORE_DB_PORT}"
    name: "${ANCHORE_DB_NAME}"
    db_connect_args:
      timeout: ${ANCHORE_DB_TIMEOUT}
      ssl: ${ANCHORE_DB_SSL}
      sslmode: ${ANCHORE_DB_SSL_MODE}
    db_pool_size: ${ANCHORE_DB_POOL_SIZE}
"""
ALL = {
    "ANCHORE_DB_USER": "anchore",
    "ANCHORE_DB_PASSWORD": "s3s@me/:%",
    "ANCHORE_DB_HOST": "db.example.com",
    "ANCHORE_DB_PORT": "5433",
    "ANCHORE_DB_NAME": "anchore",
    "ANCHORE_DB_TIMEOUT": "120",
    "ANCHORE_DB_SSL": "true",
}


def load(folder: Path, text: str, **environment: str) -> StorageConfig:
    (folder / "config.yaml").write_text(text)
    return load_config(folder / "config.yaml", environment=environment)


def load_parts(folder: Path, **parts: Any) -> StorageConfig:
    return load(folder, yaml.safe_dump({"services": {"catalog": {}}, "credentials": {"database": parts}}))


def url_of(config: StorageConfig) -> str:
    return require_database(config).db_connect.get_secret_value()


@pytest.mark.parametrize(
    ("database", "timeout", "connect_timeout", "ssl"),
    [
        ({}, None, None, False),
        ({"db_connect_args": None}, None, None, False),
        ({"db_connect_args": {"timeout": 120, "ssl": False}}, 120, None, False),
        ({"db_connect_args": {"connect_timeout": 2.5, "ssl": True, "sslmode": "x"}}, None, 2.5, True),
        ({"db_connect_args": {"timeout": None, "ssl": None}}, None, None, False),
    ],
)
def test_the_database_connection(
    tmp_path: Path, database: dict[str, object], timeout: float | None, connect_timeout: float | None, *, ssl: bool
) -> None:
    url = "postgresql+pg8000://postgres:sesame@db:5432/postgres"
    found = load_parts(tmp_path, db_connect=url, **database).database
    assert found is not None
    assert found.db_connect.get_secret_value() == url
    assert (found.timeout, found.connect_timeout, found.ssl) == (timeout, connect_timeout, ssl)


@pytest.mark.parametrize("credentials", [None, {}, {"database": None}, {"database": {"db_connect": None}}])
def test_a_config_need_not_name_a_database(tmp_path: Path, credentials: object) -> None:
    text = yaml.safe_dump({"services": {"catalog": {}}, "credentials": credentials})
    assert load(tmp_path, text).database is None


def test_what_the_chart_renders_is_a_connection(tmp_path: Path) -> None:
    config = load(tmp_path, CHART, **ALL)
    database = require_database(config)
    assert url_of(config) == "postgresql://anchore:s3s%40me%2F%3A%25@db.example.com:5433/anchore"
    assert (database.timeout, database.ssl) == (120.0, True)
    assert parse_url(database.db_connect).name == DatabaseName(host="db.example.com", port=5433, name="anchore")
    assert "s3s" not in repr(config)


@pytest.mark.parametrize(
    ("parts", "url"),
    [
        (PARTS, "postgresql://anchore:sesame@db:5432/postgres"),
        ({**PARTS, "port": "5432"}, "postgresql://anchore:sesame@db:5432/postgres"),
        ({**PARTS, "password": ""}, "postgresql://anchore:@db:5432/postgres"),
        ({**PARTS, "user": "an@chore", "name": "a b?"}, "postgresql://an%40chore:sesame@db:5432/a%20b%3F"),
        ({**PARTS, "host": "::1"}, "postgresql://anchore:sesame@[::1]:5432/postgres"),
        ({**PARTS, "db_connect": "postgresql://other@db/other"}, "postgresql://other@db/other"),
        ({"user": None, "host": "db", "db_connect": "postgresql://other@db/other"}, "postgresql://other@db/other"),
        ({**PARTS, "db_connect": ""}, "postgresql://anchore:sesame@db:5432/postgres"),
        ({**PARTS, "db_connect": None}, "postgresql://anchore:sesame@db:5432/postgres"),
    ],
)
def test_a_whole_url_wins_over_its_parts(tmp_path: Path, parts: dict[str, object], url: str) -> None:
    assert url_of(load_parts(tmp_path, **parts)) == url


@pytest.mark.parametrize("part", PARTS)
def test_each_part_is_needed(tmp_path: Path, part: str) -> None:
    left = {name: value for name, value in PARTS.items() if name != part}
    with pytest.raises(ConfigError, match=rf"credentials\.database\.{part}: is missing; "):
        load_parts(tmp_path, **left)


@pytest.mark.parametrize("variable", ALL)
def test_a_part_without_value_is_missed_only_when_it_is_needed(tmp_path: Path, variable: str) -> None:
    config = load(tmp_path, CHART, **{name: value for name, value in ALL.items() if name != variable})
    assert config.database is not None
    with pytest.raises(ConfigError, match=rf"credentials\.database\..* refers to {variable}, which has no value"):
        require_database(config)


def test_settings_of_the_database_that_are_anchores_own_may_stay_unset(tmp_path: Path) -> None:
    config = load(tmp_path, CHART, **ALL)
    assert all(reference.unset == () for reference in config.references)


def test_parts_that_do_not_count_need_no_values(tmp_path: Path) -> None:
    text = CHART.replace("database:\n", "database:\n    db_connect: postgresql://other@db/other\n")
    assert url_of(load(tmp_path, text, ANCHORE_DB_TIMEOUT="5", ANCHORE_DB_SSL="false")) == "postgresql://other@db/other"
