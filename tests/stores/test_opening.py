"""From a config to its store."""

from __future__ import annotations

import pytest

from schemas.config import (
    Compression,
    Db2Driver,
    DbDriver,
    Driver,
    LocalfsDriver,
    StoreConfig,
    SwiftDriver,
)
from schemas.errors import ConfigError
from schemas.exit_codes import ExitCode
from stores.database import Database
from stores.db import DbStore
from stores.opening import open_store
from stores.s3 import S3Store
from tests.stores.s3_places import driver


def config(one: Driver) -> StoreConfig:
    return StoreConfig(driver=one, compression=Compression())


@pytest.mark.parametrize(
    ("one", "kind"), [(DbDriver(), DbStore), (driver("http://127.0.0.1:9", "documents"), S3Store)], ids=["db", "s3"]
)
def test_a_driver_gives_its_store(database: Database, one: Driver, kind: type[object]) -> None:
    store = open_store(config(one), database, connections=2)
    assert type(store) is kind
    assert store.backend == config(one).backend
    store.close()


@pytest.mark.parametrize(
    "one",
    [
        Db2Driver(),
        LocalfsDriver(archive_data_dir="/archive"),
        SwiftDriver(auth_url=None, container="c", prefix="", create_container=False),
    ],
    ids=lambda one: one.name,
)
def test_other_drivers_are_not_supported_yet(database: Database, one: Driver) -> None:
    with pytest.raises(ConfigError, match=f"driver {one.name} is not supported yet") as raised:
        open_store(config(one), database, connections=2)
    assert raised.value.exit_code == ExitCode.CONFIG_INVALID
