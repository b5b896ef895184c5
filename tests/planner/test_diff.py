"""Which moves two configs ask for, and which settings they say changed."""

from __future__ import annotations

import pytest

from planner.diff import config_changes, moves
from schemas.config import StorageConfig
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


def test_a_changed_setting_shows_both_values() -> None:
    (change,) = config_changes(config(s3()), config(s3(), compressed=True))
    assert (change.path, change.before, change.after) == (
        "services.catalog.object_store.compression.enabled",
        False,
        True,
    )


def test_a_rotated_secret_shows_as_changed_and_nothing_else() -> None:
    (change,) = config_changes(config(s3(secret="old-canary")), config(s3(secret="new-canary")))
    assert change.path == "services.catalog.object_store.storage_driver.config.secret_key"
    assert change.changed is True
    assert "canary" not in change.model_dump_json()


def test_a_new_archive_section_lists_each_of_its_settings() -> None:
    paths = [change.path for change in config_changes(config(DB), config(DB, s3("archive")))]
    assert "services.catalog.analysis_archive.storage_driver.config.bucket" in paths
    assert all(path.startswith("services.catalog.analysis_archive.") for path in paths)
