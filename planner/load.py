"""A config file, read: references resolved, every mistake found, both stores completed with Anchore's defaults."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import assert_never

from planner import meaning
from planner.helm import FROM, JOB, TO, holds_job, is_values, job_view, sharing, values_view
from planner.mistakes import KeyPath, Mistake, config_error
from planner.references import ENV_FILE, REFERENCE, fill, left_over, malformed, read_variables
from planner.settings import oddities
from planner.text_file import read_text
from planner.tree import at, texts
from planner.validate import schema_mistakes
from planner.view import CATALOG, DATABASE, STORAGE_KEYS, ConfigView, Readings, config_view
from planner.yaml_file import YamlFile, parse
from schemas.config import DatabaseConfig, Oddity, Reference, StorageConfig, StoreName
from schemas.config_file import DATABASE_PARTS, SECRET_SETTINGS, CatalogSection, ConfigFile
from schemas.errors import ConfigError
from schemas.plan import Plan

_ARGUMENTS = ("timeout", "connect_timeout", "ssl")
"""What of ``db_connect_args`` is asked; the rest is Anchore's own."""
_SET_IT = f"set it in the environment or in the file that {ENV_FILE} names"


def load_config(path: str | Path, *, environment: Mapping[str, str], helm_job: bool = False) -> StorageConfig:
    """Read one config.yaml, or one file of values for Anchore's Helm chart: its shape says which it is.

    ``environment`` gives the values of its ``${ANCHORE_…}``, those of the chart's own variables, and
    ``ANCHORE_ENV_FILE``. ``helm_job`` asks for the destination of the migration job in the values.

    A secret, or a part of the database connection, whose variable has no value is kept as written: ``references``
    says so, and ``require_secrets`` and ``require_database`` raise for whoever needs it.

    Raises ConfigError that lists every mistake of the file, each on a line of its own:
    ``FILE:LINE: dotted.path: what is wrong; what to do``.
    """
    file = _read(path, environment)
    if helm_job and not holds_job(file.written.data):
        what = (
            f"is no values file with {'.'.join(JOB)}, which --helm-job takes the destination from; "
            "name values of Anchore's Helm chart, or leave --helm-job out"
        )
        raise config_error(file.name, [Mistake(line=1, path=(), what=what)])
    return _load(file, helm_job=helm_job)


def load_destination(path: str | Path, plan: Plan, *, environment: Mapping[str, str]) -> StorageConfig:
    """Read what a plan moves to: the file that it names, or one that the user names in its place.

    Values that held a migration job may have changed: once Anchore is to run with the new sections, they stand where
    the old ones stood, and the job is there no more or says what is done already. Raises as ``load_config`` does.
    """
    file = _read(path, environment)
    config = _load(file, helm_job=False)
    if plan.destination.form != "helm-job" or not holds_job(file.written.data):
        return config
    in_force = plan.source.fingerprint != config.fingerprint == plan.destination.fingerprint
    return config if in_force else _load(file, helm_job=True)


def require_secrets(config: StorageConfig, stores: Iterable[StoreName]) -> None:
    """Raise ConfigError when a secret that one of ``stores`` needs refers to a variable without a value."""
    keys = {_section_key(config, store) for store in stores}
    # The section's own key is the last one above its driver, whatever the form of the file.
    _require(config, lambda path: path.partition(".storage_driver.")[0].rpartition(".")[2] in keys)


def require_database(config: StorageConfig) -> DatabaseConfig:
    """Return the database connection. Raises ConfigError when the file names none or refers to an unset variable."""
    if config.database is None:
        raise _no_database(config)
    _require(config, lambda path: path.startswith(".".join((*DATABASE, ""))))
    return config.database


def _no_database(config: StorageConfig) -> ConfigError:
    match config.form:
        case "config":
            message, hint = "credentials.database.db_connect is missing", "set it there, or give --db-connect"
        case "helm" | "helm-job":
            message, hint = "values of the Helm chart name no database", "give --db-connect or RESTOW_DB_CONNECT"
        case _:
            assert_never(config.form)
    return ConfigError(f"{config.path}: {message}", hint=hint)


def _read(path: str | Path, environment: Mapping[str, str]) -> Readings:
    file = str(path)
    variables = read_variables(environment)
    text = read_text(file, kind="config file")
    resolved = parse(file, text, fill(file, text, variables))
    written = _as_written(file, text) if REFERENCE.search(text) else resolved
    return Readings(file, resolved, written, variables)


def _load(file: Readings, *, helm_job: bool) -> StorageConfig:
    view = _view(file, helm_job=helm_job)
    mistakes = [*file.resolved.mistakes, *view.mistakes]
    # Of what is no value at all, the schema would only say once more that it is none.
    told = {(mistake.line, mistake.path) for mistake in mistakes}
    mistakes += (one for one in _mistakes(view, file.resolved) if (one.line, one.path) not in told)
    if mistakes:
        raise config_error(file.name, mistakes)
    return _config(file, view)


