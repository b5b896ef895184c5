"""What Anchore does to a document between its services and a backend: digest, size and compression of payloads.

Pure functions. A payload is the bytes as stored, content the bytes after decompression; neither is ever parsed.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass

from isal import isal_zlib

from schemas.backend import DriverName
from schemas.config import Compression
from stores.interface import Fault, Reason, Row

PIECE_BYTES = 64 << 10
"""Of a compressed payload that are decompressed at a time: some 64 MB of content at the very most."""
LEVEL = 1
"""Of isal's four: smaller than zlib's level 3, which Anchore writes, on Anchore's JSON, at five times its speed."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A payload as the destination is to hold it, with what its row must say then."""

    payload: bytes
    is_compressed: bool
    digest: str
    """MD5 hex of ``payload``."""
    size: int
    """Bytes of ``payload``."""
    content_sha256: str
    """Hex; the same whatever the compression, so it can be compared across backends."""


def md5_hex(payload: bytes) -> str:
    return hashlib.md5(payload, usedforsecurity=False).hexdigest()


def may_compress(compression: Compression, driver: DriverName) -> bool:
    """Whether Anchore compresses anything that it writes with this driver: ``db`` takes no compressed payloads."""
    return compression.enabled and driver != "db"


def compresses(content_size: int, compression: Compression, driver: DriverName) -> bool:
    """Whether Anchore compresses a content of that many bytes when it writes it with this driver."""
    return may_compress(compression, driver) and content_size > compression.min_size_kbytes * 1024


def stays_as_it_is(
    size: int,
    is_compressed: bool,  # noqa: FBT001 - a column of the row
    compression: Compression,
    driver: DriverName,
) -> bool:
    """Whether the destination takes a payload of that many bytes byte for byte.

    Where it compresses, a compressed one stays so, however short its content is: Anchore asks the row, not its config.
    """
    if is_compressed:
        return may_compress(compression, driver)
    return not compresses(size, compression, driver)


def encode(content: bytes, compression: Compression, driver: DriverName) -> tuple[bytes, bool]:
    """Return the payload that Anchore would store for ``content``, and whether it is compressed."""
    if compresses(len(content), compression, driver):
        return isal_zlib.compress(content, LEVEL), True
    return content, False


def decode(payload: bytes, is_compressed: bool | None) -> bytes | Fault:  # noqa: FBT001 - a column of the row
    """Return the content: one whole zlib stream, its checksum right and nothing behind it, where it is compressed."""
    if not is_compressed:
        return payload
    content = io.BytesIO()
    return _inflate(payload, content.write) or content.getvalue()


def content_sha256(payload: bytes, is_compressed: bool | None) -> str | Fault:  # noqa: FBT001 - a column of the row
    """Return the digest of the content in hex, for which it is never in memory as a whole; or what ``decode`` says."""
    digest = hashlib.sha256()
    if not is_compressed:
        digest.update(payload)
        return digest.hexdigest()
    return _inflate(payload, digest.update) or digest.hexdigest()


def undecodable(payload: bytes, is_compressed: bool | None) -> Fault | None:  # noqa: FBT001 - a column of the row
    """Return what ``decode`` says against the payload."""
    return _inflate(payload, len) if is_compressed else None


def _inflate(payload: bytes, take: Callable[[bytes], object]) -> Fault | None:
    stream = isal_zlib.decompressobj()
    view, end = memoryview(payload), 0
    try:
        while end < len(view) and not stream.eof:
            start, end = end, min(end + PIECE_BYTES, len(view))
            take(stream.decompress(view[start:end]))
    except isal_zlib.error as error:  # type: ignore[misc]  # the stubs take the class for an instance
        return Fault(Reason.CORRUPT, f"the payload does not decompress: {error}")
    if not stream.eof:
        return Fault(Reason.CORRUPT, "the payload does not decompress: it ends in the middle of the stream")
    behind = len(stream.unused_data) + len(view) - end
    return Fault(Reason.CORRUPT, f"{behind} bytes stand behind the compressed stream") if behind else None


def check(row: Row, payload: bytes) -> Fault | None:
    """Compare a payload with its row's digest and size; None when both fit or the row has nothing to compare."""
    wrong = []
    if row.size is not None and len(payload) != row.size:
        wrong.append(f"{len(payload)} bytes are stored, the row says {row.size}")
    if row.digest and (stored := md5_hex(payload)) != row.digest:
        wrong.append(f"the MD5 of what is stored is {stored}, the row says {row.digest}")
    return Fault(Reason.CORRUPT, "; ".join(wrong)) if wrong else None


def prepare(
    payload: bytes,
    is_compressed: bool | None,  # noqa: FBT001 - a column of the row
    compression: Compression,
    driver: DriverName,
    *,
    digest: str | None = None,
) -> Prepared | Fault:
    """Turn a payload of the source into the one that the destination's config calls for.

    ``digest``: the payload's MD5, where it has just been taken.
    One that may stay as it is passes byte for byte; that it decompresses is made sure of all the same.
    """
    if stays_as_it_is(len(payload), bool(is_compressed), compression, driver):
        sha256 = content_sha256(payload, is_compressed)
        if isinstance(sha256, Fault):
            return sha256
        return Prepared(payload, bool(is_compressed), digest or md5_hex(payload), len(payload), sha256)
    content = decode(payload, is_compressed)
    if isinstance(content, Fault):
        return content
    ready, ready_compressed = encode(content, compression, driver)
    sha256 = hashlib.sha256(content).hexdigest()
    return Prepared(ready, ready_compressed, md5_hex(ready), len(ready), sha256)
