"""Values of Anchore's Helm chart, seen as the config.yaml that the chart makes of them. Pure.

The chart copies the storage sections as they are, but for the keys of an S3 driver: where the values name a Kubernetes
secret, config.yaml gets references to variables that the chart fills from it. Its migration job (``osaaMigrationJob``)
runs the vendor's tool from ``anchoreConfig.catalog`` to a second config.yaml, made of the job's own sections.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from planner.mistakes import KeyPath, Mistake
from planner.redaction import EXISTING_SECRET, KEYS, KUBERNETES_SETTINGS, variable_of
from planner.tree import at, has, texts
from planner.validate import kind
from planner.view import CATALOG, ConfigView, Readings, remainder
from schemas.config import ARCHIVE_BUCKET, FileForm

VALUES: KeyPath = ("anchoreConfig",)
VALUES_CATALOG: KeyPath = (*VALUES, "catalog")
JOB: KeyPath = ("osaaMigrationJob",)
WORKING_JOB: KeyPath = (*JOB, "objectStoreMigration")
ARCHIVE_JOB: KeyPath = (*JOB, "analysisArchiveMigration")
NOW = {key: (*VALUES_CATALOG, key) for key in ("object_store", "analysis_archive")}
"""Where the values have the sections that are in force. A section that is not there has Anchore's own defaults."""

TO, FROM = "to_analysis_archive", "from_analysis_archive"
_DRIVER = ("storage_driver", "config")


def is_values(data: object) -> bool:
    """Whether ``data`` has the shape of the chart's values: its own sections, and none of a config.yaml's."""
    return isinstance(data, dict) and "services" not in data and (has(data, VALUES) or has(data, JOB))


def holds_job(data: object) -> bool:
    """Whether ``data`` is values with a migration job, switched on or not."""
    return is_values(data) and has(data, JOB)


def values_view(file: Readings) -> ConfigView:
    """Return the view of what is in force under these values."""
    mistakes = _no_mappings(file, (VALUES, VALUES_CATALOG))
    return _view(file, "helm", NOW, mistakes)


def job_view(file: Readings) -> ConfigView:
    """Return the view of the destination of the migration job.

    ``osaaMigrationJob.enabled`` is not asked: it makes the chart run the job itself, which is what nobody wants who
    has the documents moved by restow, so that it stays false.
    """
    mistakes = [*_no_mappings(file, (VALUES, VALUES_CATALOG, WORKING_JOB, ARCHIVE_JOB)), *_no_switches(file)]
    heads = dict(NOW)
    moved = [job for job in (WORKING_JOB, ARCHIVE_JOB) if at(file.written.data, (*job, "run")) is True]
    if WORKING_JOB in moved:
        heads["object_store"] = (*WORKING_JOB, "object_store")
    if ARCHIVE_JOB in moved:
        heads["analysis_archive"] = (*ARCHIVE_JOB, "analysis_archive")
        mistakes += _archive_mistakes(file)
    if not moved and not mistakes:
        what = "has nothing to migrate; set run: true in objectStoreMigration or in analysisArchiveMigration"
        mistakes.append(file.mistake(JOB, what))
    back = ARCHIVE_JOB in moved and at(file.written.data, (*ARCHIVE_JOB, "mode")) == FROM
    return replace(_view(file, "helm-job", heads, mistakes), archive_goes_along=back)


def sharing(view: ConfigView) -> ConfigView:
    """Return the same view with an archive that shares the working set's place."""

    def shared(data: object) -> object:
        catalog = at(data, CATALOG)
        assert isinstance(catalog, dict)  # noqa: S101 - as _view made it
        return _as_config({**catalog, "analysis_archive": {}})

    return replace(
        view,
        resolved=shared(view.resolved),
        written=shared(view.written),
        # Said outright: were the key left out of the snippet, the section that is in force now would stay.
        section={**view.section, "analysis_archive": {}},
        heads={key: head for key, head in view.heads.items() if key != "analysis_archive"},
    )


