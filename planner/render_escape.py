"""Foreign text in markdown: shown as it is, never acted upon.

Names are user-made, so they may look like markup, links, mentions, table cells or fences. Inside a code span or a
fence GitHub links and interprets nothing; everything that is not plain prose goes there.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from planner.visible import visible

# Words that no renderer makes anything of: letters, or a number, with the punctuation of a sentence around them.
# A word with both letters and digits could be a commit or an issue, one with an inner dot a host, so those are code.
_PROSE = re.compile(
    r"""[("'“‘]*                                            # before the word
        (?: [^\W\d_]+ (?: ['’–-] [^\W\d_]+ )* | [±]? \d+ (?: [.,] \d+ )* %? | [–—×…=+%→±] )
        [)"'”’.,;:!?…]*                                     # after it
    """,
    re.VERBOSE,
)
_TAIL = re.compile(r"[.,;:!?]+$")
# Not even a colon or a dot is left: some versions of mermaid take what looks like an address for a link.
_MERMAID_FOREIGN = re.compile(r"[^A-Za-z0-9 /,-]")


def clip(text: str, limit: int) -> str:
    """Return ``text`` with nothing invisible in it, and no more than ``limit`` characters of it; say so if cut."""
    shown = visible(text[:limit])
    if len(text) <= limit and len(shown) <= limit:
        return shown
    return f"{shown[:limit]}… (cut, {len(text):,} characters in all)"


def code(text: str, limit: int = 200) -> str:
    """Return ``text`` as a code span, at most ``limit`` characters of it."""
    return _span(clip(text, limit)) if text else "(empty)"


def cell(markdown: str) -> str:
    """Make ``markdown`` fit into one table cell. Within tables a pipe ends a cell, also in a code span."""
    return markdown.replace("|", "\\|")


def prose(text: str, limit: int) -> str:
    """Return a message as markdown: its plain words stay prose, names and paths in it become code spans."""
    return " ".join(_word(word) for word in clip(text, limit).split(" "))


def fence(text: str, language: str) -> str:
    """Return ``text`` as a fenced block that nothing within can close. Line breaks are kept, all else made visible."""
    lines = [visible(line) for line in text.split("\n")]
    marks = "`" * max(3, longest_run("\n".join(lines)) + 1)
    return "\n".join([f"{marks}{language}", *lines, marks])


def table(header: Sequence[str], rows: Sequence[str], *, numbers: bool) -> str:
    """Return a markdown table of ready rows; with ``numbers`` all columns but the first are aligned to the right."""
    others = "---:" if numbers else ":---"
    return "\n".join([row(header), row([":---", *(others for _ in header[1:])]), *rows])


def row(cells: Sequence[str]) -> str:
    """Return one line of a table from its cells' markdown."""
    return "| " + " | ".join(cell(each) for each in cells) + " |"


def mermaid(text: str, limit: int = 100) -> str:
    """Return a quoted label for a mermaid chart: everything but plain letters as its numbered entity."""
    label = _MERMAID_FOREIGN.sub(lambda match: f"#{ord(match[0])};", clip(text, limit))
    # Mermaid looks for its own keywords with a colon and an entity after them, even within quotes.
    return '"' + label.replace("style", "#115;tyle").replace("classDef", "#99;lassDef") + '"'


def longest_run(text: str) -> int:
    """Return the length of the longest run of backticks; what delimits ``text`` must be longer."""
    return max((len(run) for run in re.findall("`+", text)), default=0)


def _word(word: str) -> str:
    if not word or _PROSE.fullmatch(word):
        return word
    tail = _TAIL.search(word)
    core = word[: tail.start()] if tail else word
    return _span(core) + (tail[0] if tail else "") if core else _span(word)


def _span(text: str) -> str:
    marks = "`" * (longest_run(text) + 1)
    # A renderer takes one space off each end, and only if both are there.
    pad = " " if text.startswith(("`", " ")) or text.endswith(("`", " ")) else ""
    return f"{marks}{pad}{text}{pad}{marks}"
