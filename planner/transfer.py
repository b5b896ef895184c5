"""How the payloads of a move travel. Pure: the two configs decide it."""

from __future__ import annotations

from typing import assert_never

from schemas.backend import Db2Location, DbLocation, LocalfsLocation, Location, S3Location, SwiftLocation
from schemas.config import StorageConfig, StoreConfig, StoreName
from schemas.plan import Transfer


def transfer(source: StorageConfig, destination: StorageConfig, store: StoreName) -> Transfer:
    """Return the way of all payloads that stay as they are; any other is streamed on each way.

    Where one side compresses and the other does not, that would be most of them, so all are streamed.
    """
    old, new = source.store(store), destination.store(store)
    return "stream" if compresses(old) != compresses(new) else direct_way(old, new)


def direct_way(source: StoreConfig, destination: StoreConfig) -> Transfer:
    """Return how payloads could travel if none had to be changed."""
    old, new = source.backend.location, destination.backend.location
    if _in_database(old) and _in_database(new):
        return "in_database"
    if isinstance(old, S3Location) and isinstance(new, S3Location) and old.endpoint == new.endpoint:
        return "server_side_copy"
    return "stream"


def compresses(store: StoreConfig) -> bool:
    """Whether Anchore compresses what it writes there: driver ``db`` takes no compressed payloads."""
    return store.compression.enabled and store.driver.name != "db"


def _in_database(location: Location) -> bool:
    match location:
        case DbLocation() | Db2Location():
            return True
        case S3Location() | LocalfsLocation() | SwiftLocation():
            return False
        case _:
            assert_never(location)
