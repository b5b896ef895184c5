"""Requests for single objects, each through the client that can carry its key and within the budget of a request.
Failures are the clients' own.

obstore needs a sixth of boto3's CPU, so it carries the data; boto3 does bulk deletions and odd keys.
"""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

import obstore
import obstore.exceptions

from stores.addresses import ObjectAddress
from stores.s3_clients import Load, S3Clients
from stores.s3_errors import FAILURES, NO_ETAG, Kind, answer_of
from stores.s3_keys import bulk_delete_can_name, obstore_can_carry, obstore_can_name, obstore_can_reach

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import DeleteTypeDef, ErrorTypeDef
    from obstore import GetResult

LISTED_FROM = 8
"""From so many keys of one folder on, a list costs less than to ask for each."""
LIST_PAGE = 1000
CONTENT_TYPE = "binary/octet-stream"
PATIENT_BYTES = 8 << 20
"""Payloads longer than this get more time for one request."""
MULTIPART_BYTES = 64 << 20
"""Payloads from this length on go in parts of ``PART_BYTES``, and appear as a whole all the same."""
PART_BYTES = 8 << 20
PARTS_AT_ONCE = 4
"""Each is in memory besides the payload."""


class S3Objects:
    def __init__(self, clients: S3Clients) -> None:
        self._clients = clients
        self._reachable = obstore_can_reach(clients.endpoint)

    def leave_to_boto3(self, absent: ObjectAddress) -> bool:
        """Use boto3 for everything from now on if it is answered where obstore was not, and say whether.

        The one known case is a certificate that signed itself and says it is an authority: OpenSSL lets it pass.
        """
        if not self._by_obstore(absent):
            return False
        try:
            self._clients.control.head_object(Bucket=absent.bucket, Key=absent.key)
        except FAILURES as failure:
            if answer_of(failure).kind is Kind.SILENT:
                return False
        self._reachable = False
        return True

    def look_for(self, address: ObjectAddress) -> None:
        """Ask for an object, not for its bytes, to see how the backend is: its silence is to be told soon.

        Not by a HEAD, whose reply has no code.
        """
        self._clients.look_budget.spend(lambda: self._begin(address))

    def get(self, address: ObjectAddress) -> bytes:
        return self._clients.budget.spend(lambda: self._get(address))

    def head(self, address: ObjectAddress) -> tuple[int, str | None]:
        """Return size and ETag."""
        return self._clients.budget.spend(lambda: self._head(address))

    def listed(self, bucket: str, keys: Sequence[str]) -> dict[str, tuple[int, str | None]]:
        """Return size and ETag of keys that lists of these keys' folders show, their neighbours among them.

        For keys that stand close together: a folder with few of them, or with many others between, is not listed, or
        not to its end. So one that is not in the answer may be there as well.
        """
        folders: dict[str, list[str]] = defaultdict(list)
        for key in keys:
            if self._by_obstore(ObjectAddress(bucket, key)):
                folders[key.rpartition("/")[0]].append(key)
        found: dict[str, tuple[int, str | None]] = {}
        for folder, names in folders.items():
            if len(names) >= LISTED_FROM:
                found |= self._clients.look_budget.spend(partial(self._list, bucket, folder, sorted(names)))
        return found

    def put(self, address: ObjectAddress, payload: bytes) -> str | None:
        """Return the ETag, None where the server gives none."""
        if not self._by_obstore(address):
            return self._clients.budget.spend(lambda: self._put_by_boto(address, payload))
        if len(payload) >= MULTIPART_BYTES:
            # As often as it takes for each part, not for all of them anew.
            return self._put(address, payload, "parts")
        load: Load = "large" if len(payload) > PATIENT_BYTES else "small"
        return self._clients.budget.spend(lambda: self._put(address, payload, load))

    def can_copy(self, source: ObjectAddress, target: ObjectAddress) -> bool:
        return self._by_obstore(source) and self._by_obstore(target)

    def copy(self, source: ObjectAddress, target: ObjectAddress) -> None:
        """Let the server copy. Soon given up: whoever asks can send the payload instead."""
        client = self._clients.data(source.bucket, "copy")
        self._clients.look_budget.spend(lambda: obstore.copy(client, source.key, f"{target.bucket}/{target.key}"))

    def delete(self, address: ObjectAddress) -> None:
        """Succeeds also when the object was gone."""
        self._clients.budget.spend(lambda: self._clients.control.delete_object(Bucket=address.bucket, Key=address.key))

    def delete_by_obstore(self, address: ObjectAddress) -> bool:
        """Delete one object without boto3, which takes long to load; whether that was done.

        obstore knows the bulk deletion alone, and does not tell why it failed.
        """
        if not (self._by_obstore(address) and self.can_delete_in_bulk(address)):
            return False
        try:
            obstore.delete(self._clients.data(address.bucket), [address.key])
        except FAILURES:
            return False
        return True

    def can_delete_in_bulk(self, address: ObjectAddress) -> bool:
        return not self._clients.endpoint_has_path and bulk_delete_can_name(address.key)

    def delete_many(self, bucket: str, keys: Sequence[str]) -> list[ErrorTypeDef]:
        """Delete up to 1,000 keys in one request; return the entries of those that are still there."""
        named: DeleteTypeDef = {"Objects": [{"Key": key} for key in keys], "Quiet": True}
        reply = self._clients.budget.spend(lambda: self._clients.control.delete_objects(Bucket=bucket, Delete=named))
        return reply.get("Errors", [])

    def _get(self, address: ObjectAddress) -> bytes:
        # The body is part of it: a reply may break off in the middle.
        return self._begin(address)()

    def _begin(self, address: ObjectAddress) -> Callable[[], bytes]:
        """Return what reads the body of the reply."""
        if self._by_obstore(address):
            return partial(_whole, obstore.get(self._clients.data(address.bucket), address.key))
        return self._clients.control.get_object(Bucket=address.bucket, Key=address.key)["Body"].read

    def _head(self, address: ObjectAddress) -> tuple[int, str | None]:
        if self._by_obstore(address):
            meta = obstore.head(self._clients.data(address.bucket), address.key)
            return meta["size"], meta["e_tag"]
        head = self._clients.control.head_object(Bucket=address.bucket, Key=address.key)
        return head["ContentLength"], head.get("ETag")

    def _list(self, bucket: str, folder: str, keys: Sequence[str]) -> dict[str, tuple[int, str | None]]:
        left = len(keys) + LIST_PAGE
        found: dict[str, tuple[int, str | None]] = {}
        client = self._clients.data(bucket)
        # What comes after the first key without its last character comes with it or before it.
        for page in obstore.list(client, folder or None, offset=keys[0][:-1] or None, chunk_size=LIST_PAGE):
            found |= {meta["path"]: (meta["size"], meta["e_tag"]) for meta in page}
            left -= len(page)
            if left < 0 or page[-1]["path"] >= keys[-1]:
                break
        return found

    def _put(self, address: ObjectAddress, payload: bytes, load: Load) -> str | None:
        try:
            return obstore.put(
                self._clients.data(address.bucket, load),
                address.key,
                payload,
                attributes={"Content-Type": CONTENT_TYPE},
                use_multipart=load == "parts",
                chunk_size=PART_BYTES,
                max_concurrency=PARTS_AT_ONCE,
            )["e_tag"]
        except obstore.exceptions.GenericError as error:
            if NO_ETAG in str(error):
                return None
            raise

    def _put_by_boto(self, address: ObjectAddress, payload: bytes) -> str | None:
        return self._clients.control.put_object(
            Bucket=address.bucket, Key=address.key, Body=payload, ContentType=CONTENT_TYPE
        ).get("ETag")

    def _by_obstore(self, address: ObjectAddress) -> bool:
        return self._reachable and obstore_can_name(address.bucket) and obstore_can_carry(address.key)


def _whole(reply: GetResult) -> bytes:
    if reply.meta["size"] < MULTIPART_BYTES:
        return reply.bytes().to_bytes()
    # Not in memory twice.
    payload = io.BytesIO()
    for part in reply.stream(min_chunk_size=PART_BYTES):
        payload.write(part)
    return payload.getvalue()
