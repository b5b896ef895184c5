"""Stores on S3 servers, with plain boto3 beside them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import SecretStr

from schemas.backend import S3Location
from schemas.config import Compression, S3Driver, StoreConfig
from stores.interface import DocumentName
from stores.s3 import S3Store
from tests.anchore import canaries
from tests.anchore.s3 import CONTENT_TYPE, missing_as_key_error

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@dataclass
class S3Place:
    store: S3Store
    client: S3Client
    bucket: str
    prefix: str = ""

    def plant(self, name: DocumentName, payload: bytes) -> None:
        self.client.put_object(Bucket=self.bucket, Key=self.key(name), Body=payload, ContentType=CONTENT_TYPE)

    def stored(self, name: DocumentName) -> bytes | None:
        try:
            with missing_as_key_error():
                return self.client.get_object(Bucket=self.bucket, Key=self.key(name))["Body"].read()
        except KeyError:
            return None

    def keys(self) -> list[str]:
        """All keys under the prefix."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=self.prefix)
        return [found["Key"] for page in pages for found in page.get("Contents", [])]

    def key(self, name: DocumentName) -> str:
        return f"{self.prefix}{name.user_id}/{name.bucket}/{name.archive_id}"

    def url(self, name: DocumentName) -> str:
        return f"s3://{self.bucket}/{self.key(name)}"


def driver(
    url: str | None,
    bucket: str,
    *,
    prefix: str = "",
    access_key: str = canaries.ACCESS_KEY,
    secret_key: str = canaries.SECRET_KEY,
    iamauto: bool = False,
    create_bucket: bool = False,
    region: str | None = None,
) -> S3Driver:
    return S3Driver(
        access_key=None if iamauto else SecretStr(access_key),
        secret_key=None if iamauto else SecretStr(secret_key),
        iamauto=iamauto,
        url=url,
        region=region,
        bucket=bucket,
        prefix=prefix,
        create_bucket=create_bucket,
    )


def open_s3(made: S3Driver) -> S3Store:
    location = StoreConfig(driver=made, compression=Compression()).backend.location
    assert isinstance(location, S3Location)
    return S3Store(made, location, connections=4)
