"""Plain boto3, as Anchore uses it."""

from __future__ import annotations

import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import boto3
import botocore.config
import botocore.exceptions

from tests.anchore.config import S3

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

CONTENT_TYPE = "binary/octet-stream"
"""What Anchore sets on each object."""
MISSING = ("NoSuchKey", "NoSuchBucket", "404")


class Clients:
    """One client for each endpoint and key pair; making one costs more than a request."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, str, str], S3Client] = {}

    def of(self, place: S3) -> S3Client:
        return self.at(place.url, place.access_key, place.secret_key)

    def at(self, url: str, access_key: str, secret_key: str) -> S3Client:
        key = (_without_user(url), access_key, secret_key)
        if key not in self._made:
            self._made[key] = boto3.client(
                "s3",
                endpoint_url=key[0],
                aws_access_key_id=access_key,
                aws_secret_access_key=secret_key,
                region_name="us-east-1",
                config=botocore.config.Config(
                    retries={"max_attempts": 2},
                    connect_timeout=5,
                    read_timeout=30,
                    request_checksum_calculation="when_required",
                    response_checksum_validation="when_required",
                ),
            )
        return self._made[key]

    def close(self) -> None:
        for client in self._made.values():
            client.close()
        self._made.clear()


@contextmanager
def missing_as_key_error() -> Iterator[None]:
    """Turn S3's ways to say that something is not there into KeyError."""
    try:
        yield
    except botocore.exceptions.ClientError as error:
        if error.response["Error"]["Code"] in MISSING:
            raise KeyError(error.response["Error"]["Code"]) from None
        raise


def keys(client: S3Client, bucket: str) -> list[str]:
    """Return all keys of a bucket, in its own order."""
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    return [found["Key"] for page in pages for found in page.get("Contents", [])]


def _without_user(url: str) -> str:
    parts = urllib.parse.urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
