"""What every driver must do, whatever it stores in. A driver's tests subclass this beside a fixture ``place``."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Mapping
from typing import ClassVar, Protocol

import pytest

from schemas.config import Compression
from stores.interface import Absent, DocumentName, Fault, Reason, Row, Stat, Store
from stores.locations import content_url, scheme
from stores.payload import Prepared, check, prepare

BUCKET = "analysis_data"
TEXT = '{"document": {"ключ": "wert", "n": [1, 2.5, null]}}'.encode()
THRESHOLD = Compression(enabled=True, min_size_kbytes=1)

PAYLOADS = {
    "empty": b"",
    "one byte": b"x",
    "text": TEXT,
    "text with line breaks": b"a\r\nb\nc\r",
    "not UTF-8": bytes(range(256)) * 3,
    "NUL in text": b'{"a": "b\0c"}',
    "a NUL alone": b"\0",
    "a backslash and quotes": rb"""\x00 \\ ' " $1 :name %s""",
    "looks like base64": b"aGVsbG8=\n",
    "a byte order mark": b"\xef\xbb\xbf{}",
    "a surrogate in UTF-8": b"\xed\xa0\x80",
    "20 MB of text": b'{"document": "' + b"abcdefgh" * 2_500_000 + b'"}',
    "20 MB of bytes": hashlib.shake_256(b"restow").digest(20_000_000),
}

KEYS = {
    "digest": "sha256:" + "0" * 64,
    "space": "a b",
    "spaces at the ends": " a ",
    "percent": "100%",
    "percent-encoded slash": "a%2Fb",
    "plus": "a+b",
    "tilde": "~a",
    "ampersand and friends": "a&b=c;d@e:f,g$h!i(j)k*l'm\"n<o>p[q]r{s}t|u^v`w",
    "composed": unicodedata.normalize("NFC", "é ü Å"),
    "decomposed": unicodedata.normalize("NFD", "é ü Å"),
    "emoji": "😀 👩‍👩‍👧",
    "right to left": "שלום",
    "leading dot": ".hidden",
    "slash": "a/b/c",
    "name": "name",
    "name.json": "name.json",
}
VERBATIM_KEYS = {
    "double slash": "a//b",
    "slash at the end": "a/",
    "slash at the beginning": "/a",
    "dot segments": "a/./b/../c",
    "backslash": "a\\b",
}
"""Keys that Anchore round-trips and some S3 servers rewrite or refuse."""


class Place(Protocol):
    """One driver's store on a real backend, and plain access to the same backend."""

    @property
    def store(self) -> Store: ...

    def plant(self, name: DocumentName, payload: bytes) -> None:
        """Store a payload as Anchore would, at the physical place of the document."""

    def stored(self, name: DocumentName) -> bytes | None:
        """Fetch a payload as Anchore would; None: there is none."""


def document(key: str, *, user: str = "admin", bucket: str = BUCKET) -> DocumentName:
    return DocumentName(bucket, key, user, f"{key}.json")


def md5(payload: bytes) -> str:
    return hashlib.md5(payload, usedforsecurity=False).hexdigest()


def row_of(name: DocumentName, payload: bytes) -> Row:
    return Row(name, None, md5(payload), len(payload), is_compressed=False, last_updated=None)


class KeyConformance:
    """Names: each payload is where Anchore looks for it, and no other is touched."""

    keys: ClassVar[Mapping[str, str]] = KEYS

    def test_every_key_round_trips(self, place: Place) -> None:
        names = [document(key) for key in self.keys.values()]
        payloads = [f"payload of {name.archive_id}".encode() for name in names]
        urls = [url_of(place, name) for name in names]
        answers = place.store.write(list(zip(urls, payloads, strict=True)))
        assert all(isinstance(answer, Stat) for answer in answers), answers
        assert [place.stored(name) for name in names] == payloads
        assert place.store.read(urls) == payloads
        assert [stat.size for stat in place.store.stat(urls) if isinstance(stat, Stat)] == [
            len(one) for one in payloads
        ]

    def test_every_key_is_deleted_alone(self, place: Place) -> None:
        names = [document(key) for key in self.keys.values()]
        for name in names:
            place.plant(name, name.archive_id.encode())
        kept, doomed = names[::2], names[1::2]
        assert place.store.delete([url_of(place, name) for name in doomed]) == [None] * len(doomed)
        assert [place.stored(name) for name in doomed] == [None] * len(doomed)
        assert [place.stored(name) for name in kept] == [name.archive_id.encode() for name in kept]

    def test_accounts_and_buckets_may_be_odd_as_well(self, place: Place) -> None:
        name = document("k", user="Ümlaut @ home: 50%", bucket="my bucket+")
        place.store.write([(url_of(place, name), TEXT)])
        assert place.stored(name) == TEXT

    def test_neighbours_stay_as_they_are(self, place: Place) -> None:
        neighbours = [
            document("k1"),
            document("k", user="admin2"),
            document("k", bucket="analysis_data2"),
            document("k.json"),
        ]
        for name in neighbours:
            place.plant(name, str(name).encode())
        url = url_of(place, document("k"))
        place.store.write([(url, TEXT)])
        place.store.delete([url])
        assert [place.stored(name) for name in neighbours] == [str(name).encode() for name in neighbours]


