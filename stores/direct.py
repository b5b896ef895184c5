"""Ways between two backends on which no payload passes through us."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from schemas.backend import DriverName
from schemas.config import Compression
from stores.interface import Absent, Fault, Row, Stat
from stores.payload import compresses


class DirectCopy(Protocol):
    """From one store to another. Thread-safe; any call may be made twice.

    An answer is as good as its digest: what the destination computed of what it stored then. Any other answer says
    nothing about the document, not even that it is missing; who gets one reads the payload and writes it.
    """

    def copy(self, urls: Sequence[tuple[str, str]]) -> list[Stat | Absent | Fault]:
        """Store each payload under its second URL as it is under its first.

        Raises UnreachableError or DeniedError for the backend as a whole.
        """


def stays_as_it_is(row: Row, compression: Compression, driver: DriverName) -> bool:
    """Whether the destination takes the payload byte for byte, and its row says enough to know it again."""
    if row.digest is None or row.size is None:
        return False
    if row.is_compressed:
        return compression.enabled and driver != "db"
    return not compresses(row.size, compression, driver)
