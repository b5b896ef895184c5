"""The configs of a move, and where its documents are counted in the end."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, assert_never

from bench.servers import Servers


@dataclass(frozen=True)
class Table:
    """Driver ``db`` or ``db2``."""

    driver: str

    @property
    def name(self) -> str:
        return "archive_document" if self.driver == "db" else "object_storage"


@dataclass(frozen=True)
class Bucket:
    name: str
    far: bool = False
    """Spoken to from far away."""


@dataclass(frozen=True)
class Directory:
    path: Path


Place = Table | Bucket | Directory


def write_config(servers: Servers, path: Path, database: str, place: Place, *, compressed: bool = False) -> None:
    """Write Anchore's config.yaml with everything in one place. JSON is YAML as well."""
    store = {
        "compression": {"enabled": compressed, "min_size_kbytes": 100},
        "storage_driver": _driver(servers, place),
    }
    content = {
        "credentials": {"database": {"db_connect": servers.database_url(database)}},
        "services": {"catalog": {"enabled": True, "object_store": store}},
    }
    path.write_text(json.dumps(content), encoding="utf-8")


def endpoint(servers: Servers, bucket: Bucket) -> str:
    return servers.far_s3.url if bucket.far else servers.s3.url


def count(servers: Servers, database: str, place: Place) -> int:
    """Return how many payloads are stored in a place."""
    match place:
        case Table(name=name):
            with servers.opened(database) as opened, opened.transaction() as transaction:
                return int(transaction.one(f"SELECT count(*) AS payloads FROM {name}").payloads)
        case Bucket(name=name):
            return servers.stored(name)[0]
        case Directory(path=path):
            return sum(1 for one in path.rglob("*") if one.is_file())
        case _:
            assert_never(place)


def _driver(servers: Servers, place: Place) -> dict[str, Any]:
    match place:
        case Table(driver=driver):
            return {"name": driver, "config": {}}
        case Bucket():
            keys = {"access_key": servers.s3.access_key, "secret_key": servers.s3.secret_key}
            where = {"url": endpoint(servers, place), "region": False, "bucket": place.name, "prefix": ""}
            return {"name": "s3", "config": keys | where}
        case Directory(path=path):
            return {"name": "localfs", "config": {"archive_data_dir": str(path)}}
        case _:
            assert_never(place)