class ParsedNameConformance:
    """For drivers whose URLs hold the names themselves, so that Anchore's URL parser can misread them."""

    @pytest.mark.parametrize("key", ["a#b", "a?b", "a\tb", "a\nb", "a\rb", "a\0b"])
    def test_a_name_that_anchore_takes_for_another_is_never_touched(self, place: Place, key: str) -> None:
        for neighbour in ("a", "ab"):
            place.plant(document(neighbour), b"not yours")
        refuses(place, url_of(place, document(key)))
        assert [place.stored(document(key)) for key in ("a", "ab")] == [b"not yours"] * 2


class StoreConformance(KeyConformance):
    """All of it."""

    def test_access_is_granted(self, place: Place) -> None:
        place.store.check_access()

    def test_prepare_is_harmless_where_all_is_there(self, place: Place) -> None:
        place.plant(document("k"), TEXT)
        place.store.prepare()
        assert place.stored(document("k")) == TEXT

    @pytest.mark.parametrize("kind", PAYLOADS)
    def test_what_is_written_is_what_anchore_reads(self, place: Place, kind: str) -> None:
        name, payload = document("written"), PAYLOADS[kind]
        (answer,) = place.store.write([(url_of(place, name), payload)])
        assert place.stored(name) == payload
        assert isinstance(answer, Stat)
        assert answer.md5 in {None, md5(payload)}
        assert answer.size == len(payload)

    @pytest.mark.parametrize("kind", PAYLOADS)
    def test_what_anchore_wrote_is_what_is_read(self, place: Place, kind: str) -> None:
        name, payload = document("planted"), PAYLOADS[kind]
        place.plant(name, payload)
        url = url_of(place, name)
        assert place.store.read([url]) == [payload]
        (stat,) = place.store.stat([url])
        assert isinstance(stat, Stat)
        assert (stat.size, stat.md5) in {(len(payload), md5(payload)), (len(payload), None)}

    @pytest.mark.parametrize("difference", [-1, 0, 1])
    def test_compression_begins_above_the_threshold(self, place: Place, difference: int) -> None:
        name, content = document("compressed"), b"a" * (1024 + difference)
        driver = place.store.backend.driver
        ready = prepare(content, is_compressed=False, compression=THRESHOLD, driver=driver)
        assert isinstance(ready, Prepared)
        place.store.write([(url_of(place, name), ready.payload)])
        assert ready.is_compressed == (difference > 0 and driver != "db")
        assert (place.stored(name) == content) != ready.is_compressed

    def test_digests_are_the_backends_own_once_proven(self, place: Place) -> None:
        probe = document("probe", bucket="restow_probe")
        assert place.store.prove_digests(url_of(place, probe)) is True
        assert place.stored(probe) is None
        url = url_of(place, document("k"))
        place.plant(document("k"), b"one")
        assert place.store.stat([url]) == [Stat(3, md5(b"one"))]
        (said,) = place.store.write([(url, b"four")])
        # What was received is no more than a claim.
        assert isinstance(said, Stat)
        assert (said.size, said.md5 or said.claim) == (4, md5(b"four"))
        assert place.store.stat([url]) == place.store.overview([url]) == [Stat(4, md5(b"four"))]

    @pytest.mark.parametrize("old", ["text", "not UTF-8"])
    @pytest.mark.parametrize("new", ["one byte", "NUL in text", "empty"])
    def test_overwriting_leaves_the_new_payload_alone(self, place: Place, old: str, new: str) -> None:
        name = document("k")
        place.plant(name, PAYLOADS[old])
        place.store.write([(url_of(place, name), PAYLOADS[new])])
        assert place.stored(name) == PAYLOADS[new]

    def test_writing_twice_is_writing_once(self, place: Place) -> None:
        item = (url_of(place, document("k")), TEXT)
        assert place.store.write([item]) == place.store.write([item])
        assert place.store.write([item, item]) == [place.store.write([item])[0]] * 2
        assert place.stored(document("k")) == TEXT

    def test_what_is_missing_is_absent_everywhere(self, place: Place) -> None:
        url = url_of(place, document("nothing here"))
        assert place.store.read([url]) == [Absent()]
        assert place.store.stat([url]) == [Absent()]
        assert place.store.delete([url]) == [None]

    def test_deleting_twice_is_deleting_once(self, place: Place) -> None:
        name = document("k")
        place.plant(name, TEXT)
        url = url_of(place, name)
        assert place.store.delete([url]) == [None]
        assert place.stored(name) is None
        assert place.store.delete([url]) == [None]
        assert place.store.read([url]) == [Absent()]

    def test_answers_come_in_the_order_of_the_question(self, place: Place) -> None:
        names = [document(f"k{n}") for n in range(250)]
        urls = [url_of(place, name) for name in names]
        items = [(url, f"payload {n}".encode()) for n, url in enumerate(urls)]
        items.reverse()
        answers = place.store.write(items)
        assert [answer.size for answer in answers if isinstance(answer, Stat)] == [len(payload) for _, payload in items]
        assert place.store.read(urls) == [payload for _, payload in reversed(items)]

    def test_a_batch_may_be_present_in_part(self, place: Place) -> None:
        for key in ("b", "d"):
            place.plant(document(key), key.encode())
        urls = [url_of(place, document(key)) for key in ("a", "b", "c", "d", "b")]
        assert place.store.read(urls) == [Absent(), b"b", Absent(), b"d", b"b"]
        found = place.store.stat(urls)
        assert [isinstance(stat, Stat) for stat in found] == [False, True, False, True, True]
        assert place.store.delete(urls) == [None] * 5
        assert place.store.read(urls) == [Absent()] * 5

    def test_an_empty_batch_is_no_question(self, place: Place) -> None:
        store = place.store
        assert (store.read([]), store.stat([]), store.write([]), store.delete([])) == ([], [], [], [])

    def test_a_wrong_payload_is_found_by_its_row(self, place: Place) -> None:
        name = document("k")
        place.plant(name, b"these bytes")
        (payload,) = place.store.read([url_of(place, name)])
        assert isinstance(payload, bytes)
        assert check(row_of(name, b"these bytes"), payload) is None
        wrong = check(row_of(name, b"other bytes"), payload)
        assert wrong is not None
        assert wrong.reason is Reason.CORRUPT

    def test_a_url_of_another_driver_is_a_fault(self, place: Place) -> None:
        urls = ("", "nonsense", "file:///x", "db://u/b/k", "db2://u/b/k", "s3://b/k", "swift://b/k")
        own = scheme(place.store.backend.location)
        for url in urls:
            if not url.startswith(own):
                refuses(place, url)

    def test_one_refused_document_does_not_hold_up_the_others(self, place: Place) -> None:
        good = document("good")
        answers = place.store.write([("nonsense", b"x"), (url_of(place, good), TEXT)])
        assert isinstance(answers[0], Fault)
        assert isinstance(answers[1], Stat)
        assert place.stored(good) == TEXT

    def test_close_may_be_called_twice(self, place: Place) -> None:
        place.store.close()
        place.store.close()


def url_of(place: Place, name: DocumentName) -> str:
    return content_url(place.store.backend.location, name)


def refuses(place: Place, url: str) -> None:
    (read,), (stat,) = place.store.read([url]), place.store.stat([url])
    (written,), (deleted,) = place.store.write([(url, b"x")]), place.store.delete([url])
    for answer in (read, stat, written, deleted):
        assert isinstance(answer, Fault)
        assert answer.reason is Reason.REFUSED
