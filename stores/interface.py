"""What every driver must do, and the values it speaks in. One Protocol, read side and write side.

Payloads are addressed by ``content_url``, as Anchore addresses them. Calls take batches, because a database answers
a hundred rows as fast as one; answers come in the order of the question. What is wrong with *one document* is a value
(``Absent``, ``Fault``); what is wrong with the *backend* is an exception (``UnreachableError``, ``DeniedError``).

Duties of every implementation:

* thread-safe: several workers call one store at the same time;
* idempotent: any call may be made twice, also because the first reply was lost;
* atomic: a payload is under its URL wholly or not at all (invariant I5);
* no other object than the named ones is touched (I7).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple, Protocol

from schemas.backend import Backend


class DocumentName(NamedTuple):
    """The primary key of ``archive_metadata``, in its order."""

    bucket: str
    archive_id: str
    user_id: str
    document_name: str

    def __str__(self) -> str:  # type: ignore[explicit-override]  # typing.override is not in Python 3.11
        return f"{self.bucket}/{self.user_id}/{self.archive_id}"


@dataclass(frozen=True, slots=True)
class Row:
    """What one row of ``archive_metadata`` says of its payload."""

    name: DocumentName
    content_url: str | None
    digest: str | None
    """MD5 hex of the stored payload; None in rows of very old versions."""
    size: int | None
    """Bytes of the stored payload; None likewise."""
    is_compressed: bool | None
    last_updated: int | None


class Reason(StrEnum):
    """Why a document could not be handled; the keys of the report's ``failed``."""

    MISSING = "missing"
    """Nothing is stored where the row says."""
    CORRUPT = "corrupt"
    """The payload is not what the row's digest and size say, or does not decompress."""
    REFUSED = "refused"
    """The backend rejects this one document: name, size or content."""
    UNAVAILABLE = "unavailable"
    """A passing fault outlived its retries."""
    NOT_STORED = "not-stored"
    """The destination does not give back what was written to it."""


@dataclass(frozen=True, slots=True)
class Absent:
    """Nothing is stored under that URL."""


@dataclass(frozen=True, slots=True)
class Fault:
    """This document failed, the backend as a whole did not."""

    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True)
class Stat:
    """What the backend itself says about a stored payload."""

    size: int
    md5: str | None
    """MD5 hex as the backend computed it from the stored bytes; None where it cannot be known without reading."""
    claim: str | None = field(default=None, compare=False)
    """What looks like that MD5 but is not proven to be one. Equal to a digest known before, it cannot be chance;
    different, it says nothing."""


class Reader(Protocol):
    """The read side of a store. The planner sees no more than this."""

    @property
    def backend(self) -> Backend: ...

    def check_access(self) -> None:
        """Look whether the place is there and may be read; write nothing.

        A place that ``prepare`` would create may be missing. Raises UnreachableError, DeniedError or ConfigError.
        """

    def read(self, urls: Sequence[str]) -> list[bytes | Absent | Fault]:
        """Return each payload exactly as stored."""

    def stat(self, urls: Sequence[str]) -> list[Stat | Absent | Fault]:
        """Return size and digest of each payload as the backend computes them."""

    def overview(self, urls: Sequence[str]) -> list[Stat | Absent | Fault]:
        """As ``stat``, for many payloads with few requests where the backend lists them.

        A list may be a little old. So it is for finding out whether writes were done, never for leave to delete.
        """


class Store(Reader, Protocol):
    """The write side, on top of the read side."""

    def prepare(self) -> None:
        """Create the place where the config asks for it (``create_bucket``); else do nothing."""

    def refuse_foreign(self) -> None:
        """Raise RefusedError when Anchore would not start with what else is in this place. Writes nothing."""

    def prove_digests(self, url: str) -> bool:
        """Find out whether the digests this backend reports are the MD5 of what it stored; say so, and remember it.

        Until then ``Stat.md5`` is None where the backend's word has to be proven (an S3 ETag), and whoever wants a
        digest reads back. Such a backend gets random bytes under ``url``, a name that no document has, which are
        removed again; a backend that computes MD5 anyway is not touched. Raises UnreachableError or DeniedError.
        """

    def write(self, items: Sequence[tuple[str, bytes]]) -> list[Stat | Fault]:
        """Store each payload under its URL, in place of what may be there.

        The answer's ``md5`` is what the backend computed of what it stored, never what was sent. Where it is None,
        ``claim`` and ``size`` may speak of what was received: whether it is stored is then still to be asked.
        """

    def delete(self, urls: Sequence[str]) -> list[Fault | None]:
        """Remove each payload; None when it is gone, also when it was gone before."""

    def close(self) -> None:
        """Give connections back. Safe to call twice."""
