"""A config file, read: references resolved, every mistake found, both stores completed with Anchore's defaults."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from planner import meaning
from planner.mistakes import KeyPath, Mistake, config_error
from planner.references import ENV_FILE, REFERENCE, fill, left_over, malformed, read_variables
from planner.text_file import read_text
from planner.validate import schema_mistakes
from planner.yaml_file import YamlFile, parse
from schemas.config import DatabaseConfig, Reference, StorageConfig, StoreName
from schemas.config_file import SECRET_SETTINGS, ConfigFile
from schemas.errors import ConfigError

CATALOG: KeyPath = ("services", "catalog")
DATABASE: KeyPath = ("credentials", "database")
STORAGE_KEYS = ("object_store", "archive", "analysis_archive", "archive_driver", "use_db", "archive_data_dir")
"""What of ``services.catalog`` is about storage; the last three in very old files only."""
ROOTS: tuple[KeyPath, ...] = (*((*CATALOG, key) for key in STORAGE_KEYS), DATABASE)

_SET_IT = f"set it in the environment or in the file that {ENV_FILE} names"


def load_config(path: str | Path, *, environment: Mapping[str, str]) -> StorageConfig:
    """Read one config.yaml. ``environment`` gives the values of its ``${ANCHORE_…}`` and ``ANCHORE_ENV_FILE``.

    A secret, or a part of the database connection, whose variable has no value is kept as written: ``references``
    says so, and ``require_secrets`` and ``require_database`` raise for whoever needs it.

    Raises ConfigError that lists every mistake of the file, each on a line of its own:
    ``FILE:LINE: dotted.path: what is wrong; what to do``.
    """
    file = str(path)
    variables = read_variables(environment)
    text = read_text(file, kind="config file")
    resolved = parse(file, text, fill(file, text, variables))
    written = _as_written(file, text) if REFERENCE.search(text) else resolved
    mistakes = [*resolved.mistakes, *_unset(resolved), *schema_mistakes(resolved.data, resolved.line_of)]
    if mistakes:
        raise config_error(file, mistakes)
    return _config(file, ConfigFile.model_validate(resolved.data), resolved, written)


def require_secrets(config: StorageConfig, stores: Iterable[StoreName]) -> None:
    """Raise ConfigError when a secret that one of ``stores`` needs refers to a variable without a value."""
    keys = {_section_key(config, store) for store in stores}
    heads = tuple(".".join((*CATALOG, key, "")) for key in keys)
    _require(config, heads)


def require_database(config: StorageConfig) -> DatabaseConfig:
    """Return the database connection. Raises ConfigError when the file names none or refers to an unset variable."""
    if config.database is None:
        raise ConfigError(
            f"{config.path}: credentials.database.db_connect is missing", hint="set it there, or give --db-connect"
        )
    _require(config, (".".join((*DATABASE, "")),))
    return config.database


def _config(file: str, form: ConfigFile, resolved: YamlFile, written: YamlFile) -> StorageConfig:
    catalog = form.services.catalog
    key, working = meaning.working_set(catalog)
    archive = meaning.own_archive(catalog)
    oddities = list(meaning.oddities(working, (*CATALOG, key), resolved.line_of))
    if archive is not None:
        oddities += meaning.oddities(archive, (*CATALOG, "analysis_archive"), resolved.line_of)
    found = _at(written.data, CATALOG)
    section = {name: found[name] for name in STORAGE_KEYS if name in found} if isinstance(found, dict) else {}
    return StorageConfig(
        path=file,
        object_store=meaning.store(working),
        analysis_archive=None if archive is None else meaning.store(archive),
        database=meaning.database(form.credentials),
        section=section,
        references=_references(resolved, written),
        oddities=tuple(oddities),
    )


def _as_written(file: str, text: str) -> YamlFile:
    """Parse ``text`` with its references left in place."""
    try:
        return parse(file, text, fill(file, text, {}))
    except ConfigError as error:
        # With the values filled in it did parse, so a value brings structure of its own.
        raise ConfigError(
            error.message, hint="a ${ANCHORE_…} there stands for more than one value; write its settings out"
        ) from None


def _references(resolved: YamlFile, written: YamlFile) -> tuple[Reference, ...]:
    texts: dict[KeyPath, str] = {}
    unset: dict[KeyPath, tuple[str, ...]] = {}
    for root in ROOTS:
        values = dict(_texts(_at(resolved.data, root), root))
        unset.update((path, left_over(text)) for path, text in values.items())
        texts |= values | dict(_texts(_at(written.data, root), root))
    return tuple(
        Reference(path=".".join(path), text=text, unset=unset.get(path, ()))
        for path, text in sorted(texts.items())
        if left_over(text) or unset.get(path)
    )


def _unset(resolved: YamlFile) -> Iterator[Mistake]:
    """Yield each reference without value that no later moment can do something about."""
    for root in ROOTS:
        for path, text in _texts(_at(resolved.data, root), root):
            names = left_over(text)
            if malformed(text):
                what = "has a reference that Anchore never replaces; write ${ANCHORE_NAME} and nothing more"
                yield Mistake(line=resolved.line_of(path), path=path, what=what)
            elif names and root != DATABASE and not (path[-2] == "config" and path[-1] in SECRET_SETTINGS):
                what = f"refers to {', '.join(names)}, which has no value; {_SET_IT}"
                yield Mistake(line=resolved.line_of(path), path=path, what=what)


def _require(config: StorageConfig, heads: tuple[str, ...]) -> None:
    lacking = [one for one in config.references if one.unset and one.path.startswith(heads)]
    if lacking:
        lines = [f"{config.path}: {one.path} refers to {', '.join(one.unset)}, which has no value" for one in lacking]
        raise ConfigError("\n".join(lines), hint=_SET_IT)


def _section_key(config: StorageConfig, store: StoreName) -> str:
    if store == "analysis_archive" and config.analysis_archive is not None:
        return "analysis_archive"
    return "object_store" if config.section.get("object_store") else "archive"


def _at(data: object, path: KeyPath) -> object:
    for key in path:
        data = data.get(key) if isinstance(data, dict) else None
    return data


def _texts(value: object, path: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    match value:
        case str():
            yield path, value
        case dict():
            for key, item in value.items():
                yield from _texts(item, (*path, key))
        case list():
            for index, item in enumerate(value):
                yield from _texts(item, (*path, str(index)))
