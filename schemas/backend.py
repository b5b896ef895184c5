"""Where a store lives: a driver and its location, without credentials.

A location's type decides the driver, so code matches on the type. ``identity`` is equal for two backends exactly when
they are one place as far as a config can tell: credentials, region and compression are not part of it.
"""

from __future__ import annotations

from typing import Literal, assert_never

from pydantic import Field

from schemas.canonical import canonical_text
from schemas.model import Model

DriverName = Literal["db", "db2", "s3", "localfs", "swift"]


class DbLocation(Model):
    table: Literal["archive_document"] = Field()
    """Driver ``db``: payloads are text in Anchore's own database."""


class Db2Location(Model):
    table: Literal["object_storage"] = Field()
    """Driver ``db2``: payloads are bytes in Anchore's own database."""


class S3Location(Model):
    endpoint: str | None
    """URL without user part and trailing slash; null is AWS itself, then ``region`` says where."""
    region: str | None
    """Null when ``endpoint`` is set: Anchore ignores it then."""
    bucket: str
    prefix: str
    """Put in front of each key with no slash of its own."""


class LocalfsLocation(Model):
    archive_data_dir: str


class SwiftLocation(Model):
    auth_url: str | None
    container: str
    prefix: str


Location = DbLocation | Db2Location | S3Location | LocalfsLocation | SwiftLocation


class Backend(Model):
    """A physical place: two stores with equal ``identity`` share it."""

    location: Location

    @property
    def driver(self) -> DriverName:
        return driver_of(self.location)

    @property
    def identity(self) -> str:
        """Canonical JSON of what makes the place; the key under which the journal knows it."""
        place = self.location.model_dump(mode="json", exclude={"region"})
        return canonical_text({"driver": self.driver, **place})

    @property
    def name(self) -> str:
        """The name that plans, messages and reports use: ``db`` or ``s3://bucket/prefix``."""
        match self.location:
            case DbLocation() | Db2Location():
                return self.driver
            case S3Location(bucket=bucket, prefix=prefix):
                return f"s3://{bucket}/{prefix}" if prefix else f"s3://{bucket}"
            case LocalfsLocation(archive_data_dir=directory):
                return f"file://{directory}"
            case SwiftLocation(container=container, prefix=prefix):
                return f"swift://{container}/{prefix}" if prefix else f"swift://{container}"
            case _:
                assert_never(self.location)


def driver_of(location: Location) -> DriverName:
    match location:
        case DbLocation():
            return "db"
        case Db2Location():
            return "db2"
        case S3Location():
            return "s3"
        case LocalfsLocation():
            return "localfs"
        case SwiftLocation():
            return "swift"
        case _:
            assert_never(location)
