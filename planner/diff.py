"""What differs between two storage configs: the moves, and the settings that change. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import SecretStr

from schemas.backend import Backend
from schemas.config import StorageConfig, StoreConfig, StoreName
from schemas.model import Model
from schemas.plan import ConfigChange


@dataclass(frozen=True, slots=True)
class Outline:
    """A move before anything is counted."""

    store: StoreName
    shared: bool
    source: Backend
    destination: Backend

    @property
    def stores(self) -> tuple[StoreName, ...]:
        return ("object_store", "analysis_archive") if self.shared else (self.store,)


def moves(source: StorageConfig, destination: StorageConfig) -> tuple[Outline, ...]:
    """Return the moves in the order in which they are carried out: the working set, then the archive.

    One move of everything when the archive shares the working set's backend on both sides.
    """
    if source.analysis_archive is None and destination.analysis_archive is None:
        return _outline(source, destination, "object_store", shared=True)
    working = _outline(source, destination, "object_store", shared=False)
    return working + _outline(source, destination, "analysis_archive", shared=False)


def config_changes(source: StorageConfig, destination: StorageConfig) -> tuple[ConfigChange, ...]:
    """Return each storage setting that differs, by path; an archive that is shared has no settings of its own."""
    before, after = dict(_settings(source)), dict(_settings(destination))
    changes = []
    for path in sorted(before.keys() | after.keys()):
        old, new = before.get(path), after.get(path)
        if _plain(old) == _plain(new):
            continue
        if isinstance(old, SecretStr) or isinstance(new, SecretStr):
            changes.append(ConfigChange(path=path, changed=True))
        else:
            changes.append(ConfigChange(path=path, before=old, after=new))
    return tuple(changes)


def _outline(
    source: StorageConfig, destination: StorageConfig, store: StoreName, *, shared: bool
) -> tuple[Outline, ...]:
    old, new = source.store(store).backend, destination.store(store).backend
    if old.identity == new.identity:
        return ()
    return (Outline(store=store, shared=shared, source=old, destination=new),)


def _settings(config: StorageConfig) -> Iterator[tuple[str, object]]:
    yield from _store_settings("object_store", config.object_store)
    if config.analysis_archive is not None:
        yield from _store_settings("analysis_archive", config.analysis_archive)


def _store_settings(store: StoreName, config: StoreConfig) -> Iterator[tuple[str, object]]:
    head = f"services.catalog.{store}"
    yield from _fields(f"{head}.compression", config.compression)
    yield f"{head}.storage_driver.name", config.driver.name
    for path, value in _fields(f"{head}.storage_driver.config", config.driver):
        if not path.endswith(".config.name"):
            yield path, value


def _fields(head: str, model: Model) -> Iterator[tuple[str, object]]:
    for name, value in model:
        yield f"{head}.{name}", value


def _plain(value: object) -> object:
    return value.get_secret_value() if isinstance(value, SecretStr) else value
