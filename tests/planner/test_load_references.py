"""``${ANCHORE_…}``: filled in before YAML is read, from the environment and, under it, from a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from planner.load import load_config, require_database, require_secrets
from schemas.config import S3Driver, StorageConfig, StoreName
from schemas.errors import ConfigError

CONFIG = """\
services:
  catalog:
    object_store:
      compression:
        enabled: ${ANCHORE_COMPRESS}
        min_size_kbytes: 100   # not ${ANCHORE_COMMENT}
      storage_driver:
        name: s3
        config: {access_key: ${ANCHORE_KEY}, secret_key: '${ANCHORE_SECRET}', url: "http://${ANCHORE_HOST}", bucket: b}
credentials:
  database:
    db_connect: "postgresql://postgres:${ANCHORE_DB_PASSWORD}@db:5432/postgres"
    db_connect_args:
      timeout: ${ANCHORE_DB_TIMEOUT}
      ssl: ${ANCHORE_DB_SSL}
"""
WORKING = "services.catalog.object_store"
ALL = {
    "ANCHORE_COMPRESS": "true",
    "ANCHORE_KEY": "AKIA",
    "ANCHORE_SECRET": "s3sam#: e",
    "ANCHORE_HOST": "minio",
    "ANCHORE_DB_PASSWORD": "sesame",
    "ANCHORE_DB_TIMEOUT": "30",
    "ANCHORE_DB_SSL": "true",
}


def load(folder: Path, environment: dict[str, str], text: str = CONFIG) -> StorageConfig:
    path = folder / "config.yaml"
    path.write_text(text)
    return load_config(path, environment=environment)


def keys(config: StorageConfig) -> tuple[str, str]:
    driver = config.object_store.driver
    assert isinstance(driver, S3Driver)
    assert driver.access_key is not None
    assert driver.secret_key is not None
    return driver.access_key.get_secret_value(), driver.secret_key.get_secret_value()


def test_values_are_filled_in_before_yaml_gives_them_a_type(tmp_path: Path) -> None:
    config = load(tmp_path, ALL)
    assert config.object_store.compression.enabled is True
    assert keys(config) == ("AKIA", "s3sam#: e")
    database = require_database(config)
    assert database.db_connect.get_secret_value() == "postgresql://postgres:sesame@db:5432/postgres"
    assert (database.timeout, database.ssl) == (30.0, True)


def test_what_was_written_as_a_reference_is_remembered(tmp_path: Path) -> None:
    config = load(tmp_path, ALL)
    assert {one.path: (one.text, one.unset) for one in config.references} == {
        f"{WORKING}.compression.enabled": ("${ANCHORE_COMPRESS}", ()),
        f"{WORKING}.storage_driver.config.access_key": ("${ANCHORE_KEY}", ()),
        f"{WORKING}.storage_driver.config.secret_key": ("${ANCHORE_SECRET}", ()),
        f"{WORKING}.storage_driver.config.url": ("http://${ANCHORE_HOST}", ()),
        "credentials.database.db_connect": ("postgresql://postgres:${ANCHORE_DB_PASSWORD}@db:5432/postgres", ()),
        "credentials.database.db_connect_args.timeout": ("${ANCHORE_DB_TIMEOUT}", ()),
        "credentials.database.db_connect_args.ssl": ("${ANCHORE_DB_SSL}", ()),
    }


def test_the_section_keeps_its_references(tmp_path: Path) -> None:
    assert load(tmp_path, ALL).section == {
        "object_store": {
            "compression": {"enabled": "${ANCHORE_COMPRESS}", "min_size_kbytes": 100},
            "storage_driver": {
                "name": "s3",
                "config": {
                    "access_key": "${ANCHORE_KEY}",
                    "secret_key": "${ANCHORE_SECRET}",
                    "url": "http://${ANCHORE_HOST}",
                    "bucket": "b",
                },
            },
        }
    }


def test_a_secret_without_value_is_missed_only_when_it_is_needed(tmp_path: Path) -> None:
    environment = {name: value for name, value in ALL.items() if name not in {"ANCHORE_KEY", "ANCHORE_SECRET"}}
    config = load(tmp_path, environment)
    assert keys(config) == ("${ANCHORE_KEY}", "${ANCHORE_SECRET}")
    assert [one.unset for one in config.references if one.unset] == [("ANCHORE_KEY",), ("ANCHORE_SECRET",)]
    require_secrets(config, ())
    require_database(config)
    stores: tuple[StoreName, ...] = ("object_store", "analysis_archive")
    for store in stores:
        with pytest.raises(ConfigError) as raised:
            require_secrets(config, (store,))
        assert raised.value.message.splitlines() == [
            f"{config.path}: {WORKING}.storage_driver.config.{key} refers to {name}, which has no value"
            for key, name in (("access_key", "ANCHORE_KEY"), ("secret_key", "ANCHORE_SECRET"))
        ]
        assert "ANCHORE_ENV_FILE" in raised.value.hint


@pytest.mark.parametrize("key", ["object_store", "archive"])
def test_only_the_secrets_of_the_stores_in_question_are_needed(tmp_path: Path, key: str) -> None:
    s3 = "{storage_driver: {name: s3, config: {access_key: %s, secret_key: S, url: 'http://minio', bucket: b}}}"
    text = f"""
        services:
          catalog:
            {key}: {s3 % "A"}
            analysis_archive: {s3 % "${ANCHORE_KEY}"}
    """
    config = load(tmp_path, {}, text)
    require_secrets(config, ("object_store",))
    with pytest.raises(ConfigError, match=r"analysis_archive\..*ANCHORE_KEY"):
        require_secrets(config, ("object_store", "analysis_archive"))
    turned = load(tmp_path, {}, text.replace("access_key: A", "access_key: ${ANCHORE_WORKING}"))
    with pytest.raises(ConfigError, match=rf"catalog\.{key}\..*ANCHORE_WORKING"):
        require_secrets(turned, ("object_store",))


def test_a_swift_password_without_value_is_missed_only_when_it_is_needed(tmp_path: Path) -> None:
    text = """
        services:
          catalog:
            object_store:
              storage_driver: {name: swift, config: {container: c, os_username: u, os_password: ${ANCHORE_PASSWORD}}}
    """
    config = load(tmp_path, {}, text)
    with pytest.raises(ConfigError, match="ANCHORE_PASSWORD"):
        require_secrets(config, ("object_store",))


@pytest.mark.parametrize("lacking", ["ANCHORE_DB_PASSWORD", "ANCHORE_DB_TIMEOUT", "ANCHORE_DB_SSL"])
def test_a_database_variable_without_value_is_missed_only_when_it_is_needed(tmp_path: Path, lacking: str) -> None:
    config = load(tmp_path, {name: value for name, value in ALL.items() if name != lacking})
    assert config.database is not None
    with pytest.raises(ConfigError, match=lacking) as raised:
        require_database(config)
    assert "postgres:" not in raised.value.message


def test_a_config_without_database_says_where_to_name_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        require_database(load(tmp_path, {}, "services: {catalog: {}}"))
    assert raised.value.message == f"{tmp_path}/config.yaml: credentials.database.db_connect is missing"
    assert "--db-connect" in raised.value.hint


def test_any_other_storage_setting_without_value_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        load(tmp_path, {})
    assert [line.split(": ")[1] for line in raised.value.message.splitlines()] == [
        f"{WORKING}.compression.enabled",
        f"{WORKING}.storage_driver.config.url",
    ]


def test_a_value_that_holds_a_reference_is_no_value(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"config\.url: refers to ANCHORE_OTHER"):
        load(tmp_path, {**ALL, "ANCHORE_HOST": "${ANCHORE_OTHER}"})


def test_only_names_that_begin_with_anchore_are_replaced(tmp_path: Path) -> None:
    text = "services: {catalog: {object_store: {storage_driver: {name: localfs, config: {archive_data_dir: '%s'}}}}}"
    for name in ("${HOME}", "$ANCHORE_DIR", "${anchore_dir}", "${MY_ANCHORE}", "$${HOME}"):
        config = load(tmp_path, {"HOME": "x", "ANCHORE_DIR": "x", "anchore_dir": "x", "MY_ANCHORE": "x"}, text % name)
        location = config.object_store.backend.location.model_dump()
        assert location == {"archive_data_dir": name}
        assert config.references == ()


def test_the_env_file_stands_under_the_environment(tmp_path: Path) -> None:
    env_file = tmp_path / "anchore.env"
    env_file.write_text(
        "# secrets\n"
        "\n"
        "ANCHORE_KEY='from the file'\n"
        'ANCHORE_SECRET="a=b"\n'
        "ANCHORE_HOST=minio\r\n"
        "ANCHORE_COMPRESS=false\n"
        "HOME=elsewhere\n"
        "no equals sign\n"
    )
    config = load(tmp_path, {"ANCHORE_ENV_FILE": str(env_file), "ANCHORE_COMPRESS": "true"})
    assert keys(config) == ("from the file", "a=b")
    assert config.object_store.compression.enabled is True
    assert config.object_store.backend.name == "s3://b"


def test_an_env_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"the file that ANCHORE_ENV_FILE names, '.*gone' cannot be read"):
        load(tmp_path, {**ALL, "ANCHORE_ENV_FILE": str(tmp_path / "gone")})
    assert load(tmp_path, {**ALL, "ANCHORE_ENV_FILE": ""}).database is not None


def test_text_that_looks_like_our_own_stand_in_for_a_reference_stays(tmp_path: Path) -> None:
    text = """
        services:
          catalog:
            object_store:
              storage_driver:
                name: s3
                config: {access_key: ${ANCHORE_KEY}, secret_key: reference0z, url: 'http://minio', bucket: referencex1z}
    """
    config = load(tmp_path, {}, text)
    assert keys(config) == ("${ANCHORE_KEY}", "reference0z")
    assert config.object_store.backend.name == "s3://referencex1z"
