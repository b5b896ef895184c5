"""Driver ``s3``: each payload is an object, in the bucket and under the key that its URL names."""

from __future__ import annotations

import secrets
import threading
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TypeVar

from schemas.backend import Backend, S3Location
from schemas.config import S3Driver
from schemas.errors import RestowError, UnreachableError
from stores.addresses import ObjectAddress, object_address
from stores.direct import Transit
from stores.interface import Absent, Fault, Reason, Stat
from stores.locations import scheme
from stores.payload import md5_hex
from stores.s3_bucket import S3Bucket
from stores.s3_clients import S3Clients
from stores.s3_errors import FAILURES, Asked, Failure, Kind, answer_of, fault_of_entry, verdict
from stores.s3_keys import md5_of_etag
from stores.s3_objects import S3Objects
from stores.s3_retry import Losses, Work
from stores.side_by_side import SideBySide

T = TypeVar("T")

BULK_KEYS = 1000
NEIGHBOURS = 20_000
"""Objects that are remembered of lists, at the most; some megabytes."""
DOWN_AFTER = 20
"""Requests of one kind in a row that come to nothing: a server that answers only when asked how it is, is down too."""


class S3Store:
    """One bucket of one endpoint, and other buckets there where a URL names one. Thread-safe."""

    def __init__(self, driver: S3Driver, location: S3Location, *, connections: int) -> None:
        """Open no connection yet. Raises ConfigError, or DeniedError when ``iamauto`` finds no credentials."""
        self._location = location
        self._scheme = scheme(location)
        self._requests = SideBySide(connections)
        self._clients = S3Clients(driver, location, connections=connections)
        self._objects = S3Objects(self._clients)
        self._bucket = S3Bucket(self._clients, self._objects, location, create=driver.create_bucket)
        self._losses = Losses()
        self._etag_is_md5 = False
        self._server_copies = True
        self._lists = True
        self._neighbours: dict[ObjectAddress, Stat] = {}
        self._listing = threading.Lock()
        """One list at a time: most of what the next would show, this one does."""

    @property
    def backend(self) -> Backend:
        return Backend(location=self._location)

    def check_access(self) -> None:
        self._bucket.check_access()

    def prepare(self) -> None:
        self._bucket.prepare()

    def refuse_foreign(self) -> None:
        """Do nothing: what else is there does not matter to Anchore."""

    def prove_digests(self, url: str) -> bool:
        payload = secrets.token_bytes(1000)
        try:
            etags = [
                self._ask("write", url, lambda address: self._objects.put(address, payload)),
                self._ask("look at", url, lambda address: self._objects.head(address)[1]),
            ]
            back = self.read([url])
        finally:
            self.delete([url])
        said = {md5_of_etag(etag) if isinstance(etag, str) else None for etag in etags}
        self._etag_is_md5 = back == [payload] and said == {md5_hex(payload)}
        return self._etag_is_md5

    def read(self, urls: Sequence[str]) -> list[bytes | Absent | Fault]:
        return self._requests.each(lambda url: self._ask("read", url, self._objects.get), urls)

    def stat(self, urls: Sequence[str]) -> list[Stat | Absent | Fault]:
        answers = self._requests.each(lambda url: self._ask("look at", url, self._stat), urls)
        if Absent() in answers:
            # A HEAD does not tell a missing object from a missing bucket.
            self._bucket.require()
        return answers

    def overview(self, urls: Sequence[str]) -> list[Stat | Absent | Fault]:
        keys = {url: address for url in urls if isinstance(address := object_address(url, self._scheme), ObjectAddress)}
        seen = self._listed(keys.values())
        left = [url for url in urls if url not in keys or keys[url] not in seen]
        asked = dict(zip(left, self.stat(left), strict=True))
        return [asked[url] if url in asked else seen[keys[url]] for url in urls]

    def write(self, items: Sequence[tuple[str, bytes]]) -> list[Stat | Fault]:
        return self._requests.each(self._write, items)

    def copy(self, payloads: Sequence[Transit]) -> list[Stat | Absent | Fault]:
        """As ``DirectCopy``: between buckets of this endpoint, with the rights of this store's identity on both."""
        sources = [object_address(one.old_url, self._scheme) for one in payloads]
        seen = self._seen([source for source in sources if isinstance(source, ObjectAddress)])
        return self._requests.each(lambda pair: self._copy(*pair, seen), list(zip(payloads, sources, strict=True)))

    def delete(self, urls: Sequence[str]) -> list[Fault | None]:
        answers: list[Fault | None] = [None] * len(urls)
        bulk: dict[str, list[int]] = defaultdict(list)
        for index, url in enumerate(urls):
            address = object_address(url, self._scheme)
            if isinstance(address, ObjectAddress) and self._objects.can_delete_in_bulk(address):
                bulk[address.bucket].append(index)
            else:
                answers[index] = self._delete(url)
        for bucket, wanted in bulk.items():
            for start in range(0, len(wanted), BULK_KEYS):
                part = wanted[start : start + BULK_KEYS]
                for index, fault in zip(part, self._delete_many(bucket, [urls[index] for index in part]), strict=True):
                    answers[index] = fault
        return answers

    def close(self) -> None:
        self._requests.close()
        self._clients.close()

    def _stat(self, address: ObjectAddress) -> Stat:
        return self._stat_of(address, *self._objects.head(address))

    def _stat_of(self, address: ObjectAddress, size: int, etag: str | None) -> Stat:
        return Stat(size=size, md5=self._md5(address, etag), claim=md5_of_etag(etag))

    def _write(self, item: tuple[str, bytes]) -> Stat | Fault:
        url, payload = item
        etag = self._ask("write", url, lambda address: self._objects.put(address, payload))
        match etag:
            case Fault():
                return etag
            case Absent():
                return Fault(Reason.REFUSED, f"{url}: the write was answered with 404")
        # The reply to a PUT speaks of what was received. What is stored, only another request can tell.
        return Stat(size=len(payload), md5=None, claim=md5_of_etag(etag))

    def _seen(self, sources: Sequence[ObjectAddress]) -> dict[ObjectAddress, Stat]:
        """Return what lists show of sources. Who asks for a batch gets its neighbours listed too: for other batches."""
        with self._listing:
            near = {source: self._neighbours.pop(source, None) for source in sources}
            listed = self._listed([source for source, known in near.items() if known is None])
            if len(self._neighbours) > NEIGHBOURS:
                self._neighbours.clear()
            self._neighbours.update({address: stat for address, stat in listed.items() if address not in near})
        return listed | {source: known for source, known in near.items() if known is not None}

    def _listed(self, addresses: Collection[ObjectAddress]) -> dict[ObjectAddress, Stat]:
        """Return what lists show of the objects; nothing of the others."""
        if not self._lists:
            return {}
        buckets: dict[str, list[str]] = defaultdict(list)
        for address in addresses:
            buckets[address.bucket].append(address.key)
        try:
            listed = {bucket: self._objects.listed(bucket, keys) for bucket, keys in buckets.items()}
        except FAILURES as failure:
            # Each object is asked for by itself then, and that answer counts.
            if answer_of(failure).kind is not Kind.PASSING:
                self._lists = False
            return {}
        return {
            address: self._stat_of(address, size, etag)
            for bucket, found in listed.items()
            for key, (size, etag) in found.items()
            for address in [ObjectAddress(bucket, key)]
        }

    def _copy(
        self, one: Transit, source: ObjectAddress | Fault, seen: Mapping[ObjectAddress, Stat]
    ) -> Stat | Absent | Fault:
        if isinstance(source, Fault):
            return source
        target = object_address(one.new_url, self._scheme)
        if isinstance(target, Fault) or not self._objects.can_copy(source, target):
            return Fault(Reason.REFUSED, f"{one.old_url} cannot be copied by the server")
        if not self._server_copies:
            return Fault(Reason.REFUSED, f"{self._clients.endpoint} does not copy for us")
        try:
            if not _is(seen.get(source), one) and not _is(self._stat(source), one):
                return Fault(Reason.CORRUPT, f"{one.old_url} may be another payload than its row's")
            self._objects.copy(source, target)
        except FAILURES as failure:
            answer = answer_of(failure)
            if answer.kind is Kind.DENIED or answer.status in {405, 501}:
                # Rights on one bucket only, or a server without this request: so it is with the next one too.
                self._server_copies = False
            return Fault(Reason.REFUSED, f"{one.old_url} was not copied by the server: {answer.said}")
        return Stat(size=one.size, md5=None, claim=one.digest)

    def _delete(self, url: str) -> Fault | None:
        answer = self._ask("delete", url, self._objects.delete)
        return answer if isinstance(answer, Fault) and answer.reason is not Reason.MISSING else None

    def _delete_many(self, bucket: str, urls: Sequence[str]) -> list[Fault | None]:
        keys = [url.removeprefix(f"{self._scheme}{bucket}/") for url in urls]
        if len(keys) == 1 and self._objects.delete_by_obstore(ObjectAddress(bucket, keys[0])):
            return [None]
        try:
            entries = self._objects.delete_many(bucket, keys)
        except FAILURES as failure:
            self._judge(failure, "delete", bucket, f"{self._scheme}{bucket}")
            # Refused as a whole: not every server has this request, and one key may be what keeps it from an answer.
            return self._requests.each(self._delete, urls)
        faults = {
            entry.get("Key"): fault_of_entry(entry.get("Code") or "", entry.get("Message") or "") for entry in entries
        }
        if faults.keys() - set(keys):  # something is still there, and what it is cannot be told
            return self._requests.each(self._delete, urls)
        return [faults.get(key) for key in keys]

    def _md5(self, address: ObjectAddress, etag: str | None) -> str | None:
        proven = self._etag_is_md5 and address.bucket == self._location.bucket
        return md5_of_etag(etag) if proven else None

    def _ask(self, kind: Work, url: str, work: Callable[[ObjectAddress], T]) -> T | Absent | Fault:
        address = object_address(url, self._scheme)
        if isinstance(address, Fault):
            return address
        try:
            answer = work(address)
        except FAILURES as failure:
            return self._judge(failure, kind, address.bucket, url)
        self._losses.end(kind)
        return answer

    def _judge(self, failure: Failure, kind: Work, bucket: str, url: str) -> Absent | Fault:
        """Return what a failure means for the document; raise what it means for the backend."""
        asked = Asked(self._clients.endpoint, bucket, bucket == self._location.bucket, url)
        judged = verdict(answer_of(failure), asked)
        if isinstance(judged, RestowError):
            raise judged from None
        if isinstance(judged, Fault) and judged.reason is Reason.UNAVAILABLE:
            self._refuse_if_down(kind, judged)
        else:
            self._losses.end(kind)
        return judged

    def _refuse_if_down(self, kind: Work, fault: Fault) -> None:
        """Raise when it is not this document alone: nothing is answered, or nothing of this kind any more."""
        self._bucket.require()
        lost = self._losses.add(kind)
        if lost >= DOWN_AFTER:
            said = f"{lost} requests in a row to {kind} documents came to nothing; the last: {fault.detail}"
            raise UnreachableError(said, hint="check the server, then run again")


def _is(look: Stat | None, one: Transit) -> bool:
    return look is not None and (look.claim, look.size) == (one.digest, one.size)
