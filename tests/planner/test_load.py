"""What a config means once it is read: as Anchore would take it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from planner.load import load_config
from schemas.backend import DbLocation, LocalfsLocation, Location, S3Location, SwiftLocation
from schemas.config import Compression, LocalfsDriver, S3Driver, StorageConfig, StoreConfig, SwiftDriver

DB = {"storage_driver": {"name": "db", "config": {}}}
DB2 = {"storage_driver": {"name": "db2", "config": {}}}
KEYS = {"access_key": "AKIA", "secret_key": "sesame"}
S3 = {**KEYS, "url": "http://minio:9000", "bucket": "documents"}


class Folder:
    """Writes configs and loads them."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def load(self, config: object, **environment: str) -> StorageConfig:
        text = config if isinstance(config, str) else yaml.safe_dump(config)
        (self.path / "config.yaml").write_text(text)
        return load_config(self.path / "config.yaml", environment=environment)

    def catalog(self, **catalog: object) -> StorageConfig:
        return self.load({"services": {"catalog": catalog}})

    def store(self, **section: object) -> StoreConfig:
        return self.catalog(object_store=section).object_store

    def s3(self, **config: object) -> S3Driver:
        driver = self.store(storage_driver={"name": "s3", "config": config}).driver
        assert isinstance(driver, S3Driver)
        return driver


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


@pytest.mark.parametrize(
    ("catalog", "driver"),
    [
        ({}, "db"),
        ({"enabled": True, "object_store": None}, "db"),
        ({"object_store": DB2}, "db2"),
        ({"object_store": {"verify_content_digests": True}}, "db"),
        ({"object_store": {"storage_driver": {"config": {}}}}, "db"),
        ({"archive": DB2}, "db2"),
        ({"object_store": DB, "archive": DB2}, "db"),
        ({"object_store": {}, "archive": DB2}, "db2"),
        ({"object_store": None, "archive": DB2}, "db2"),
        ({"archive_driver": "db2"}, "db2"),
        ({"archive_driver": "localfs", "archive_data_dir": "/archive"}, "localfs"),
        ({"archive_driver": "localfs", "archive_data_dir": "/archive", "use_db": True}, "db"),
        ({"archive_driver": "localfs", "use_db": True}, "db"),
        ({"archive_driver": "db2", "use_db": False}, "db2"),
        ({"use_db": True}, "db"),
        ({"archive_driver": "localfs", "archive": DB2}, "db2"),
        ({"archive_driver": "long gone", "object_store": DB2}, "db2"),
        ({"archive_driver": "localfs", "archive_data_dir": "/archive", "object_store": {}}, "localfs"),
    ],
)
def test_the_working_set_is_the_section_that_anchore_takes(
    folder: Folder, catalog: dict[str, object], driver: str
) -> None:
    assert folder.catalog(**catalog).object_store.driver.name == driver


@pytest.mark.parametrize(
    ("archive", "driver"),
    [
        (None, None),
        ({}, None),
        ({"enabled": True}, None),
        ({"enabled": True, **DB2}, "db2"),
        ({"compression": {}}, "db"),
    ],
)
def test_an_archive_that_names_no_place_shares_the_working_sets(
    folder: Folder, archive: dict[str, object] | None, driver: str | None
) -> None:
    found = folder.catalog(object_store=DB2, analysis_archive=archive)
    assert (found.analysis_archive and found.analysis_archive.driver.name) == driver
    assert found.store("analysis_archive").driver.name == (driver or "db2")
    assert folder.catalog(object_store=DB2).analysis_archive is None


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ({}, Compression(enabled=False, min_size_kbytes=100)),
        ({"enabled": True}, Compression(enabled=True, min_size_kbytes=100)),
        ({"min_size_kbytes": 0}, Compression(enabled=False, min_size_kbytes=0)),
        ({"enabled": None, "min_size_kbytes": 5}, Compression(enabled=False, min_size_kbytes=5)),
        ({"enabled": "true"}, Compression(enabled=False, min_size_kbytes=100)),
    ],
)
def test_compression_left_out_takes_the_defaults(
    folder: Folder, written: dict[str, object], meant: Compression
) -> None:
    assert folder.store(compression=written, **DB2).compression == meant
    assert folder.store(**DB2).compression == Compression()


