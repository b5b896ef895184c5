"""Which moves two configs ask for, and which settings they say changed."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from planner.diff import config_changes, moves
from schemas.config import Compression, DatabaseConfig, LocalfsDriver, StorageConfig, StoreConfig, SwiftDriver
from tests.planner.storage_configs import DB, config, s3

PATTERNS = {
    "shared → shared is one move of everything": (
        config(DB),
        config(s3()),
        [("object_store", True, "db", "s3://anchore")],
    ),
    "shared → split moves each store": (
        config(DB),
        config(s3("work"), s3("archive")),
        [("object_store", False, "db", "s3://work"), ("analysis_archive", False, "db", "s3://archive")],
    ),
    "shared → split with the working set left in place moves the archive only": (
        config(DB),
        config(DB, s3("archive")),
        [("analysis_archive", False, "db", "s3://archive")],
    ),
    "split → shared moves each store": (
        config(DB, s3("archive")),
        config(s3("all")),
        [("object_store", False, "db", "s3://all"), ("analysis_archive", False, "s3://archive", "s3://all")],
    ),
    "split → split moves what differs": (
        config(s3("work"), s3("archive")),
        config(s3("work"), s3("archive2")),
        [("analysis_archive", False, "s3://archive", "s3://archive2")],
    ),
    "another prefix is another place": (
        config(s3(prefix="a")),
        config(s3(prefix="b")),
        [("object_store", True, "s3://anchore/a", "s3://anchore/b")],
    ),
    "another endpoint is another place": (
        config(s3()),
        config(s3(url="http://other:9000")),
        [("object_store", True, "s3://anchore", "s3://anchore")],
    ),
    "other credentials are no move": (config(s3(secret="old")), config(s3(secret="new")), []),
    "another region is no move": (
        config(s3(url=None, region="eu-west-1")),
        config(s3(url=None, region="us-east-1")),
        [],
    ),
    "compression is no move": (config(s3()), config(s3(), compressed=True), []),
    "a trailing slash of the URL is no move": (config(s3()), config(s3(url="http://minio:9000/")), []),
    "nothing changed": (config(), config(), []),
}


@pytest.mark.parametrize(("source", "destination", "expected"), PATTERNS.values(), ids=PATTERNS.keys())
def test_moves(source: StorageConfig, destination: StorageConfig, expected: list[tuple[str, bool, str, str]]) -> None:
    found = [(one.store, one.shared, one.source.name, one.destination.name) for one in moves(source, destination)]
    assert found == expected


WORKING = "services.catalog.object_store"
ARCHIVE = "services.catalog.analysis_archive"
SWIFT = SwiftDriver(auth_url="https://keystone/v3", container="anchore", prefix="", create_container=False)
AMBIENT = s3().model_copy(update={"access_key": None, "secret_key": None, "iamauto": True})
HIDDEN = ("changed", "changed")


def changes(source: StorageConfig, destination: StorageConfig) -> dict[str, tuple[object, object]]:
    """Return (before, after) by path, or ``HIDDEN``."""
    found = config_changes(source, destination)
    assert [one.path for one in found] == sorted({one.path for one in found})
    return {one.path: HIDDEN if one.changed else (one.before, one.after) for one in found}


def below(head: str, **settings: tuple[object, object]) -> dict[str, tuple[object, object]]:
    """Paths of the settings of a driver below ``head``; ``name`` is the driver's."""
    places = {"name": "storage_driver.name", "enabled": "compression.enabled", "min": "compression.min_size_kbytes"}
    return {f"{head}.{places.get(key, f'storage_driver.config.{key}')}": value for key, value in settings.items()}


NEW_S3 = {
    "name": ("db", "s3"),
    "bucket": (None, "anchore"),
    "url": (None, "http://minio:9000"),
    "access_key": HIDDEN,
    "secret_key": HIDDEN,
}
STORAGE_CHANGES = {
    "nothing": (config(s3()), config(s3()), {}),
    "compression": (config(s3()), config(s3(), compressed=True), below(WORKING, enabled=(False, True))),
    "defaults of a driver that comes or goes are no change": (config(DB), config(s3()), below(WORKING, **NEW_S3)),
    "what is no default is": (
        config(DB),
        config(s3(prefix="a", region="eu", url=None).model_copy(update={"create_bucket": True})),
        below(
            WORKING,
            **{
                **NEW_S3,
                "url": (None, None),
                "prefix": (None, "a"),
                "region": (None, "eu"),
                "create_bucket": (None, True),
            },
        ),
    ),
    "a place that is left": (
        config(s3(prefix="a")),
        config(DB),
        below(WORKING, **{key: change[::-1] for key, change in {**NEW_S3, "prefix": (None, "a")}.items()}),
    ),
    "other bucket, prefix and endpoint": (
        config(s3("a", prefix="a")),
        config(s3("b", prefix="b", url="https://s3.example.com")),
        below(WORKING, bucket=("a", "b"), prefix=("a", "b"), url=("http://minio:9000", "https://s3.example.com")),
    ),
    "keys for the ambient chain": (
        config(s3()),
        config(AMBIENT),
        below(WORKING, access_key=HIDDEN, secret_key=HIDDEN, iamauto=(False, True)),
    ),
    "an archive of its own": (config(DB), config(DB, s3()), below(ARCHIVE, **{**NEW_S3, "name": (None, "s3")})),
    "an archive of its own on both sides owes nothing to the working set": (
        config(AMBIENT, DB),
        config(AMBIENT, s3()),
        below(ARCHIVE, **NEW_S3),
    ),
    "an archive that compresses no more": (
        config(s3(), compressed=True),
        config(s3(), compressed=True).model_copy(
            update={"analysis_archive": StoreConfig(driver=DB, compression=Compression())}
        ),
        below(ARCHIVE, name=(None, "db"), enabled=(None, False)),
    ),
    "an archive that is shared again": (
        config(DB, LocalfsDriver(archive_data_dir="/archive")),
        config(DB),
        below(ARCHIVE, name=("localfs", None), archive_data_dir=("/archive", None)),
    ),
    "Swift by the words of the file": (
        config(SWIFT),
        config(SWIFT.model_copy(update={"prefix": "a", "auth_url": "https://other/v3", "create_container": True})),
        below(
            WORKING,
            anchore_key_prefix=("", "a"),
            os_auth_url=("https://keystone/v3", "https://other/v3"),
            create_container=(False, True),
        ),
    ),
}


