"""Requests for single objects, each through the client that can carry its key. Failures are the clients' own.

obstore needs a sixth of boto3's CPU, so it carries the data; boto3 does bulk deletions and odd keys.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import obstore

from stores.addresses import ObjectAddress
from stores.s3_clients import S3Clients
from stores.s3_errors import FAILURES, Kind, answer_of
from stores.s3_keys import bulk_delete_can_name, obstore_can_carry, obstore_can_reach

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import ErrorTypeDef

CONTENT_TYPE = "binary/octet-stream"
PATIENT_BYTES = 8 << 20
"""Payloads longer than this get more time for one request."""
MULTIPART_BYTES = 64 << 20
"""Payloads from this length on go in parts of ``PART_BYTES``, and appear as a whole all the same."""
PART_BYTES = 8 << 20


class S3Objects:
    def __init__(self, clients: S3Clients) -> None:
        self._clients = clients
        self._reachable = obstore_can_reach(clients.endpoint)

    def choose_carrier(self, absent: ObjectAddress) -> None:
        """Leave everything to boto3 where obstore gets no answer; for a server that has just answered boto3.

        The one known case is a certificate that signed itself and says it is an authority: OpenSSL lets it pass.
        """
        try:
            if self._by_obstore(absent):
                obstore.head(self._clients.data(absent.bucket), absent.key)
        except FAILURES as failure:
            if answer_of(failure).kind is Kind.SILENT:
                self._reachable = False

    def get(self, address: ObjectAddress) -> bytes:
        if self._by_obstore(address):
            return obstore.get(self._clients.data(address.bucket), address.key).bytes().to_bytes()
        return self._clients.control.get_object(Bucket=address.bucket, Key=address.key)["Body"].read()

    def head(self, address: ObjectAddress) -> tuple[int, str | None]:
        """Return size and ETag."""
        if self._by_obstore(address):
            meta = obstore.head(self._clients.data(address.bucket), address.key)
            return meta["size"], meta["e_tag"]
        head = self._clients.control.head_object(Bucket=address.bucket, Key=address.key)
        return head["ContentLength"], head.get("ETag")

    def put(self, address: ObjectAddress, payload: bytes) -> str | None:
        """Return the ETag."""
        if not self._by_obstore(address):
            return self._clients.control.put_object(
                Bucket=address.bucket, Key=address.key, Body=payload, ContentType=CONTENT_TYPE
            ).get("ETag")
        in_parts = len(payload) >= MULTIPART_BYTES
        patient = len(payload) > PATIENT_BYTES and not in_parts
        return obstore.put(
            self._clients.data(address.bucket, patient=patient),
            address.key,
            payload,
            attributes={"Content-Type": CONTENT_TYPE},
            use_multipart=in_parts,
            chunk_size=PART_BYTES,
        )["e_tag"]

    def delete(self, address: ObjectAddress) -> None:
        """Succeeds also when the object was gone."""
        self._clients.control.delete_object(Bucket=address.bucket, Key=address.key)

    def can_delete_in_bulk(self, address: ObjectAddress) -> bool:
        return not self._clients.endpoint_has_path and bulk_delete_can_name(address.key)

    def delete_many(self, bucket: str, keys: Sequence[str]) -> list[ErrorTypeDef]:
        """Delete up to 1,000 keys in one request; return the entries of those that are still there."""
        reply = self._clients.control.delete_objects(
            Bucket=bucket, Delete={"Objects": [{"Key": key} for key in keys], "Quiet": True}
        )
        return reply.get("Errors", [])

    def _by_obstore(self, address: ObjectAddress) -> bool:
        return self._reachable and obstore_can_carry(address.key)
