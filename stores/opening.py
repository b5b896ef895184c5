"""From a store's config to the store."""

from __future__ import annotations

from typing import assert_never, cast

from schemas.backend import Db2Location, DbLocation, LocalfsLocation, S3Location
from schemas.config import Db2Driver, DbDriver, LocalfsDriver, S3Driver, StoreConfig, SwiftDriver
from schemas.errors import ConfigError
from schemas.plan import Transfer
from stores.database import Database
from stores.direct import DirectCopy
from stores.interface import Store


def open_store(config: StoreConfig, database: Database | None, *, connections: int) -> Store:
    """Return the store that the config names. Nothing is contacted yet.

    ``connections`` is how many threads will call it at the same time; only drivers ``db`` and ``db2`` need a database.
    Raises ConfigError for a driver that is not supported, a relative directory, incomplete credentials or no database,
    DeniedError for an empty credential chain.
    """
    # Imported when needed: who moves between tables need not load the clients of S3.
    driver, location = config.driver, config.backend.location
    match driver:
        case DbDriver() | Db2Driver():
            from stores import db, db2
            from stores.tables import TableStore

            form = db.FORM if isinstance(driver, DbDriver) else db2.FORM
            return TableStore(_required(database), cast("DbLocation | Db2Location", location), form)
        case S3Driver():
            from stores.s3 import S3Store

            return S3Store(driver, cast("S3Location", location), connections=connections)
        case LocalfsDriver():
            from stores.localfs import LocalfsStore

            return LocalfsStore(cast("LocalfsLocation", location))
        case SwiftDriver():
            raise ConfigError(f"driver {driver.name} is not supported yet", hint="db, db2, s3 and localfs are")
        case _:
            assert_never(driver)


def open_direct(transfer: Transfer, source: Store, destination: Store, database: Database) -> DirectCopy | None:
    """Return the way on which payloads go by themselves from one store to the other; None: they are streamed."""
    match transfer:
        case "stream":
            return None
        case "in_database":
            from stores.in_database import InDatabase

            old, new = source.backend.location, destination.backend.location
            if isinstance(old, DbLocation | Db2Location) and isinstance(new, DbLocation | Db2Location):
                return InDatabase(database, old, new)
            return None
        case "server_side_copy":
            from stores.s3 import S3Store

            return destination if isinstance(destination, S3Store) else None
        case _:
            assert_never(transfer)


def _required(database: Database | None) -> Database:
    if database is None:
        raise ConfigError(
            "drivers db and db2 need Anchore's database, and none is named",
            hint="set credentials.database.db_connect, or give --db-connect",
        )
    return database
