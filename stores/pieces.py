"""Payloads that are long: between us and PostgreSQL they travel in pieces, within one transaction.

The database driver has a message in memory several times over, bytes as hexadecimal text.
"""

from __future__ import annotations

import base64
import codecs
import io
from collections.abc import Callable, Iterator
from typing import Literal

from stores.database import Transaction

SqlType = Literal["text", "bytea"]

LARGE_BYTES = 64 << 20
"""Payloads up to this length travel whole."""
READ_AT_ONCE = 16 << 20
"""Characters or bytes. For each piece PostgreSQL unpacks the whole column."""
SENT_AT_ONCE = (8 << 20) // 57 * 57
"""Bytes of the payload: whole lines of base64."""


def read_in_pieces(piece: Callable[[int, int], str | bytes]) -> bytes:
    """Return what a column holds, text in UTF-8; ``piece`` gives it from a place on, for a length."""
    whole, start = io.BytesIO(), 1
    while part := piece(start, READ_AT_ONCE):
        whole.write(part.encode() if isinstance(part, str) else part)
        start += READ_AT_ONCE
    return whole.getvalue()


def send_in_pieces(transaction: Transaction, sql_type: SqlType, pieces: Iterator[str | bytes]) -> str:
    """Send a payload, and return it as the list of payloads of an INSERT. Raises DeniedError without the right to."""
    transaction.execute(f"CREATE TEMPORARY TABLE restow_piece (n int, piece {sql_type}) ON COMMIT DROP")
    for n, piece in enumerate(pieces):
        statement = f"INSERT INTO pg_temp.restow_piece VALUES (:n, CAST(:piece AS {sql_type}))"
        transaction.execute(statement, n=n, piece=piece)
    joined = f"string_agg(piece, CAST('' AS {sql_type}) ORDER BY n)"
    return f"(SELECT 0 AS n, {joined} AS payload FROM pg_temp.restow_piece) AS p"


def text_pieces(payload: bytes) -> Iterator[str]:
    """Yield the payload as text. Raises UnicodeDecodeError where it is none."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    for piece in byte_pieces(payload):
        yield decoder.decode(piece)
    decoder.decode(b"", final=True)


def base64_pieces(payload: bytes) -> Iterator[str]:
    """Yield the payload as base64 with line breaks."""
    for piece in byte_pieces(payload):
        yield base64.encodebytes(piece).decode("ascii")


def byte_pieces(payload: bytes) -> Iterator[bytes]:
    for start in range(0, len(payload), SENT_AT_ONCE):
        yield payload[start : start + SENT_AT_ONCE]


def base64_length(size: int) -> int:
    """Return how many characters so many bytes are in base64, line breaks included."""
    return -(-size // 3) * 4 + -(-size // 57)
