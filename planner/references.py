"""``${ANCHORE_…}`` in a config: replaced in the text before it is YAML, as Anchore does it."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from planner.text_file import SIZE_LIMIT, read_text
from schemas.errors import ConfigError

ENV_FILE = "ANCHORE_ENV_FILE"
PREFIX = "ANCHORE"
REFERENCE = re.compile(r"\$\{(ANCHORE[A-Za-z0-9_.-]*+)([^}\r\n]{0,100}+)\}")
"""Group 2 is empty, or the reference is of a form that Anchore never replaces, such as ``${ANCHORE_X:-default}``."""


@dataclass(frozen=True)
class Filled:
    """A text whose references were replaced: by their values, or, where they have none, by a plain word each.

    The word lets the text parse as if the value were there (``{`` would end a plain scalar); ``restore`` undoes it.
    """

    text: str
    word: str
    kept: tuple[str, ...]
    """The references that have no value, in order."""
    starts: tuple[tuple[int, int], ...]
    """(offset here, offset in the original) of each part, ascending."""

    def origin(self, offset: int) -> int:
        """Return the offset in the original that the character at ``offset`` came from."""
        part = bisect_right(self.starts, (offset, len(self.text))) - 1
        here, there = self.starts[part]
        # A value may be longer than its reference: all of it comes from there.
        end = self.starts[part + 1][1] if part + 1 < len(self.starts) else there + offset - here
        return min(there + offset - here, end)

    def restore(self, scalar: str) -> str:
        """Return ``scalar`` with its references in place of our words."""
        return re.sub(rf"{self.word}([0-9]{{1,7}})z", self._kept, scalar)

    def _kept(self, found: re.Match[str]) -> str:
        index = int(found[1])
        return self.kept[index] if index < len(self.kept) else found[0]


def read_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """Return all variables that a config may refer to: the environment's, and under them the env file's.

    Lines of the env file are ``KEY=value``; quotes around a value go, any other line is ignored, as Anchore does.
    Raises ConfigError when ``ANCHORE_ENV_FILE`` names a file that cannot be read.
    """
    variables = {}
    if path := environment.get(ENV_FILE):
        for line in read_text(path, kind=f"the file that {ENV_FILE} names,").splitlines():
            name, equals, value = line.partition("=")
            if equals and name.startswith(PREFIX):
                variables[name] = value.lstrip("\"'").rstrip("\"'")
    variables.update((name, value) for name, value in environment.items() if name.startswith(PREFIX))
    return variables


def fill(file: str, text: str, variables: Mapping[str, str]) -> Filled:
    """Replace each reference of ``text``. Raises ConfigError when that makes the text larger than a file may be."""
    word = _word_not_in((text, *variables.values()))
    kept: list[str] = []
    parts: list[str] = []
    starts: list[tuple[int, int]] = []
    done = length = 0
    for found in REFERENCE.finditer(text):
        value = None if found[2] else variables.get(found[1])
        if value is None:
            value = f"{word}{len(kept)}z"
            kept.append(found[0])
        own = text[done : found.start()]
        starts += [(length, done), (length + len(own), found.start())]
        parts += [own, value]
        length += len(own) + len(value)
        done = found.end()
        if length > SIZE_LIMIT:
            raise ConfigError(
                f"{file}: with its variables filled in, the file is larger than {SIZE_LIMIT} characters",
                hint="check the values of its variables",
            )
    starts.append((length, done))
    return Filled(text="".join([*parts, text[done:]]), word=word, kept=tuple(kept), starts=tuple(starts))


def _word_not_in(texts: Iterable[str]) -> str:
    longest = max((len(found[1]) for text in texts for found in re.finditer("reference(x*)", text)), default=-1)
    return "reference" + "x" * (longest + 1)


def left_over(scalar: str) -> tuple[str, ...]:
    """Return the names that a scalar still refers to, in order, each once."""
    return tuple(dict.fromkeys(found[1] for found in REFERENCE.finditer(scalar)))


def malformed(scalar: str) -> bool:
    """Whether a reference in ``scalar`` is more than a name, so that no value could ever replace it."""
    return any(found[2] for found in REFERENCE.finditer(scalar))
