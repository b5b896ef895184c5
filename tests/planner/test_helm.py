"""Values of the Helm chart: what a config means that the chart would make of them, and its own migration job."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from planner.load import load_config, require_database, require_secrets
from schemas.config import Compression, S3Driver, StorageConfig, StoreName
from schemas.errors import ConfigError

DB = {"storage_driver": {"name": "db", "config": {}}}
DB2 = {"storage_driver": {"name": "db2"}}
KEYS = {"access_key": "AKIA", "secret_key": "sesame"}
WORKING_KEYS = {
    "ANCHORE_OBJECT_STORE_ACCESS_KEY": "working access",
    "ANCHORE_OBJECT_STORE_SECRET_KEY": "working secret",
}
ARCHIVE_KEYS = {
    "ANCHORE_ANALYSIS_ARCHIVE_ACCESS_KEY": "archive access",
    "ANCHORE_ANALYSIS_ARCHIVE_SECRET_KEY": "archive secret",
}
TO, FROM = "to_analysis_archive", "from_analysis_archive"


def s3(bucket: str = "documents", **config: Any) -> dict[str, Any]:
    """Return a section with these settings; without any, its keys are in a Kubernetes secret."""
    settings = {"url": "http://minio:9000", "bucket": bucket, **(config or {"existingCredentialSecret": "anchore"})}
    return {"storage_driver": {"name": "s3", "config": settings}}


def values(catalog: Mapping[str, Any], job: Mapping[str, Any] | None = None) -> dict[str, Any]:
    content: dict[str, Any] = {"anchoreConfig": {"catalog": catalog}}
    return content if job is None else {**content, "osaaMigrationJob": job}


def archive_job(section: object = None, mode: str | None = None, **settings: Any) -> dict[str, Any]:
    job = {"run": True, "analysis_archive": section, "mode": mode, **settings}
    return {"analysisArchiveMigration": {key: value for key, value in job.items() if value is not None}}


def working_job(section: object = None, *, run: bool = True) -> dict[str, Any]:
    return {"objectStoreMigration": {"run": run, "object_store": section or {}}}


class Folder:
    def __init__(self, path: Path) -> None:
        self.path = path

    def load(self, content: Mapping[str, Any], **environment: str) -> StorageConfig:
        return load_config(self._written(content), environment=environment)

    def load_job(self, content: Mapping[str, Any], **environment: str) -> StorageConfig:
        return load_config(self._written(content), environment=environment, helm_job=True)

    def _written(self, content: Mapping[str, Any]) -> Path:
        file = self.path / "values.yaml"
        file.write_text(yaml.safe_dump(dict(content), sort_keys=False))
        return file


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def keys(config: StorageConfig, store: StoreName = "object_store") -> tuple[str, str]:
    driver = config.store(store).driver
    assert isinstance(driver, S3Driver)
    assert driver.access_key is not None
    assert driver.secret_key is not None
    return driver.access_key.get_secret_value(), driver.secret_key.get_secret_value()


def places(config: StorageConfig) -> tuple[str, str | None]:
    """Return where the working set is, and where the archive is if it has a place of its own."""
    archive = config.analysis_archive
    return config.object_store.backend.name, None if archive is None else archive.backend.name


@pytest.mark.parametrize(
    "catalog",
    [
        {},
        {"object_store": None, "analysis_archive": None},
        {"object_store": {}, "analysis_archive": {}},
        {"object_store": {"verify_content_digests": True}},
        {"object_store": DB2, "analysis_archive": {"enabled": True}},
        {"object_store": s3(**KEYS, prefix="internaltest", region=False, create_bucket=True)},
        {"object_store": s3(iamauto=True), "analysis_archive": {"compression": {"enabled": True}, **DB}},
        {"object_store": s3(**KEYS), "analysis_archive": s3("archive", access_key="${ANCHORE_A}", secret_key="S")},
        {"object_store": {"storage_driver": {"name": "localfs", "config": {"archive_data_dir": "/data/"}}}},
        {"object_store": {"storage_driver": {"name": "swift", "config": {"container": "c", "user": "u", "key": "k"}}}},
        {"object_store": DB, "cycle_timers": {"image_watcher": 3600}},
    ],
)
def test_values_mean_what_the_same_sections_mean_in_a_config(folder: Folder, catalog: dict[str, Any]) -> None:
    helm = folder.load(values(catalog), ANCHORE_A="AKIA")
    config = folder.load({"services": {"catalog": catalog}}, ANCHORE_A="AKIA")
    assert (helm.form, config.form) == ("helm", "config")
    assert (helm.object_store, helm.analysis_archive) == (config.object_store, config.analysis_archive)
    assert (helm.fingerprint, helm.section) == (config.fingerprint, config.section)


@pytest.mark.parametrize(
    ("content", "form", "driver"),
    [
        ({"anchoreConfig": {}}, "helm", "db"),
        ({"anchoreConfig": {"log_level": "DEBUG"}}, "helm", "db"),
        ({"osaaMigrationJob": {"enabled": False}}, "helm", "db"),
        ({"osaaMigrationJob": None, "anchoreConfig": {"catalog": {"object_store": DB2}}}, "helm", "db2"),
        ({"anchoreConfig": {"catalog": {"archive": DB2}}}, "helm", "db"),
        ({"anchoreConfig": {"catalog": {"object_store": DB2}}, "services": {"catalog": {}}}, "config", "db"),
    ],
)
def test_the_shape_of_a_file_tells_which_it_is(folder: Folder, content: dict[str, Any], form: str, driver: str) -> None:
    config = folder.load(content)
    assert (config.form, config.object_store.driver.name) == (form, driver)
    assert config.object_store.compression == Compression(enabled=False, min_size_kbytes=100)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"existingCredentialSecret": "anchore"}, ("working access", "working secret")),
        ({"existingCredentialSecret": "anchore", **KEYS}, ("working access", "working secret")),
        (
            {"existingCredentialSecret": "anchore", "access_key": "${ANCHORE_UNSET}", "iamauto": True},
            ("working access", "working secret"),
        ),
        (
            {"existingCredentialSecret": "anchore", "accessKeySecretKey": "user", "secretKeySecretKey": "password"},
            ("working access", "working secret"),
        ),
        ({"existingCredentialSecret": "", "accessKeySecretKey": "user", **KEYS}, ("AKIA", "sesame")),
        ({"existingCredentialSecret": None, **KEYS}, ("AKIA", "sesame")),
        ({**KEYS, "secret_key": "${ANCHORE_OBJECT_STORE_SECRET_KEY}"}, ("AKIA", "working secret")),
    ],
)
def test_a_kubernetes_secret_wins_over_keys(folder: Folder, config: dict[str, Any], expected: tuple[str, str]) -> None:
    assert keys(folder.load(values({"object_store": s3(**config)}), **WORKING_KEYS)) == expected


def test_each_store_has_variables_of_its_own(folder: Folder) -> None:
    config = folder.load(values({"object_store": s3(), "analysis_archive": s3("a")}), **WORKING_KEYS, **ARCHIVE_KEYS)
    assert keys(config) == ("working access", "working secret")
    assert keys(config, "analysis_archive") == ("archive access", "archive secret")
    assert all(reference.unset == () for reference in config.references)


def test_the_env_file_gives_the_keys_too(folder: Folder) -> None:
    env_file = folder.path / "anchore.env"
    env_file.write_text("ANCHORE_OBJECT_STORE_ACCESS_KEY='a'\nANCHORE_OBJECT_STORE_SECRET_KEY=file\n")
    variables = {"ANCHORE_ENV_FILE": str(env_file), "ANCHORE_OBJECT_STORE_SECRET_KEY": "s # e: c"}
    assert keys(folder.load(values({"object_store": s3()}), **variables)) == ("a", "s # e: c")


def test_the_section_is_as_written(folder: Folder) -> None:
    catalog = {"object_store": s3(existingCredentialSecret="anchore", prefix="${ANCHORE_P}"), "analysis_archive": {}}
    assert folder.load(values(catalog), ANCHORE_P="p", **WORKING_KEYS).section == catalog
    assert folder.load({"anchoreConfig": {}}).section == {}


SECRET = "storage_driver.config.existingCredentialSecret"


@pytest.mark.parametrize("unset", [{}, {"ANCHORE_OBJECT_STORE_SECRET_KEY": ""}])
def test_a_variable_of_the_chart_without_value_is_missed_only_when_it_is_needed(
    folder: Folder, unset: dict[str, str]
) -> None:
    config = folder.load(values({"object_store": s3(), "analysis_archive": s3("a")}), **unset, **ARCHIVE_KEYS)
    names = sorted(WORKING_KEYS)
    found = [(one.path, one.unset) for one in config.references if one.unset]
    assert found == [(f"anchoreConfig.catalog.object_store.{SECRET}", (name,)) for name in names]
    require_secrets(config, ("analysis_archive",))
    with pytest.raises(ConfigError) as raised:
        require_secrets(config, ("object_store",))
    assert raised.value.message.splitlines() == [
        f"{config.path}: anchoreConfig.catalog.object_store.{SECRET} refers to {name}, which has no value"
        for name in names
    ]
    assert "ANCHORE_ENV_FILE" in raised.value.hint


def test_a_driver_without_keys_needs_none(folder: Folder) -> None:
    section = {"storage_driver": {"name": "db", "config": {"existingCredentialSecret": "left over"}}}
    config = folder.load(values({"object_store": section}))
    assert config.references == ()
    require_secrets(config, ("object_store",))


def test_values_name_no_database(folder: Folder) -> None:
    content = {**values({}), "credentials": {"database": {"db_connect": "postgresql://not/asked"}}}
    config = folder.load(content)
    assert config.database is None
    with pytest.raises(ConfigError) as raised:
        require_database(config)
    assert raised.value.message == f"{config.path}: values of the Helm chart name no database"
    assert raised.value.hint == "give --db-connect or RESTOW_DB_CONNECT"


def test_no_secret_shows_when_values_are_printed(folder: Folder) -> None:
    catalog = {"object_store": s3(access_key="CANARY1", secret_key="CANARY2"), "analysis_archive": s3("a")}
    content = {**values(catalog), "cataloguer": {"password": "CANARY3"}}
    config = folder.load(content, **dict.fromkeys(ARCHIVE_KEYS, "CANARY4"))
    assert "CANARY" not in repr(config) + str(config)


SHARED = {"object_store": DB}
SPLIT = {"object_store": DB, "analysis_archive": s3("archive")}
BUCKET, ARCHIVE = "s3://documents", "s3://archive"


@pytest.mark.parametrize(
    ("catalog", "job", "expected"),
    [
        (SHARED, archive_job(s3("archive")), ("db", ARCHIVE)),
        (SHARED, archive_job(s3("archive"), TO, bucket="analysis_archive"), ("db", ARCHIVE)),
        (SHARED, working_job(s3()), (BUCKET, None)),
        (SHARED, working_job(s3()) | archive_job(s3("archive")), (BUCKET, ARCHIVE)),
        (SHARED, working_job(s3(), run=False) | archive_job(s3("archive")), ("db", ARCHIVE)),
        (SHARED, {"objectStoreMigration": {"object_store": s3()}} | archive_job(s3("archive")), ("db", ARCHIVE)),
        (SPLIT, working_job(s3()), (BUCKET, ARCHIVE)),
        (SPLIT, working_job(s3()) | archive_job(s3("new"), TO), (BUCKET, "s3://new")),
        (SPLIT, archive_job({}, TO), ("db", None)),
        (SPLIT, archive_job(), ("db", None)),
        (SPLIT, archive_job(mode=FROM), ("db", None)),
        (SPLIT, archive_job({}, FROM), ("db", None)),
        (SPLIT, archive_job(s3("elsewhere"), FROM), ("db", None)),
        (SPLIT, archive_job(DB, FROM), ("db", "db")),
        (SPLIT, working_job(s3()) | archive_job(s3("archive"), FROM), (BUCKET, None)),
        (SPLIT, working_job(s3()) | archive_job(s3(), FROM), (BUCKET, BUCKET)),
        (SPLIT, working_job() | archive_job(mode=FROM), ("db", None)),
        ({"object_store": s3()}, working_job(), ("db", None)),
        ({"object_store": s3()}, {"enabled": False, "extraEnv": [], **archive_job(DB2)}, (BUCKET, "db2")),
        ({"object_store": DB2, "analysis_archive": None}, working_job(DB), ("db", None)),
    ],
)
def test_the_destination_of_the_migration_job(
    folder: Folder, catalog: dict[str, Any], job: dict[str, Any], expected: tuple[str, str | None]
) -> None:
    content = values(catalog, job)
    source, destination = folder.load(content), folder.load_job(content)
    assert (source.form, destination.form) == ("helm", "helm-job")
    assert places(destination) == expected
    assert places(source) == places(folder.load(values(catalog)))
    assert source.rest == destination.rest


def test_what_the_job_leaves_alone_it_may_leave_out(folder: Folder) -> None:
    config = folder.load_job({"osaaMigrationJob": archive_job(s3("archive"))}, **ARCHIVE_KEYS)
    assert places(config) == ("db", ARCHIVE)
    assert config.section == {"analysis_archive": s3("archive")}


def test_the_job_has_its_keys_from_the_same_variables(folder: Folder) -> None:
    job = working_job(s3()) | archive_job(s3("archive"))
    config = folder.load_job(values(SHARED, job), **WORKING_KEYS)
    assert keys(config) == ("working access", "working secret")
    require_secrets(config, ("object_store",))
    with pytest.raises(ConfigError) as raised:
        require_secrets(config, ("analysis_archive",))
    head = "osaaMigrationJob.analysisArchiveMigration.analysis_archive"
    assert raised.value.message.splitlines() == [
        f"{config.path}: {head}.{SECRET} refers to {name}, which has no value" for name in sorted(ARCHIVE_KEYS)
    ]


def test_the_section_of_a_job_is_what_must_be_set_after_it(folder: Folder) -> None:
    split = working_job(s3()) | archive_job(s3("archive"))
    assert folder.load_job(values(SHARED, split)).section == {
        "object_store": s3(),
        "analysis_archive": s3("archive"),
    }
    back = archive_job(s3("elsewhere", access_key="A", secret_key="${ANCHORE_UNSET}"), FROM)
    config = folder.load_job(values(SPLIT, back))
    assert config.section == {"object_store": DB, "analysis_archive": {}}
    assert config.references == ()
    (unused,) = config.oddities
    path = "osaaMigrationJob.analysisArchiveMigration.analysis_archive"
    assert (unused.code, unused.path) == ("archive-section-unused", path)


@pytest.mark.parametrize(
    ("content", "rest"),
    [
        ({"anchoreConfig": {"catalog": {"object_store": DB}}}, {}),
        ({"anchoreConfig": {}, "osaaMigrationJob": {"enabled": True}}, {}),
        (
            {"anchoreConfig": {"catalog": {"archive": 1, "analysis_archive": DB}, "log_level": "${ANCHORE_L}"}},
            {"anchoreConfig": {"catalog": {"archive": 1}, "log_level": "${ANCHORE_L}"}},
        ),
        ({"anchoreConfig": {"catalog": {}}, "image": "anchore"}, {"image": "anchore"}),
    ],
)
def test_the_rest_of_values_is_all_but_storage_as_written(
    folder: Folder, content: dict[str, Any], rest: dict[str, Any]
) -> None:
    assert folder.load(content, ANCHORE_L="DEBUG").rest == rest