def test_an_s3_config_as_documented(folder: Folder) -> None:
    driver = folder.s3(**S3, region=False, prefix="internaltest", create_bucket=True)
    assert (driver.url, driver.region, driver.bucket, driver.prefix) == (
        "http://minio:9000",
        None,
        "documents",
        "internaltest",
    )
    assert driver.create_bucket
    assert not driver.iamauto
    assert driver.access_key is not None
    assert driver.secret_key is not None
    assert driver.access_key.get_secret_value() == "AKIA"
    assert driver.secret_key.get_secret_value() == "sesame"


def test_an_s3_config_by_region_with_the_ambient_credentials(folder: Folder) -> None:
    driver = folder.s3(iamauto=True, region="eu-central-1", bucket="documents")
    assert (driver.url, driver.region, driver.iamauto) == (None, "eu-central-1", True)
    assert (driver.access_key, driver.secret_key) == (None, None)
    assert (driver.prefix, driver.create_bucket) == ("", False)


@pytest.mark.parametrize(
    ("credentials", "iamauto"),
    [
        ({"access_key": "A", "secret_key": "S", "iamauto": True}, False),
        ({"access_key": None, "secret_key": None, "iamauto": True}, True),
        ({"access_key": "A", "iamauto": True}, True),
        ({"iamauto": "true"}, True),
    ],
)
def test_two_keys_win_over_iamauto(folder: Folder, credentials: dict[str, object], *, iamauto: bool) -> None:
    driver = folder.s3(**credentials, url="http://minio:9000", bucket="documents")
    assert driver.iamauto is iamauto
    assert (driver.access_key is None) is iamauto
    assert (driver.secret_key is None) is iamauto


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("", ""),
        ("internaltest", "internaltest"),
        ("/team/", "/team/"),
        ("ünï ", "ünï "),
        (None, "None"),
        (2024, "2024"),
        (1.5, "1.5"),
        (False, "False"),
    ],
)
def test_the_prefix_is_what_anchore_would_write(folder: Folder, written: object, meant: str) -> None:
    assert folder.s3(**S3, prefix=written).prefix == meant
    assert folder.s3(**S3).prefix == ""


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("http://minio:9000", "http://minio:9000"),
        ("http://minio:9000/", "http://minio:9000/"),
        ("https://user:sesame@minio:9000/path", "https://minio:9000/path"),
        ("https://user:s@same@minio", "https://minio"),
        ("http://[::1]:9000", "http://[::1]:9000"),
    ],
)
def test_the_user_part_of_an_endpoint_is_a_secret(folder: Folder, written: str, kept: str) -> None:
    driver = folder.s3(**{**S3, "url": written})
    assert driver.url == kept


def test_a_trailing_slash_of_an_endpoint_does_not_make_another_place(folder: Folder) -> None:
    one, other = (
        folder.store(storage_driver={"name": "s3", "config": {**S3, "url": url}}).backend
        for url in ("http://minio:9000", "http://user@minio:9000/")
    )
    assert one.identity == other.identity


@pytest.mark.parametrize(
    ("driver", "location"),
    [
        ({"name": "db", "config": None}, DbLocation(table="archive_document")),
        (
            {"name": "s3", "config": {**S3, "region": "ignored"}},
            S3Location(endpoint="http://minio:9000", region=None, bucket="documents", prefix=""),
        ),
        ({"name": "localfs", "config": {"archive_data_dir": "/data"}}, LocalfsLocation(archive_data_dir="/data")),
        ({"name": "localfs", "config": {"archive_data_dir": "/data/"}}, LocalfsLocation(archive_data_dir="/data")),
        (
            {"name": "swift", "config": {"container": "documents", "os_auth_url": "http://u:p@keystone/v3"}},
            SwiftLocation(auth_url="http://keystone/v3", container="documents", prefix=""),
        ),
        (
            {"name": "swift", "config": {"container": "c", "auth": "http://v1", "anchore_key_prefix": "team-"}},
            SwiftLocation(auth_url="http://v1", container="c", prefix="team-"),
        ),
    ],
)
def test_each_driver_has_its_place(folder: Folder, driver: dict[str, object], location: Location) -> None:
    assert folder.store(storage_driver=driver).backend.location == location


def test_drivers_that_cannot_be_applied_yet_load(folder: Folder) -> None:
    localfs = folder.store(storage_driver={"name": "localfs", "config": {"archive_data_dir": "relative"}})
    assert localfs.driver == LocalfsDriver(archive_data_dir="relative")
    swift = folder.store(storage_driver={"name": "swift", "config": {"container": "c", "create_container": True}})
    assert swift.driver == SwiftDriver(auth_url=None, container="c", prefix="", create_container=True)


