"""How far one gets on the way to a config's documents: for ``check``, which must name what stands in the way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, assert_never, cast

from schemas.backend import S3Location
from schemas.config import Db2Driver, DbDriver, LocalfsDriver, S3Driver, StoreConfig, SwiftDriver
from schemas.errors import DeniedError, RestowError
from stores.database import Database
from stores.interface import Store

Part = Literal["endpoint", "credentials", "bucket", "table", "directory", "list", "get"]


@dataclass(frozen=True, slots=True)
class Obstacle:
    """The part that is not in order; all before it are."""

    part: Part
    error: RestowError


def parts(config: StoreConfig) -> tuple[Part, ...]:
    """Return what must be in order before a document can be stored, as one comes to it."""
    match config.driver:
        case DbDriver() | Db2Driver():
            return ("endpoint", "credentials", "table")
        case S3Driver():
            return ("endpoint", "credentials", "bucket", "list")
        case LocalfsDriver():
            return ("directory",)
        case SwiftDriver():
            return ()
        case _:
            assert_never(config.driver)


def first_obstacle(config: StoreConfig, store: Store, database: Database | None) -> Obstacle | None:
    """Look for what keeps ``store``, opened from ``config``, from its documents; None: nothing.

    The place itself is made where the config has it made. Nothing else is written.
    """
    driver = config.driver
    match driver:
        case DbDriver() | Db2Driver():
            return _before_the_table(database) or _at_the_place("table", store)
        case S3Driver():
            from stores.s3_access import s3_obstacle

            found = s3_obstacle(driver, cast("S3Location", config.backend.location))
            return _at_the_place("bucket", store) if found is None else Obstacle(found.part, found.error)
        case LocalfsDriver():
            return _at_the_place("directory", store)
        case SwiftDriver():
            return None
        case _:
            assert_never(driver)


def _before_the_table(database: Database | None) -> Obstacle | None:
    if database is None:
        return None
    try:
        database.run(lambda transaction: transaction.one("SELECT 1"), snapshot=True)
    except DeniedError as error:
        return Obstacle("credentials", error)
    except RestowError as error:
        return Obstacle("endpoint", error)
    return None


def _at_the_place(part: Part, store: Store) -> Obstacle | None:
    try:
        store.check_access()
    except DeniedError as error:
        return Obstacle("get", error)
    except RestowError as error:
        return Obstacle(part, error)
    try:
        store.refuse_foreign()
        store.prepare()
    except RestowError as error:
        return Obstacle(part, error)
    return None