def _view(file: Readings, *, helm_job: bool) -> ConfigView:
    if helm_job:
        return job_view(file)
    return values_view(file) if is_values(file.written.data) else config_view(file)


def _config(file: Readings, view: ConfigView) -> StorageConfig:
    form = ConfigFile.model_validate(view.resolved)
    catalog = form.services.catalog
    _, working = meaning.working_set(catalog)
    own = meaning.own_archive(catalog)
    store = meaning.store(working)
    archive = None if own is None else meaning.store(own)
    if view.archive_goes_along and archive is not None and archive.backend.identity != store.backend.identity:
        shared = _config(file, sharing(view))
        return shared.model_copy(update={"oddities": (*shared.oddities, _unused_archive(file, view))})
    return StorageConfig(
        path=file.name,
        form=view.form,
        object_store=store,
        analysis_archive=archive,
        database=meaning.database(form.credentials),
        section=dict(view.section),
        rest=view.rest if isinstance(view.rest, dict) else {},
        references=_references(view),
        oddities=oddities(catalog, file.resolved.data, file.resolved.line_of, _heads(catalog, view)),
    )


def _unused_archive(file: Readings, view: ConfigView) -> Oddity:
    head = view.heads["analysis_archive"]
    what = (
        f"is not used: mode {FROM} takes the archive to where object_store is, and it shares that place then; "
        f"name that place here, or set mode: {TO}"
    )
    return Oddity(code="archive-section-unused", path=".".join(head), line=file.resolved.line_of(head), what=what)


def _as_written(file: str, text: str) -> YamlFile:
    """Parse ``text`` with its references left in place."""
    try:
        return parse(file, text, fill(file, text, {}))
    except ConfigError as error:
        # With the values filled in it did parse, so a value brings structure of its own.
        raise ConfigError(
            error.message, hint="a ${ANCHORE_…} there stands for more than one value; write its settings out"
        ) from None


def _roots(data: object) -> tuple[KeyPath, ...]:
    """Return the settings of a config.yaml that are read here, of its database the ones that count."""
    named = ("db_connect",) if at(data, (*DATABASE, "db_connect")) else DATABASE_PARTS
    return (
        *((*CATALOG, key) for key in STORAGE_KEYS),
        *((*DATABASE, key) for key in named),
        *((*DATABASE, "db_connect_args", key) for key in _ARGUMENTS),
    )


def _references(view: ConfigView) -> tuple[Reference, ...]:
    found: dict[KeyPath, str] = {}
    unset: dict[KeyPath, tuple[str, ...]] = {}
    for root in _roots(view.resolved):
        values = dict(texts(at(view.resolved, root), root))
        unset.update((path, left_over(text)) for path, text in values.items())
        found |= values | dict(texts(at(view.written, root), root))
    return tuple(
        Reference(path=".".join(view.in_file(path)), text=text, unset=unset.get(path, ()))
        for path, text in sorted(found.items())
        if left_over(text) or unset.get(path)
    )


def _mistakes(view: ConfigView, resolved: YamlFile) -> Iterator[Mistake]:
    """Yield what is wrong with the view of the file, with the file's own lines and paths."""

    def line_of(path: KeyPath) -> int:
        return resolved.line_of(view.in_file(path))

    for mistake in (*_unset(view.resolved, line_of), *schema_mistakes(view.resolved, line_of)):
        yield replace(mistake, path=view.in_file(mistake.path))


def _unset(data: object, line_of: Callable[[KeyPath], int]) -> Iterator[Mistake]:
    """Yield each reference without value that no later moment can do something about."""
    for root in _roots(data):
        for path, text in texts(at(data, root), root):
            names = left_over(text)
            if malformed(text):
                what = "has a reference that Anchore never replaces; write ${ANCHORE_NAME} and nothing more"
                yield Mistake(line=line_of(path), path=path, what=what)
            elif names and root[:2] != DATABASE and not (path[-2] == "config" and path[-1] in SECRET_SETTINGS):
                what = f"refers to {', '.join(names)}, which has no value; {_SET_IT}"
                yield Mistake(line=line_of(path), path=path, what=what)


def _heads(catalog: CatalogSection, view: ConfigView) -> dict[StoreName, KeyPath]:
    """Return where the file has the section of each store, of the stores that have one."""
    key, _ = meaning.working_set(catalog)
    keys: dict[StoreName, str] = {"object_store": key, "analysis_archive": "analysis_archive"}
    return {store: view.heads[key] for store, key in keys.items() if key in view.heads}


def _require(config: StorageConfig, needed: Callable[[str], bool]) -> None:
    lacking = [one for one in config.references if one.unset and needed(one.path)]
    if lacking:
        lines = [f"{config.path}: {one.path} refers to {', '.join(one.unset)}, which has no value" for one in lacking]
        raise ConfigError("\n".join(lines), hint=_SET_IT)


def _section_key(config: StorageConfig, store: StoreName) -> str:
    if store == "analysis_archive" and config.analysis_archive is not None:
        return "analysis_archive"
    return config.working_key or store