def _view(file: Readings, form: FileForm, sections: Mapping[str, KeyPath], mistakes: Iterable[Mistake]) -> ConfigView:
    written, resolved = file.written.data, file.resolved.data
    heads = {key: head for key, head in sections.items() if has(written, head)}
    moved: dict[KeyPath, KeyPath] = {(*CATALOG, key): head for key, head in heads.items()}
    filled: dict[str, object] = {}
    rendered: dict[str, object] = {}
    for key, head in heads.items():
        names = {setting: variable_of(key, setting) for setting in KEYS if _has_secret(at(resolved, head))}
        references = {setting: f"${{{name}}}" for setting, name in names.items()}
        # A variable that is empty gives no key, as one that is not set.
        values = {setting: file.variables.get(name) or references[setting] for setting, name in names.items()}
        filled[key] = _rendered(at(resolved, head), values)
        rendered[key] = _rendered(at(written, head), references)
        moved |= {(*CATALOG, key, *_DRIVER, setting): (*head, *_DRIVER, EXISTING_SECRET) for setting in names}
    return ConfigView(
        form=form,
        resolved=_as_config(filled),
        written=_as_config(rendered),
        section={key: at(written, head) for key, head in heads.items()},
        heads=heads,
        rest=remainder(written, (*NOW.values(), JOB)),
        moved=moved,
        mistakes=(*mistakes, *(mistake for head in heads.values() for mistake in _section_mistakes(file, head))),
    )


def _as_config(catalog: Mapping[str, object]) -> dict[str, object]:
    return {"services": {"catalog": dict(catalog)}}


def _has_secret(section: object) -> bool:
    return at(section, ("storage_driver", "name")) == "s3" and bool(at(section, (*_DRIVER, EXISTING_SECRET)))


def _rendered(section: object, keys: Mapping[str, str]) -> object:
    """Return the section as the chart writes it into config.yaml."""
    match section:
        case {"storage_driver": {"config": dict() as config, **driver}, **others}:
            return {**others, "storage_driver": {**driver, "config": rendered_settings(config, keys)}}
        case _:
            return section


def rendered_settings(settings: Mapping[str, object], keys: Mapping[str, str]) -> dict[str, object]:
    """Return a driver's settings as the chart writes them: ``keys``, where there are any, in place of its secret."""
    rendered: dict[str, object] = {}
    for name, value in settings.items():
        if keys and name in (*KEYS, EXISTING_SECRET):
            rendered |= keys
        elif name not in KUBERNETES_SETTINGS:
            rendered[name] = value
    return rendered


def _section_mistakes(file: Readings, head: KeyPath) -> Iterator[Mistake]:
    path = (*head, *_DRIVER, EXISTING_SECRET)
    secret = at(file.written.data, path)
    if secret and not isinstance(secret, str):
        what = f"must be text, not {kind(secret)}; name the Kubernetes secret that holds the keys"
        yield file.mistake(path, what)
    for where, text in texts(at(file.written.data, head), head):
        if "{{" in text:
            yield file.mistake(where, "holds a template, which the chart does not fill in here; write its value")


def _no_mappings(file: Readings, paths: Iterable[KeyPath]) -> Iterator[Mistake]:
    for path in paths:
        if has(file.written.data, path) and not isinstance(found := at(file.written.data, path), dict):
            what = f"must be a mapping, not {kind(found)}; leave the key out to have the chart's defaults"
            yield file.mistake(path, what)


def _no_switches(file: Readings) -> Iterator[Mistake]:
    for job in (WORKING_JOB, ARCHIVE_JOB):
        path = (*job, "run")
        if has(file.written.data, path) and not isinstance(found := at(file.written.data, path), bool):
            yield file.mistake(path, f"must be true or false, not {kind(found)}; set it without quotes")


def _archive_mistakes(file: Readings) -> Iterator[Mistake]:
    data = file.written.data
    bucket, mode = (*ARCHIVE_JOB, "bucket"), (*ARCHIVE_JOB, "mode")
    if has(data, bucket) and at(data, bucket) != ARCHIVE_BUCKET:
        yield file.mistake(bucket, f"is not {ARCHIVE_BUCKET}, the only bucket of the archive; leave the key out")
    if has(data, mode) and at(data, mode) not in (TO, FROM):
        yield file.mistake(mode, f"is neither {TO} nor {FROM}; name one of them")
    archive = at(data, NOW["analysis_archive"])
    if at(data, mode) == FROM and not (isinstance(archive, dict) and archive.keys() - {"enabled"}):
        what = (
            f"is {FROM}, but {'.'.join(NOW['analysis_archive'])} names no storage of its own to come from; "
            f"name it there, or set mode: {TO}"
        )
        yield file.mistake(mode, what)
