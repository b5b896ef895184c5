"""Plain text that lines up: wrapping and tables measured in terminal cells, not in characters."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

GAP = 2
_NAME_CELLS = 24
"""A first column gets at least this much before columns are said not to fit; longer names get a line of their own."""


def cells(text: str) -> int:
    """Return how many terminal cells ``text`` takes: two for a wide character, none for a combining mark."""
    if text.isascii():
        return len(text)
    return sum(_cells(char) for char in text)


def wrap(text: str, width: int, *, first: str = "", rest: str | None = None) -> list[str]:
    """Break ``text`` at its spaces into lines of at most ``width`` cells, a word that is too long anywhere.

    ``first`` stands before the first line, ``rest`` (the same number of spaces if not given) before the others.
    """
    rest = " " * cells(first) if rest is None else rest
    lines, line, empty = [], first, True
    for word in text.split(" "):
        if not empty and cells(line) + 1 + cells(word) > width:
            lines.append(line)
            line, empty = rest, True
        head, *pieces = _pieces(word if empty else f" {word}", width - cells(line), width - cells(rest))
        line, empty = line + head, False
        for piece in pieces:
            lines.append(line)
            line = rest + piece
    return [*lines, line]


def fits(header: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> bool:
    """Whether the table has room for its first column beside all the others."""
    widths = _widths(header, rows)
    return sum(widths[1:]) + GAP * len(widths[1:]) + min(widths[0], _NAME_CELLS) <= width


def table(header: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> list[str]:
    """Return the lines of a table: first column left, all others right. Nothing is cut.

    A first cell that is too wide for its column stands on lines of its own, its numbers below it.
    """
    widths = _widths(header, rows)
    room = width - sum(widths[1:]) - GAP * len(widths[1:])
    widths[0] = min(widths[0], max(room, cells(header[0])))
    lines = [_line(header, widths), _line(["-" * each for each in widths], widths)]
    for row in rows:
        if cells(row[0]) <= widths[0]:
            lines.append(_line(row, widths))
        else:
            lines += [*wrap(row[0], width), _line(["", *row[1:]], widths)]
    return lines


def _widths(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[int]:
    return [max(cells(cell) for cell in column) for column in zip(header, *rows, strict=True)]


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = (" " * (width - cells(cell)) for cell, width in zip(row, widths, strict=True))
    numbers = (" " * GAP + pad + cell for pad, cell in zip(others, row[1:], strict=True))
    return (row[0] + first + "".join(numbers)).rstrip()


def _pieces(text: str, first: int, others: int) -> list[str]:
    """Split ``text`` into a piece of at most ``first`` cells and more of at most ``others``, one character at least."""
    if cells(text) <= first:
        return [text]
    pieces: list[str] = []
    start, used, room = 0, 0, first
    for index, char in enumerate(text):
        used += _cells(char)
        if used > room and (index > start or not pieces):
            pieces.append(text[start:index])
            start, used, room = index, _cells(char), others
    return [*pieces, text[start:]]


def _cells(char: str) -> int:
    if unicodedata.category(char) in {"Mn", "Me"}:
        return 0
    return 2 if unicodedata.east_asian_width(char) in {"W", "F"} else 1
