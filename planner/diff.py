"""What differs between two storage configs: the moves, and the settings that change. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pydantic import SecretStr

from planner.elsewhere import differences, elsewhere, relation
from planner.file_forms import catalog_path
from planner.mistakes import KeyPath
from schemas.backend import Backend
from schemas.config import Compression, DatabaseConfig, StorageConfig, StoreName
from schemas.config_file import LocalfsSection, S3Section, SwiftSection
from schemas.plan import ConfigChange

ELSEWHERE_LIMIT = 100
"""Changes outside storage that a plan lists; a finding says how many there are."""

_DRIVER = "storage_driver.config"
_SPELLED = {("swift", "prefix"): "anchore_key_prefix", ("swift", "auth_url"): "os_auth_url"}
"""Where a file has another word than the model."""
_MODELLED = (*S3Section.model_fields, *LocalfsSection.model_fields, *SwiftSection.model_fields)
_DEFAULTS: dict[str, object] = {
    "compression.enabled": False,
    "compression.min_size_kbytes": 100,
    **{f"{_DRIVER}.{key}": None for key in ("access_key", "secret_key", "url", "region", "os_auth_url")},
    **{f"{_DRIVER}.{key}": False for key in ("iamauto", "create_bucket", "create_container")},
    **{f"{_DRIVER}.{key}": "" for key in ("prefix", "anchore_key_prefix")},
}
_NONE = object()
"""Equal to no value: such a setting has no default."""


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
    """Return the settings that differ, by path: of both stores, of the database, and at most 100 of all others.

    Storage settings are those that hold, defaults included. A setting that only one side has is left out while it
    says what would hold without it; an archive that is shared has no settings of its own.
    """
    head = catalog_path(destination.form)
    changes = [
        *_store_changes("object_store", source, destination, head),
        *_store_changes("analysis_archive", source, destination, head),
        *_database_change(source, destination),
        *(one.change for one in elsewhere(source, destination)[:ELSEWHERE_LIMIT]),
    ]
    return tuple(sorted(changes, key=lambda one: one.path))


def _outline(
    source: StorageConfig, destination: StorageConfig, store: StoreName, *, shared: bool
) -> tuple[Outline, ...]:
    old, new = source.store(store).backend, destination.store(store).backend
    if old.identity == new.identity:
        return ()
    return (Outline(store=store, shared=shared, source=old, destination=new),)


def _store_changes(
    store: StoreName, source: StorageConfig, destination: StorageConfig, head: KeyPath
) -> Iterator[ConfigChange]:
    before, after = _settings(store, source), _settings(store, destination)
    for key in before.keys() | after.keys():
        if key in before and key in after:
            differs = _plain(before[key]) != _plain(after[key])
        else:
            other = destination if key in before else source
            value = {**before, **after}[key]
            differs = any(_plain(value) != _plain(one) for one in _without(key, store, other))
        if differs:
            yield _change(".".join((*head, store, key)), before.get(key), after.get(key))
    here = (*head, store)
    containers = frozenset(
        (here, (*here, "compression"), (*here, "storage_driver"), (*here, "storage_driver", "config"))
    )
    kept = (_not_in_the_model(store, config) for config in (source, destination))
    yield from (one.change for one in differences(*kept, containers=containers, head=here))


def _settings(store: StoreName, config: StorageConfig) -> dict[str, object]:
    """Return the settings of the store's own section, by their path in it."""
    if store == "analysis_archive" and config.analysis_archive is None:
        return {}
    section = config.store(store)
    driver = section.driver
    found = {f"compression.{name}": value for name, value in section.compression}
    found |= {f"{_DRIVER}.{_SPELLED.get((driver.name, name), name)}": value for name, value in driver if name != "name"}
    return {**found, "storage_driver.name": driver.name}


def _without(key: str, store: StoreName, config: StorageConfig) -> Iterator[object]:
    """Yield what holds under ``config`` without ``key``: its default, and the working set's for a shared archive."""
    yield _DEFAULTS.get(key, _NONE)
    if store == "analysis_archive" and config.analysis_archive is None:
        yield from (value for name, value in _settings("object_store", config).items() if name == key)


def _change(path: str, before: object, after: object) -> ConfigChange:
    if isinstance(before, SecretStr) or isinstance(after, SecretStr):
        return ConfigChange(path=path, changed=True)
    return ConfigChange(path=path, before=before, after=after)


def _plain(value: object) -> object:
    return value.get_secret_value() if isinstance(value, SecretStr) else value


def _not_in_the_model(store: StoreName, config: StorageConfig) -> dict[str, object]:
    """Return what else stands in the store's section as written, such as options of the Swift client."""
    section = _mapping(config.section.get((config.working_key if store == "object_store" else None) or store))
    compression, driver = _mapping(section.get("compression")), _mapping(section.get("storage_driver"))
    return {
        **_but(section, "compression", "storage_driver"),
        "compression": _but(compression, *Compression.model_fields),
        "storage_driver": {**_but(driver, "name"), "config": _but(_mapping(driver.get("config")), *_MODELLED)},
    }


def _but(section: Mapping[str, object], *keys: str) -> dict[str, object]:
    return {key: value for key, value in section.items() if key not in keys}


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _database_change(source: StorageConfig, destination: StorageConfig) -> Iterator[ConfigChange]:
    old, new = source.database, destination.database
    if old is None or new is None:
        # A fragment need not name the database, and Helm values name it elsewhere.
        differs = old is not new and relation(source, destination) == "compared"
    else:
        differs = _connection(old) != _connection(new)
    if differs:
        yield ConfigChange(path="credentials.database.db_connect", changed=True)


def _connection(database: DatabaseConfig) -> str:
    # Both names mean the driver that Anchore uses.
    return database.db_connect.get_secret_value().replace("postgresql+pg8000://", "postgresql://", 1)
