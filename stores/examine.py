"""Rows against a store: which documents can it not give back as their rows say. Reads only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from stores.interface import Absent, DocumentName, Fault, Reader, Reason, Row, Stat
from stores.locations import scheme
from stores.payload import check, undecodable

Trouble = Literal["missing", "corrupt", "unreachable"]


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A document that Anchore cannot read as its row says."""

    name: DocumentName
    trouble: Trouble
    detail: str


def examine(store: Reader, rows: Sequence[Row], *, full: bool) -> tuple[list[Unreadable], int]:
    """Return the rows that ``store`` cannot read as they say, and how many payloads were read in full to tell.

    A backend's own word is taken where it cannot be chance: its MD5 is the row's. Else the payload is read.
    """
    start = scheme(store.backend.location)
    within = [row for row in rows if (row.content_url or "").startswith(start)]
    unreadable = [
        Unreadable(row.name, "unreachable", f"{row.content_url} cannot be read by driver {store.backend.driver}")
        for row in rows
        if not (row.content_url or "").startswith(start)
    ]
    doubtful = within if full else _not_proven(store, within, unreadable)
    payloads = store.read([row.content_url or "" for row in doubtful])
    troubles = [_judge(row, payload) for row, payload in zip(doubtful, payloads, strict=True)]
    return [*unreadable, *filter(None, troubles)], len(doubtful)


def _not_proven(store: Reader, rows: Sequence[Row], unreadable: list[Unreadable]) -> list[Row]:
    """Report what is missing; return the rows whose payload must be read, because the backend's word does not do."""
    doubtful = []
    for row, stat in zip(rows, store.stat([row.content_url or "" for row in rows]), strict=True):
        if not isinstance(stat, Stat):
            trouble = _judge(row, stat)
            if trouble is not None:
                unreadable.append(trouble)
        elif row.digest is None and not row.is_compressed:
            # Nothing to compare with but the size, which reading would not tell better.
            if row.size is not None and row.size != stat.size:
                said = f"{row.content_url} holds {stat.size} bytes, its row says {row.size}"
                unreadable.append(Unreadable(row.name, "corrupt", said))
        elif row.digest is None or row.digest not in {stat.md5, stat.claim} or row.size not in {None, stat.size}:
            # A compressed payload brings a checksum of its own.
            doubtful.append(row)
    return doubtful


def _judge(row: Row, answer: bytes | Absent | Fault) -> Unreadable | None:
    match answer:
        case Absent():
            return Unreadable(row.name, "missing", f"nothing is stored at {row.content_url}")
        case Fault(reason=Reason.MISSING, detail=detail):
            return Unreadable(row.name, "missing", detail)
        case Fault(reason=Reason.CORRUPT, detail=detail):
            return Unreadable(row.name, "corrupt", detail)
        case Fault(detail=detail):
            return Unreadable(row.name, "unreachable", detail)
        case bytes():
            wrong = check(row, answer) or undecodable(answer, row.is_compressed)
            return None if wrong is None else Unreadable(row.name, "corrupt", wrong.detail)
