"""What a config means once it is read: both stores completed with Anchore's defaults, references resolved.

This is not the form of a file (that is ``config_file``). Secrets are ``SecretStr`` and never leave by accident.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, SecretStr

from schemas.backend import (
    Backend,
    Db2Location,
    DbLocation,
    LocalfsLocation,
    Location,
    S3Location,
    SwiftLocation,
)
from schemas.canonical import digest
from schemas.model import Model

StoreName = Literal["object_store", "analysis_archive"]
FileForm = Literal["config", "helm", "helm-job"]
"""A config.yaml, values of the Helm chart, or the chart's own migration job as those values describe it."""
ARCHIVE_BUCKET = "analysis_archive"
"""The one logical bucket of the store ``analysis_archive``; every other belongs to ``object_store``."""


class Compression(Model):
    enabled: bool = False
    min_size_kbytes: int = Field(default=100, ge=0)
    """Payloads longer than this × 1024 bytes are stored as a zlib stream."""


class DbDriver(Model):
    name: Literal["db"] = "db"


class Db2Driver(Model):
    name: Literal["db2"] = "db2"


class S3Driver(Model):
    name: Literal["s3"] = "s3"
    access_key: SecretStr | None
    secret_key: SecretStr | None
    iamauto: bool
    """True: the ambient AWS chain (environment, web identity, instance role) instead of the two keys."""
    url: str | None
    """As written but for the user part; wins over ``region``."""
    region: str | None
    bucket: str
    prefix: str
    create_bucket: bool


class LocalfsDriver(Model):
    name: Literal["localfs"] = "localfs"
    archive_data_dir: str


class SwiftDriver(Model):
    name: Literal["swift"] = "swift"
    auth_url: str | None
    container: str
    prefix: str
    create_container: bool


Driver = Annotated[DbDriver | Db2Driver | S3Driver | LocalfsDriver | SwiftDriver, Field(discriminator="name")]


class StoreConfig(Model):
    """One store's section, complete."""

    driver: Driver
    compression: Compression

    @property
    def backend(self) -> Backend:
        return Backend(location=_location(self.driver))


class DatabaseConfig(Model):
    """``credentials.database`` of a config."""

    db_connect: SecretStr
    timeout: float | None = None
    """Seconds a statement may take (``db_connect_args.timeout``)."""
    connect_timeout: float | None = None
    ssl: bool = False


class Reference(Model):
    """A scalar of the file that was written with ``${ANCHORE_…}`` in it."""

    path: str
    """Dotted, as ``services.catalog.object_store.storage_driver.config.access_key``."""
    text: str = Field(repr=False)
    """The scalar as written, references and all; a database URL may hold a secret beside them."""
    unset: tuple[str, ...]
    """The variables in it that have no value."""


OddityCode = Literal[
    "switch-as-text",
    "prefix-null",
    "keys-and-iamauto",
    "http-endpoint",
    "create-bucket",
    "bucket-in-url",
    "stores-in-one-place",
    "directory-not-absolute",
    "archive-compressed",
    "archive-section-unused",
    "compression-without-effect",
    "compression-left-to-chart",
    "layer-cache-size",
    "layer-cache-off",
    "package-db-off",
]


class Oddity(Model):
    """A setting that does not hold together with others, or that Anchore takes for something else than it says."""

    code: OddityCode
    path: str
    """Dotted."""
    line: int
    what: str
    """What Anchore makes of the setting; what to write. It goes on from the setting's name, and never has its value."""


class StorageConfig(Model):
    """One config file, read and resolved."""

    path: str
    """The file, as the user named it."""
    form: FileForm = "config"
    object_store: StoreConfig
    analysis_archive: StoreConfig | None
    """Null: the archive shares the working set's backend."""
    database: DatabaseConfig | None
    section: dict[str, object] = Field(repr=False)
    """``services.catalog``'s storage sections as written, secrets and references included; for the snippet only."""
    rest: dict[str, object] = Field(default_factory=dict, repr=False)
    """All else of the file as written, for comparison only: it holds secrets of other services."""
    references: tuple[Reference, ...]
    oddities: tuple[Oddity, ...] = ()

    @property
    def working_key(self) -> str | None:
        """The key of the section that Anchore takes for the working set; None: the file has none."""
        return next((key for key in ("object_store", "archive") if self.section.get(key)), None)

    def store(self, name: StoreName) -> StoreConfig:
        """The config that serves ``name``; the working set's where the archive shares it."""
        if name == "analysis_archive" and self.analysis_archive is not None:
            return self.analysis_archive
        return self.object_store

    @property
    def fingerprint(self) -> str:
        """Digest of what a plan approves of this config: location and compression of both stores, nothing else."""
        names: tuple[StoreName, ...] = ("object_store", "analysis_archive")
        return digest(
            {
                name: {
                    "driver": self.store(name).driver.name,
                    "location": self.store(name).backend.location.model_dump(mode="json"),
                    "compression": self.store(name).compression.model_dump(mode="json"),
                }
                for name in names
            }
        )


def _location(driver: Driver) -> Location:
    match driver:
        case DbDriver():
            return DbLocation(table="archive_document")
        case Db2Driver():
            return Db2Location(table="object_storage")
        case S3Driver():
            endpoint = None if driver.url is None else driver.url.rstrip("/")
            region = driver.region if endpoint is None else None
            return S3Location(endpoint=endpoint, region=region, bucket=driver.bucket, prefix=driver.prefix)
        case LocalfsDriver():
            return LocalfsLocation(archive_data_dir=driver.archive_data_dir)
        case SwiftDriver():
            return SwiftLocation(auth_url=driver.auth_url, container=driver.container, prefix=driver.prefix)
