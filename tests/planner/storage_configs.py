"""Storage configs as values, for tests of what is decided from them."""

from __future__ import annotations

from pydantic import SecretStr

from schemas.config import Compression, DbDriver, Driver, S3Driver, StorageConfig, StoreConfig

DB = DbDriver()


def s3(
    bucket: str = "anchore",
    *,
    prefix: str = "",
    url: str | None = "http://minio:9000",
    region: str | None = None,
    secret: str = "s",
) -> S3Driver:
    return S3Driver(
        access_key=SecretStr("a"),
        secret_key=SecretStr(secret),
        iamauto=False,
        url=url,
        region=region,
        bucket=bucket,
        prefix=prefix,
        create_bucket=False,
    )


def config(working: Driver = DB, archive: Driver | None = None, *, compressed: bool = False) -> StorageConfig:
    compression = Compression(enabled=compressed)
    return StorageConfig(
        path="config.yaml",
        object_store=StoreConfig(driver=working, compression=compression),
        analysis_archive=None if archive is None else StoreConfig(driver=archive, compression=compression),
        database=None,
        section={},
        references=(),
    )
