"""Digest, size and compression of payloads, as Anchore computes them."""

from __future__ import annotations

import hashlib
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

import stores.payload
from schemas.backend import DriverName
from schemas.config import Compression
from stores.interface import DocumentName, Fault, Reason, Row
from stores.payload import (
    Prepared,
    check,
    compresses,
    content_sha256,
    decode,
    encode,
    md5_hex,
    prepare,
    undecodable,
)

OFF = Compression(enabled=False)
NAME = DocumentName("analysis_data", "k", "admin", "k.json")
JSON = b'{"document": {"packages": [' + b'{"name": "openssl", "version": "3.0.2"},' * 500 + b"]}}"


def on(min_size_kbytes: int) -> Compression:
    return Compression(enabled=True, min_size_kbytes=min_size_kbytes)


def row(digest: str | None, size: int | None) -> Row:
    return Row(NAME, "db://admin/analysis_data/k", digest, size, is_compressed=False, last_updated=None)


@pytest.mark.parametrize(
    ("size", "compression", "driver", "expected"),
    [
        (102_400, on(100), "s3", False),
        (102_401, on(100), "s3", True),
        (102_401, on(100), "db", False),
        (102_401, on(100), "db2", True),
        (102_401, on(100), "localfs", True),
        (102_401, on(100), "swift", True),
        (10**9, OFF, "s3", False),
        (0, on(0), "s3", False),
        (1, on(0), "s3", True),
    ],
)
def test_anchore_compresses_above_the_threshold_but_never_in_db(
    size: int, compression: Compression, driver: DriverName, expected: bool
) -> None:
    assert compresses(size, compression, driver) is expected


@given(st.binary(max_size=5000) | st.binary(max_size=20).map(lambda part: part * 500))
def test_anchores_zlib_reads_our_streams_and_we_read_zlibs(content: bytes) -> None:
    ours, compressed = encode(content, on(0), "s3")
    assert compressed is bool(content)
    assert (zlib.decompress(ours) if compressed else ours) == content
    for level in (0, 3, 9):
        assert decode(zlib.compress(content, level), is_compressed=True) == content


@pytest.mark.parametrize("flag", [False, None])
def test_what_is_not_compressed_is_the_content(flag: bool | None) -> None:
    looks_compressed = zlib.compress(b"x")
    assert decode(looks_compressed, flag) == looks_compressed


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"plain text",
        zlib.compress(JSON)[:-1],
        zlib.compress(JSON)[: len(zlib.compress(JSON)) // 2],
        zlib.compress(JSON) + b"x",
        zlib.compress(JSON) * 2,
        zlib.compress(JSON)[:-4] + b"\0\0\0\0",
        zlib.compressobj(wbits=-15).flush(),
        zlib.compressobj(wbits=31).flush(),
    ],
    ids=["empty", "text", "cut by one", "cut in half", "one more", "twice", "wrong checksum", "raw", "gzip"],
)
@pytest.mark.parametrize("piece", [1, 50, 1 << 16])
def test_anything_but_one_whole_stream_is_corrupt(payload: bytes, piece: int, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = decode(payload, is_compressed=True)
    monkeypatch.setattr(stores.payload, "PIECE_BYTES", piece)
    fault = decode(payload, is_compressed=True)
    assert isinstance(fault, Fault)
    assert fault.reason is Reason.CORRUPT
    assert fault == whole
    assert undecodable(payload, is_compressed=True) == fault
    assert content_sha256(payload, is_compressed=True) == fault
    for compression in (OFF, on(0)):
        assert prepare(payload, is_compressed=True, compression=compression, driver="s3") == fault


@given(content=st.binary(max_size=300).map(lambda part: part * 9), flag=st.booleans(), piece=st.integers(1, 100))
def test_the_digest_of_the_content_is_the_same_however_it_is_stored(content: bytes, flag: bool, piece: int) -> None:
    payload = zlib.compress(content) if flag else content
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(stores.payload, "PIECE_BYTES", piece)
        assert content_sha256(payload, flag) == hashlib.sha256(content).hexdigest()
        assert decode(payload, flag) == content
        assert undecodable(payload, flag) is None


@given(st.integers(min_value=0, max_value=8 * len(zlib.compress(JSON, 3)) - 1))
def test_no_flipped_bit_changes_the_content_unseen(bit: int) -> None:
    damaged = bytearray(zlib.compress(JSON, 3))
    damaged[bit // 8] ^= 1 << bit % 8
    content = decode(bytes(damaged), is_compressed=True)
    assert isinstance(content, Fault) or content == JSON


@given(
    content=st.binary(max_size=4000),
    was_compressed=st.booleans(),
    compression=st.builds(Compression, enabled=st.booleans(), min_size_kbytes=st.integers(0, 4)),
    driver=st.sampled_from(["db", "db2", "s3", "localfs", "swift"]),
)
def test_payloads_are_compressed_or_decompressed_only_where_the_destination_calls_for_it(
    content: bytes, was_compressed: bool, compression: Compression, driver: DriverName
) -> None:
    payload = zlib.compress(content, 3) if was_compressed else content
    ready = prepare(payload, was_compressed, compression, driver)
    assert isinstance(ready, Prepared)
    long_enough = len(content) > compression.min_size_kbytes * 1024
    wanted = compression.enabled and driver != "db" and (long_enough or was_compressed)
    assert ready.is_compressed is wanted
    assert (zlib.decompress(ready.payload) if wanted else ready.payload) == content
    assert ready.digest == hashlib.md5(ready.payload, usedforsecurity=False).hexdigest()
    assert ready.size == len(ready.payload)
    assert ready.content_sha256 == hashlib.sha256(content).hexdigest()
    if was_compressed == wanted:
        assert ready.payload is payload


@pytest.mark.parametrize(
    ("digest", "size", "fits"),
    [
        (md5_hex(JSON), len(JSON), True),
        (md5_hex(JSON), None, True),
        (None, len(JSON), True),
        (None, None, True),
        ("", None, True),
        (md5_hex(b"other"), len(JSON), False),
        (md5_hex(JSON), len(JSON) - 1, False),
        (None, 0, False),
    ],
)
def test_a_payload_is_held_against_what_its_row_knows(digest: str | None, size: int | None, fits: bool) -> None:
    fault = check(row(digest, size), JSON)
    assert (fault is None) is fits
    if fault is not None:
        assert fault.reason is Reason.CORRUPT


def test_a_wrong_payload_is_described_with_both_sides() -> None:
    fault = check(row("0" * 32, 7), b"payload")
    assert fault == Fault(
        Reason.CORRUPT, f"the MD5 of what is stored is {md5_hex(b'payload')}, the row says {'0' * 32}"
    )
    assert check(row(md5_hex(b"payload"), 8), b"payload") == Fault(Reason.CORRUPT, "7 bytes are stored, the row says 8")