@pytest.mark.parametrize(("source", "destination", "expected"), STORAGE_CHANGES.values(), ids=STORAGE_CHANGES.keys())
def test_storage_changes(
    source: StorageConfig, destination: StorageConfig, expected: dict[str, tuple[object, object]]
) -> None:
    assert changes(source, destination) == {path: change for path, change in expected.items() if change != (None, None)}


def test_a_rotated_secret_shows_as_changed_and_nothing_else() -> None:
    (change,) = config_changes(config(s3(secret="old-canary")), config(s3(secret="new-canary")))
    assert change.path == "services.catalog.object_store.storage_driver.config.secret_key"
    assert change.changed is True
    assert "canary" not in change.model_dump_json()


@pytest.mark.parametrize("key", ["object_store", "archive"])
def test_settings_that_restow_does_not_read_are_compared_as_written(key: str) -> None:
    def written(word: str, *, verify: bool) -> StorageConfig:
        driver = {"name": "swift", "config": {"container": "anchore", "os_password": word, "auth_version": word}}
        section = {key: {"verify_content_digests": verify, "compression": {"enabled": True}, "storage_driver": driver}}
        return config(SWIFT).model_copy(update={"section": section})

    assert changes(written("2", verify=True), written("3", verify=False)) == {
        f"{WORKING}.storage_driver.config.auth_version": ("2", "3"),
        f"{WORKING}.storage_driver.config.os_password": HIDDEN,
        f"{WORKING}.verify_content_digests": (True, False),
    }
    assert changes(config(DB), written("2", verify=True))[f"{WORKING}.storage_driver.config.os_password"] == HIDDEN


def test_changes_in_helm_values_have_the_paths_of_the_values() -> None:
    source, destination = (
        config(place).model_copy(update={"form": form}) for place, form in ((s3(), "helm"), (s3("b"), "helm-job"))
    )
    assert changes(source, destination) == below("anchoreConfig.catalog.object_store", bucket=("anchore", "b"))


def named(url: str | None, *, rest: dict[str, object] | None = None, path: str = "config.yaml") -> StorageConfig:
    database = None if url is None else DatabaseConfig(db_connect=SecretStr(url))
    return config().model_copy(update={"database": database, "rest": rest or {}, "path": path})


@pytest.mark.parametrize(
    ("old", "new", "changed"),
    [
        ("postgresql://a:canary@db/postgres", "postgresql://a:canary@db/postgres", False),
        ("postgresql://a:canary@db/postgres", "postgresql://a:canary2@db/postgres", True),
        (None, "postgresql://a:canary@db/postgres", True),
        (None, None, False),
    ],
)
def test_another_database_connection_shows_as_changed(old: str | None, new: str | None, changed: bool) -> None:
    found = config_changes(named(old), named(new, path="dest-config.yaml"))
    assert [one.path for one in found] == (["credentials.database.db_connect"] if changed else [])
    assert "canary" not in "".join(one.model_dump_json() for one in found)


@pytest.mark.parametrize("rest", [{"log_level": "INFO"}, {}], ids=["of a whole file", "of two bare files"])
def test_a_fragment_need_not_name_the_database(rest: dict[str, object]) -> None:
    source = named("postgresql://a@db/postgres", rest=rest)
    assert config_changes(source, named(None, path="dest-config.yaml")) == ()


def test_a_whole_file_that_names_no_database_any_more_shows_it() -> None:
    rest: dict[str, object] = {"log_level": "INFO"}
    source = named("postgresql://a@db/postgres", rest=rest)
    (change,) = config_changes(source, named(None, rest=rest, path="dest-config.yaml"))
    assert (change.path, change.changed) == ("credentials.database.db_connect", True)


def test_of_the_rest_a_hundred_changes_are_listed_by_path() -> None:
    rest: dict[str, object] = {f"setting_{index:03}": index % 2 == 0 for index in range(150)}
    source, destination = named(None, rest=rest), named(None, rest={"log_level": "INFO"}, path="dest-config.yaml")

    found = [one.path for one in config_changes(source, destination)]

    assert found == sorted(["log_level", *rest])[:100]
