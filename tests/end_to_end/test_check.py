"""``restow check``: a round trip that leaves nothing, and one line for the step that fails."""

from __future__ import annotations

from dataclasses import replace

import pytest

from restow.demo.servers import free_port
from tests.anchore.config import S3, Config, Section
from tests.end_to_end.codes import CONFIG_INVALID, DENIED, UNREACHABLE
from tests.end_to_end.migration import Migration


def with_s3(migration: Migration, **changes: object) -> str:
    """Write a config whose S3 differs from the destination's in this, and return its name."""
    place = migration.destination.object_store.place
    assert isinstance(place, S3)
    migration.deployment.write_config("other.yaml", Config(Section(replace(place, **changes))))  # type: ignore[arg-type]
    return "other.yaml"


@pytest.mark.parametrize("config", ["config.yaml", "dest-config.yaml"])
def test_a_backend_in_order_passes_every_step_and_is_left_as_it_was(migration: Migration, config: str) -> None:
    with migration.writes_nothing():
        said = migration.cli.run("check", config).must_end(0).stdout
    assert "object_store and analysis_archive" in said
    assert "in order" in said
    for step in ("endpoint", "credentials", "put", "get", "delete", "digest"):
        assert f"\n  {step} " in said


def test_it_says_whether_the_etag_is_the_md5(migration: Migration) -> None:
    assert "tells the MD5" in migration.cli.run("check", "dest-config.yaml").must_end(0).stdout


def test_one_store_can_be_checked_alone(migration: Migration) -> None:
    said = migration.cli.run("check", "config.yaml", "--store", "analysis_archive").must_end(0).stdout
    assert said.startswith("analysis_archive in db")


def test_wrong_keys_are_named(migration: Migration) -> None:
    said = migration.cli.run("check", with_s3(migration, access_key="nobody")).must_end(DENIED)
    assert "fails at step credentials" in said.stdout
    assert "error: " in said.stderr


def test_a_server_that_is_not_there_is_named(migration: Migration) -> None:
    said = migration.cli.run("check", with_s3(migration, url=f"http://127.0.0.1:{free_port()}")).must_end(UNREACHABLE)
    assert "fails at step endpoint" in said.stdout


def test_a_missing_bucket_is_named(migration: Migration) -> None:
    said = migration.cli.run("check", with_s3(migration, bucket="not-there")).must_end(UNREACHABLE)
    assert "not-there" in said.stderr


def test_a_driver_that_is_not_supported_says_so(migration: Migration) -> None:
    driver = "{name: swift, config: {container: c, user: u, key: k}}"
    text = f"services: {{catalog: {{object_store: {{storage_driver: {driver}}}}}}}\n"
    migration.deployment.write_yaml("swift.yaml", text)
    said = migration.cli.run("check", "swift.yaml").must_end(CONFIG_INVALID)
    assert "swift is not supported yet" in said.stderr
