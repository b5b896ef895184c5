"""Anchore's storage configuration as a value, and the ``config.yaml`` that holds it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, assert_never

from tests.anchore import canaries
from tests.anchore.documents import Document, Store


@dataclass(frozen=True)
class Db:
    """Driver ``db``: table ``archive_document``."""


@dataclass(frozen=True)
class Db2:
    """Driver ``db2``: table ``object_storage``."""


@dataclass(frozen=True)
class S3:
    url: str
    bucket: str
    prefix: str = ""
    access_key: str = canaries.ACCESS_KEY
    secret_key: str = canaries.SECRET_KEY
    create_bucket: bool = False


@dataclass(frozen=True)
class Localfs:
    directory: str


Place = Db | Db2 | S3 | Localfs


@dataclass(frozen=True)
class Section:
    place: Place
    compress_above_kbytes: int | None = None
    """None: compression is off."""


@dataclass(frozen=True)
class Config:
    object_store: Section
    analysis_archive: Section | None = None
    """None: the archive shares the working set's section."""

    def section(self, store: Store) -> Section:
        if store == "analysis_archive" and self.analysis_archive is not None:
            return self.analysis_archive
        return self.object_store

    def content(self, database_url: str) -> dict[str, Any]:
        """Return the whole ``config.yaml``: storage and enough of the rest to look like one."""
        catalog: dict[str, Any] = {"enabled": True, "port": 8228, "object_store": _section(self.object_store)}
        if self.analysis_archive is not None:
            catalog["analysis_archive"] = _section(self.analysis_archive)
        return {
            "service_dir": "/anchore_service",
            "log_level": "INFO",
            "credentials": {
                "database": {"db_connect": database_url, "db_connect_args": {"timeout": 120, "ssl": False}}
            },
            "services": {"apiext": {"enabled": True, "port": 8228}, "catalog": catalog},
            "keys": {"secret": canaries.OTHER_SERVICE},
        }


def url_for(place: Place, document: Document) -> str:
    """Return the ``content_url`` that Anchore writes for this document on this place."""
    tail = f"{document.user_id}/{document.bucket}/{document.archive_id}"
    match place:
        case Db():
            return f"db://{tail}"
        case Db2():
            return f"db2://{tail}"
        case S3():
            return f"s3://{place.bucket}/{place.prefix}{tail}"
        case Localfs():
            user, key = _md5(document.user_id), _md5(document.archive_id)
            return f"file://{place.directory}/{user}/{document.bucket}/{key[:2]}/{key}.json"
        case _:
            assert_never(place)


def scheme_of(place: Place) -> str:
    match place:
        case Db():
            return "db"
        case Db2():
            return "db2"
        case S3():
            return "s3"
        case Localfs():
            return "file"
        case _:
            assert_never(place)


def compresses(section: Section, content: bytes) -> bool:
    """Whether Anchore compresses this content when it writes it under this section. Driver ``db`` never does."""
    if isinstance(section.place, Db) or section.compress_above_kbytes is None:
        return False
    return len(content) > section.compress_above_kbytes * 1024


def _section(section: Section) -> dict[str, Any]:
    compression: dict[str, Any] = {"enabled": False, "min_size_kbytes": 100}
    if section.compress_above_kbytes is not None:
        compression = {"enabled": True, "min_size_kbytes": section.compress_above_kbytes}
    return {"compression": compression, "storage_driver": _driver(section.place)}


def _driver(place: Place) -> dict[str, Any]:
    match place:
        case Db():
            return {"name": "db", "config": {}}
        case Db2():
            return {"name": "db2", "config": {}}
        case S3():
            keys = {"access_key": place.access_key, "secret_key": place.secret_key}
            where = {"url": place.url, "region": False, "bucket": place.bucket, "prefix": place.prefix}
            return {"name": "s3", "config": {**keys, **where, "create_bucket": place.create_bucket}}
        case Localfs():
            return {"name": "localfs", "config": {"archive_data_dir": place.directory}}
        case _:
            assert_never(place)


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
