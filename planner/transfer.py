"""How the payloads of a move travel. Pure: the two configs decide it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import assert_never

from planner.diff import Outline
from schemas.backend import Db2Location, DbLocation, LocalfsLocation, Location, S3Location, SwiftLocation
from schemas.config import StorageConfig, StoreConfig, StoreName
from schemas.plan import Finding, Transfer
from stores.payload import may_compress


def transfer(source: StorageConfig, destination: StorageConfig, store: StoreName) -> Transfer:
    """Return the way of all payloads that stay as they are; any other is streamed on each way.

    Where one side compresses and the other does not, that would be most of them, so all are streamed.
    """
    old, new = source.store(store), destination.store(store)
    return "stream" if _compresses(old) != _compresses(new) else direct_way(old, new)


def streamed_for_compression(
    source: StorageConfig, destination: StorageConfig, outlines: Iterable[Outline]
) -> Iterator[Finding]:
    """Yield a finding for each move whose payloads pass through restow only because they are to be compressed, or not
    any more.
    """
    for outline in outlines:
        old, new = source.store(outline.store), destination.store(outline.store)
        way = _by(direct_way(old, new))
        if way is not None and transfer(source, destination, outline.store) == "stream":
            here, there = ("the destination", "the source") if _compresses(new) else ("the source", "the destination")
            message = (
                f"{outline.store}: {here} compresses and {there} does not, so payloads are streamed through restow, "
                f"which changes them; with one compression on both sides {way} would copy them, and sooner"
            )
            yield Finding(code="streamed-for-compression", severity="info", message=message, count=1, examples=())


def _by(way: Transfer) -> str | None:
    match way:
        case "stream":
            return None
        case "in_database":
            return "PostgreSQL"
        case "server_side_copy":
            return "the S3 server"
        case _:
            assert_never(way)


def direct_way(source: StoreConfig, destination: StoreConfig) -> Transfer:
    """Return how payloads could travel if none had to be changed."""
    old, new = source.backend.location, destination.backend.location
    if _in_database(old) and _in_database(new):
        return "in_database"
    if isinstance(old, S3Location) and isinstance(new, S3Location) and old.endpoint == new.endpoint:
        return "server_side_copy"
    return "stream"


def _compresses(store: StoreConfig) -> bool:
    return may_compress(store.compression, store.driver.name)


def _in_database(location: Location) -> bool:
    match location:
        case DbLocation() | Db2Location():
            return True
        case S3Location() | LocalfsLocation() | SwiftLocation():
            return False
        case _:
            assert_never(location)
