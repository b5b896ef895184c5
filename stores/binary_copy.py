"""Rows as PostgreSQL's binary COPY sends them, for payloads: their bytes as they are, no text of them.

The format: https://www.postgresql.org/docs/current/sql-copy.html, "Binary Format". The server sends each row in a
message of its own, the first behind the header:
https://www.postgresql.org/docs/current/protocol-message-formats.html, "CopyData".
"""

from __future__ import annotations

import struct

HEADER_BYTES = 19
"""Of a stream without extensions: its signature, its flags and the length of no extension."""
COUNT = struct.Struct("!h")
LENGTH = struct.Struct("!i")
END, NULL = -1, -1

Values = tuple[bytes | None, ...]


class BinaryRows:
    """Takes the messages of one COPY from the database driver, as a file takes bytes."""

    def __init__(self) -> None:
        self.rows: list[Values] = []
        self._begun = False

    def write(self, message: bytes) -> int:
        at = 0 if self._begun else HEADER_BYTES
        self._begun = True
        (columns,) = COUNT.unpack_from(message, at)
        if columns != END:
            self.rows.append(_values(message, at + COUNT.size, columns))
        return len(message)


def _values(message: bytes, at: int, columns: int) -> Values:
    values: list[bytes | None] = []
    for _ in range(columns):
        (length,) = LENGTH.unpack_from(message, at)
        at += LENGTH.size
        if length == NULL:
            values.append(None)
        else:
            values.append(message[at : at + length])
            at += length
    return tuple(values)


def integer(value: bytes | None) -> int:
    """Return the number that a column of type ``int`` holds, 0 where it holds none."""
    return int.from_bytes(value or b"", "big", signed=True)
