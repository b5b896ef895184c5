"""Ways between two backends on which no payload passes through us."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from stores.interface import Absent, Fault, Stat


class Transit(NamedTuple):
    """A payload that is to travel, and what its row says of it."""

    old_url: str
    new_url: str
    digest: str
    """MD5 hex."""
    size: int
    """Bytes."""


class DirectCopy(Protocol):
    """From one store to another. Thread-safe; any call may be made twice.

    An answer is as good as its digest: what the destination computed of what it stored then. With a ``claim`` alone the
    server says that it has copied, and whether that is so is still to be asked. Any other answer says nothing about the
    document, not even that it is missing; who gets one reads the payload and writes it.
    """

    def copy(self, payloads: Sequence[Transit]) -> list[Stat | Absent | Fault]:
        """Store each payload under its new URL as it is under its old one.

        One that the source says is another than its row's is not: what may lie at the destination could be better.
        Raises UnreachableError or DeniedError for the backend as a whole.
        """
