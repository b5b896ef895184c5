"""The config's own bucket: whether it is there, whether it may be read, and its creation."""

from __future__ import annotations

import secrets

from schemas.backend import S3Location
from schemas.errors import RestowError
from stores.addresses import ObjectAddress
from stores.s3_clients import DEFAULT_REGION, S3Clients
from stores.s3_errors import FAILURES, Answer, Asked, Kind, answer_of, error_of
from stores.s3_objects import S3Objects


class S3Bucket:
    def __init__(self, clients: S3Clients, objects: S3Objects, location: S3Location, *, create: bool) -> None:
        self._clients = clients
        self._objects = objects
        self._location = location
        # With a path in the endpoint, the request that should create a bucket would write an object.
        self._create = create and not clients.endpoint_has_path

    def check_access(self) -> None:
        """Look whether the bucket may be read; that it is missing is in order where ``prepare`` would create it."""
        trouble = self._trouble()
        if trouble is not None and trouble.kind is Kind.SILENT and self._objects.leave_to_boto3(self._absent()):
            trouble = self._trouble()
        if trouble is not None and not (trouble.kind is Kind.NO_BUCKET and self._create):
            raise self._error(trouble)

    def _absent(self) -> ObjectAddress:
        """Return the address of an object that cannot be there."""
        return ObjectAddress(self._location.bucket, f"{self._location.prefix}restow-{secrets.token_hex(8)}")

    def require(self) -> None:
        """Raise unless the server answers, and the bucket is there and may be read."""
        trouble = self._trouble()
        if trouble is not None:
            raise self._error(trouble)

    def prepare(self) -> None:
        """Create the bucket where it is missing and the config says so."""
        trouble = self._trouble() if self._create else None
        if trouble is None:
            return
        if trouble.kind is not Kind.NO_BUCKET:
            raise self._error(trouble)
        try:
            self._make()
        except FAILURES as failure:
            # Another process may have been quicker.
            if self._trouble() is not None:
                raise self._error(answer_of(failure)) from None

    def _trouble(self) -> Answer | None:
        """Ask for an object that cannot be there; None: all is well.

        The answer tells a missing bucket from a missing key, on any kind of endpoint, and whether the keys may see
        that difference: who may not list a bucket is denied what is missing.
        """
        try:
            self._objects.look_for(self._absent())
        except FAILURES as failure:
            answer = answer_of(failure)
            return None if answer.code == "NoSuchKey" else answer
        return None

    def _make(self) -> None:
        bucket, region = self._location.bucket, self._location.region
        if region is None or region == DEFAULT_REGION:
            self._clients.control.create_bucket(Bucket=bucket)
        else:
            self._clients.control.create_bucket(
                Bucket=bucket,
                CreateBucketConfiguration={"LocationConstraint": region},  # type: ignore[typeddict-item]
            )

    def _error(self, answer: Answer) -> RestowError:
        url = f"s3://{self._location.bucket}"
        return error_of(answer, Asked(self._clients.endpoint, self._location.bucket, own_bucket=True, url=url))
