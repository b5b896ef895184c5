"""From a store's config to the store."""

from __future__ import annotations

from typing import assert_never, cast

from schemas.backend import DbLocation, S3Location
from schemas.config import Db2Driver, DbDriver, LocalfsDriver, S3Driver, StoreConfig, SwiftDriver
from schemas.errors import ConfigError
from stores.database import Database
from stores.interface import Store


def open_store(config: StoreConfig, database: Database, *, connections: int) -> Store:
    """Return the store that the config names. Nothing is contacted yet.

    ``connections`` is how many threads will call it at the same time.
    Raises ConfigError for a driver that is not supported and for incomplete credentials, DeniedError for an empty
    credential chain.
    """
    driver, location = config.driver, config.backend.location
    match driver:
        case DbDriver():
            from stores.db import DbStore

            return DbStore(database, cast("DbLocation", location))
        case S3Driver():
            # Imported here, as above: who moves between tables need not load the clients of S3.
            from stores.s3 import S3Store

            return S3Store(driver, cast("S3Location", location), connections=connections)
        case Db2Driver() | LocalfsDriver() | SwiftDriver():
            raise ConfigError(f"driver {driver.name} is not supported yet", hint="db and s3 are")
        case _:
            assert_never(driver)
