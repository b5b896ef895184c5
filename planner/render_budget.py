"""Fitting a page into a limit: what matters most is given room first, whatever its place on the page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

NOTE = 400
"""Room kept for the words that say what was left out."""
_SEPARATOR = "\n\n"


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a page that makes itself shorter when it must."""

    rank: int
    """Sections of a lower rank are cut only when those of a higher one have nothing left to give."""
    least: int
    """The smallest number of characters it can be told to keep to."""
    write: Callable[[int], str]
    """Text of at most that many characters, ``least`` or more; what is left out is told. Empty: no such section."""


def fixed(text: str) -> Section:
    """A section that is never cut; its author has bounded it."""
    return Section(rank=0, least=len(text), write=lambda _: text)


def compose(sections: Sequence[Section], limit: int) -> str:
    """Return the sections in their order, with blank lines between, in at most ``limit`` characters.

    The sum of what they need at least, with two characters each, must be within the limit.
    """
    spare = limit - sum(section.least + len(_SEPARATOR) for section in sections)
    texts = [""] * len(sections)
    for index in sorted(range(len(sections)), key=lambda each: sections[each].rank):
        section = sections[index]
        texts[index] = section.write(section.least + spare)
        spare += section.least - len(texts[index])
    return _SEPARATOR.join(text for text in texts if text)


def keep(lines: Sequence[str], budget: int) -> list[str]:
    """Return the leading ``lines`` that fit into ``budget`` characters with a line break each.

    If that is not all of them, ``NOTE`` characters are left free for the words that say so.
    """
    if sum(len(line) + 1 for line in lines) <= budget:
        return list(lines)
    room, kept = budget - NOTE, 0
    while len(lines[kept]) < room:
        room -= len(lines[kept]) + 1
        kept += 1
    return list(lines[:kept])
