"""What differs between two config files outside their storage sections. Pure.

The destination file takes the place of the source file, so all of it changes, not only where documents live.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Literal

from planner.disclosure import may_show, shown
from planner.mistakes import KeyPath, dotted
from planner.view import CATALOG, DATABASE, remainder
from schemas.canonical import canonical_text
from schemas.config import StorageConfig
from schemas.plan import ConfigChange

Relation = Literal["same file", "compared", "fragment", "other form"]

_CONTAINERS: frozenset[KeyPath] = frozenset(
    {("services",), CATALOG, ("credentials",), DATABASE, ("anchoreConfig",), ("anchoreConfig", "catalog")}
)
"""Where storage or the database stands too: with nothing else in it, such a section is as good as absent."""


class Missing(Enum):
    """The value of a setting that is not there, which is not null."""

    MISSING = "missing"


MISSING = Missing.MISSING


@dataclass(frozen=True, slots=True)
class Difference:
    """A setting, list or section that differs; a section that stands on one side only differs once, at its top."""

    path: KeyPath
    before: object
    after: object

    @property
    def change(self) -> ConfigChange:
        """The difference as a plan may hold it: both values, or that there is one."""
        values = [None if value is MISSING else value for value in (self.before, self.after)]
        if all(may_show(self.path, value) for value in values):
            before, after = (shown(value) for value in values)
            # What was taken out of a URL may be all that differs, and null is not absent.
            if not _same(before, after):
                return ConfigChange(path=dotted(self.path), before=before, after=after)
        return ConfigChange(path=dotted(self.path), changed=True)


def relation(source: StorageConfig, destination: StorageConfig) -> Relation:
    """Return whether the rest of two files is compared, and if not, why.

    A *fragment* is a destination file with nothing but storage in it, where the source file has more.
    """
    if source.path == destination.path:
        return "same file"
    if (source.form == "config") != (destination.form == "config"):
        return "other form"
    old, new = (remainder(config.rest, (DATABASE,)) for config in (source, destination))
    more = not _bare(old) or (source.database is not None and destination.database is None)
    return "fragment" if _bare(new) and more else "compared"


def elsewhere(source: StorageConfig, destination: StorageConfig) -> tuple[Difference, ...]:
    """Return all that differs outside storage, by path; nothing of files that are not compared."""
    if relation(source, destination) != "compared":
        return ()
    return differences(source.rest, destination.rest, containers=_CONTAINERS)


def differences(
    before: object, after: object, *, containers: frozenset[KeyPath], head: KeyPath = ()
) -> tuple[Difference, ...]:
    """Return what differs between two values that YAML held at ``head``, by path. A list differs as a whole.

    At the paths of ``containers``, empty, null and absent mean the same.
    """
    found = _differing(before, after, head, containers)
    return tuple(sorted(found, key=lambda one: (dotted(one.path), one.path)))


def _differing(before: object, after: object, path: KeyPath, containers: frozenset[KeyPath]) -> Iterator[Difference]:
    if path in containers:
        before, after = ({} if value is None or value is MISSING else value for value in (before, after))
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in before.keys() | after.keys():
            yield from _differing(before.get(key, MISSING), after.get(key, MISSING), (*path, key), containers)
    elif not _same(before, after):
        yield Difference(path, before, after)


def _same(before: object, after: object) -> bool:
    if before is MISSING or after is MISSING:
        return before is after
    # As text: 1, 1.0 and true are equal in Python.
    return canonical_text(before) == canonical_text(after)


def _bare(value: object) -> bool:
    """Whether nothing is set: sections within sections, and no value in any of them."""
    return value is None or (isinstance(value, Mapping) and all(_bare(item) for item in value.values()))