def test_other_settings_are_ignored_but_carried_along(folder: Folder) -> None:
    section = {
        "verify_content_digests": True,
        "storage_driver": {"name": "s3", "config": {**S3, "signature": [1, {"x": None}]}, "since": "5.0"},
    }
    config = folder.load(
        {"services": {"catalog": {"cycle_timers": {"a": 1}, "object_store": section}, "apiext": 5}, "webhooks": None}
    )
    assert config.section == {"object_store": section}


def test_the_section_is_as_written_in_old_files_too(folder: Folder) -> None:
    old: dict[str, Any] = {"archive_driver": "localfs", "archive_data_dir": "/archive", "use_db": False}
    assert folder.catalog(**old, enabled=True).section == old
    assert folder.catalog(enabled=True).section == {}


def test_settings_can_be_merged_from_an_anchor(folder: Folder) -> None:
    config = folder.load("""
        shared: &shared {enabled: true, min_size_kbytes: 7}
        services:
          catalog:
            object_store:
              compression: {<<: *shared, min_size_kbytes: 8}
            analysis_archive:
              compression: *shared
              storage_driver: {name: db2}
    """)
    assert config.object_store.compression == Compression(enabled=True, min_size_kbytes=8)
    assert config.store("analysis_archive").compression == Compression(enabled=True, min_size_kbytes=7)


@pytest.mark.parametrize(
    ("text", "noted"),
    [
        (
            "services:\n  catalog:\n    archive:\n      compression:\n        enabled: 'true'\n",
            ("services.catalog.archive.compression.enabled", 5),
        ),
        (
            "services:\n  catalog:\n    use_db: 'no'\n    archive_driver: db2\n",
            ("services.catalog.use_db", 3),
        ),
        (
            "services:\n  catalog:\n    analysis_archive:\n      compression: {enabled: 'true'}\n",
            ("services.catalog.analysis_archive.compression.enabled", 4),
        ),
        (
            "anchoreConfig:\n  catalog:\n    object_store: {compression: {enabled: 'true'}}\n",
            ("anchoreConfig.catalog.object_store.compression.enabled", 3),
        ),
    ],
)
def test_what_anchore_takes_for_something_else_is_noted_where_the_file_says_it(
    folder: Folder, text: str, noted: tuple[str, int]
) -> None:
    (oddity,) = folder.load(text).oddities
    assert (oddity.code, oddity.path, oddity.line) == ("switch-as-text", *noted)


def test_an_ordinary_config_has_no_oddities(folder: Folder) -> None:
    config = {**S3, "url": "https://s3.example.com"}
    assert folder.catalog(object_store={"storage_driver": {"name": "s3", "config": config}}).oddities == ()


@pytest.mark.parametrize(
    ("config", "rest"),
    [
        ({"services": {"catalog": {"object_store": DB, "archive": DB2, "use_db": True}}}, {}),
        ({"services": {"catalog": {}}, "credentials": {"database": {"db_connect": None}}}, {}),
        (
            {
                "services": {"catalog": {"port": 8228, "analysis_archive": DB}, "apiext": None},
                "log_level": "${ANCHORE_L}",
            },
            {"services": {"catalog": {"port": 8228}, "apiext": None}, "log_level": "${ANCHORE_L}"},
        ),
        (
            {"services": {"catalog": {}, "analyzer": {}}, "credentials": {"database": {}, "other": ["key"]}},
            {"services": {"analyzer": {}}, "credentials": {"other": ["key"]}},
        ),
        (
            {"services": {"catalog": {}}, "credentials": {"database": {"db_connect": None, "db_pool_size": 30}}},
            {"credentials": {"database": {"db_pool_size": 30}}},
        ),
    ],
)
def test_the_rest_is_all_but_storage_and_the_database_s_name_as_written(
    folder: Folder, config: dict[str, object], rest: dict[str, object]
) -> None:
    assert folder.load(config, ANCHORE_L="DEBUG").rest == rest


def test_no_secret_shows_when_a_config_is_printed(folder: Folder) -> None:
    config = folder.load(
        """
        services:
          catalog:
            object_store:
              storage_driver:
                name: s3
                config: {access_key: CANARY1, secret_key: CANARY2, url: "http://u:CANARY3@minio", bucket: b}
        credentials:
          database: {db_connect: "postgresql://postgres:CANARY4@${ANCHORE_DB_HOST}/postgres"}
        """
    )
    assert "CANARY" not in repr(config) + str(config)


def test_the_path_is_kept_as_the_user_named_it(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.catalog()
    monkeypatch.chdir(folder.path)
    assert load_config("./config.yaml", environment={}).path == "./config.yaml"
