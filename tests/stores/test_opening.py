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
from stores.localfs import LocalfsStore
from stores.opening import open_store
from stores.s3 import S3Store
from stores.tables import TableStore
from tests.stores.s3_places import driver

SWIFT = SwiftDriver(auth_url=None, container="c", prefix="", create_container=False)


def config(one: Driver) -> StoreConfig:
    return StoreConfig(driver=one, compression=Compression())


@pytest.mark.parametrize(
    ("one", "kind"),
    [
        (DbDriver(), TableStore),
        (Db2Driver(), TableStore),
        (driver("http://127.0.0.1:9", "documents"), S3Store),
        (LocalfsDriver(archive_data_dir="/archive"), LocalfsStore),
    ],
    ids=lambda one: one.name if hasattr(one, "name") else "",
)
def test_a_driver_gives_its_store(database: Database, one: Driver, kind: type[object]) -> None:
    store = open_store(config(one), database, connections=2)
    assert type(store) is kind
    assert store.backend == config(one).backend
    store.close()


def test_swift_is_not_supported_yet(database: Database) -> None:
    with pytest.raises(ConfigError, match="driver swift is not supported yet") as raised:
        open_store(config(SWIFT), database, connections=2)
    assert raised.value.exit_code == ExitCode.CONFIG_INVALID


@pytest.mark.parametrize("one", [DbDriver(), Db2Driver()], ids=["db", "db2"])
def test_a_table_without_a_database_is_a_mistake_of_the_config(one: Driver) -> None:
    with pytest.raises(ConfigError, match="none is named"):
        open_store(config(one), None, connections=2)


def test_other_drivers_need_no_database() -> None:
    open_store(config(LocalfsDriver(archive_data_dir="/archive")), None, connections=2).close()
