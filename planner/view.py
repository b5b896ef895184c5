"""A file seen as the config.yaml that Anchore runs with, whichever form the file has. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from planner.mistakes import KeyPath, Mistake
from planner.tree import at, has, without
from planner.yaml_file import YamlFile
from schemas.config import FileForm
from schemas.config_file import DATABASE_PARTS

CATALOG: KeyPath = ("services", "catalog")
DATABASE: KeyPath = ("credentials", "database")
LEGACY_KEYS = ("archive_driver", "use_db", "archive_data_dir")
"""Storage settings of very old files, in no section of their own."""
STORAGE_KEYS = ("object_store", "archive", "analysis_archive", *LEGACY_KEYS)
"""What of ``services.catalog`` is about storage."""


@dataclass(frozen=True)
class Readings:
    """One file as it reads with its references filled in, and with all of them in place."""

    name: str
    """As the user named the file."""
    resolved: YamlFile
    written: YamlFile
    variables: Mapping[str, str]
    """What references stand for."""

    def mistake(self, path: KeyPath, what: str) -> Mistake:
        return Mistake(line=self.written.line_of(path), path=path, what=what)


@dataclass(frozen=True)
class ConfigView:
    """Paths are those of a config.yaml unless they are said to be the file's own."""

    form: FileForm
    resolved: object
    """The data with its references filled in, as far as they have values."""
    written: object
    """The same with all references in place."""
    section: Mapping[str, object]
    """Each storage section of the file, by its key in a config.yaml, as the file itself words it."""
    heads: Mapping[str, KeyPath]
    """Where the file has each of them: its own paths."""
    rest: object
    """All else of the file, as written."""
    moved: Mapping[KeyPath, KeyPath] = field(default_factory=dict)
    """What stands elsewhere in the file, to its own path; what is below it moved along."""
    archive_goes_along: bool = False
    """The archive goes where the working set is, whatever its section says."""
    mistakes: tuple[Mistake, ...] = ()
    """In the form of the file, with its own paths."""

    def in_file(self, path: KeyPath) -> KeyPath:
        """Return the file's own path for ``path``."""
        for length in range(len(path), 0, -1):
            if (head := self.moved.get(path[:length])) is not None:
                return (*head, *path[length:])
        return path


def config_view(file: Readings) -> ConfigView:
    """Return the view of a config.yaml, or of what is taken for one."""
    written = file.written.data
    heads = {key: (*CATALOG, key) for key in STORAGE_KEYS if has(written, (*CATALOG, key))}
    return ConfigView(
        form="config",
        resolved=file.resolved.data,
        written=written,
        section={key: at(written, head) for key, head in heads.items()},
        heads=heads,
        rest=remainder(
            written,
            (
                *((*CATALOG, key) for key in STORAGE_KEYS),
                *((*DATABASE, key) for key in ("db_connect", *DATABASE_PARTS)),
            ),
        ),
    )


def remainder(data: object, paths: Iterable[KeyPath]) -> object:
    """Return ``data`` less all of ``paths``."""
    for path in paths:
        data = without(data, path)
    return data
