"""What is wrong with a config file: all of it at once, each with its place."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from schemas.errors import ConfigError

KeyPath = tuple[str, ...]
"""Keys from the top of the file down; the position in a list counts from 0."""

SHOWN = 50
_PLAIN_KEY = re.compile(r"<<|[0-9]+|[a-z][A-Za-z0-9_]{0,63}")


@dataclass(frozen=True, order=True)
class Mistake:
    line: int
    path: KeyPath
    what: str
    """What is wrong; what to do. Never the value."""


def dotted(path: KeyPath) -> str:
    """Return the path as messages show it; a key unlike any of Anchore's may be a value gone astray, and is hidden."""
    return ".".join(key if _PLAIN_KEY.fullmatch(key) else "…" for key in path)


def config_error(file: str, mistakes: Iterable[Mistake]) -> ConfigError:
    """Return the one error for all ``mistakes`` of a file, a line each, in the order of the file."""
    found = sorted(set(mistakes))
    lines = [f"{file}:{one.line}: {dotted(one.path) or 'the file'}: {one.what}" for one in found[:SHOWN]]
    if len(found) > SHOWN:
        lines.append(f"{file}: and {len(found) - SHOWN} more")
    return ConfigError("\n".join(lines))
