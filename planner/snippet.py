"""The storage settings of the catalog that must be set after the move, and what is left to do by hand. Pure.

Of the sections as written, what Anchore does not look at is left out. Sections of a config.yaml can be given as values
of the Helm chart, and the other way round.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from planner.helm import rendered_settings
from planner.redaction import (
    EXISTING_SECRET,
    KEYS,
    KUBERNETES_SETTINGS,
    Replaced,
    names_in,
    only_references,
    redact,
    variable_of,
)
from planner.view import LEGACY_KEYS
from schemas.config import StorageConfig
from schemas.config_file import CatalogSection

SnippetForm = Literal["config", "helm"]
"""Part of a config.yaml, or of values of the Helm chart."""

KUBERNETES_SECRET = "<name of a Kubernetes secret with access_key and secret_key>"  # noqa: S105 - the name of none
"""Takes the place of two keys in values. The chart would put a reference there into its secret as plain text."""


Sections = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ToSet:
    """Something that needs a value."""

    name: str
    """Of a variable, or the dotted path of a setting below ``catalog_path``."""
    value: str
    """Where the value is found, in words; never the value itself."""


@dataclass(frozen=True, slots=True)
class Snippet:
    """The storage sections in one form, and what is left to do with them."""

    form: SnippetForm
    section: Sections = field(repr=False)
    """What must stand under ``catalog_path(form)``, keys in the order of the file."""
    variables: tuple[ToSet, ...]
    """Each stands where the file has a secret, or its values name one of Kubernetes."""
    references: tuple[str, ...]
    """Variables that the file itself refers to."""
    to_fill: tuple[ToSet, ...]
    """Settings that hold a placeholder."""
    to_remove: tuple[str, ...]
    """Keys that Anchore knows beside those of ``section``: left behind, they may name the old place."""


def own_form(config: StorageConfig) -> SnippetForm:
    """Return the form of the config's own file."""
    return "config" if config.form == "config" else "helm"


def redacted_section(config: StorageConfig) -> Sections:
    """Return the storage sections without secrets, in the form of the config's own file."""
    return redacted_snippet(config, own_form(config)).section


def redacted_snippet(config: StorageConfig, form: SnippetForm) -> Snippet:
    """Return what may be shown to anybody, with the default written out where the file has no working set."""
    file = Path(config.path).name
    sections = _sections(config)
    rendered = tuple(_rendered_variables(sections)) if (own_form(config), form) == ("helm", "config") else ()
    taken = names_in([config.section, config.rest])
    shown, replaced = redact(_in_form(sections, config, form), file, taken)
    variables = (*rendered, *(ToSet(one.variable, _where(one, file)) for one in replaced if one.variable is not None))
    to_fill = [ToSet(".".join(one.path), f"as in {file}") for one in replaced if one.variable is None]
    to_fill += [ToSet(path, f"made of the two keys in {file}") for path in _unnamed_secrets(shown)]
    known = {one.name for one in variables}
    references = tuple(name for name in names_in(shown) if name not in known)
    return Snippet(form, shown, variables, references, tuple(to_fill), _to_remove(form, shown))


def complete_snippet(config: StorageConfig) -> Snippet:
    """Return the same as written, in the form of the config's own file, with the secrets that the file holds."""
    form, section = own_form(config), _sections(config)
    return Snippet(form, section, (), names_in(section), (), _to_remove(form, section))


def _sections(config: StorageConfig) -> Sections:
    """Return those of the sections as written that Anchore looks at."""
    written = config.section
    working: tuple[str, ...] = ()
    if config.working_key is not None:
        working = (config.working_key,)
    elif written.get("archive_driver") is not None:
        working = LEGACY_KEYS
    kept = {key: value for key, value in written.items() if key in (*working, "analysis_archive")}
    return kept if working else {"object_store": _working_set(config, {}), **kept}


def _working_set(config: StorageConfig, settings: Mapping[str, object]) -> Sections:
    """Write the working set out as a section."""
    store = config.object_store
    return {
        "compression": store.compression.model_dump(mode="json"),
        "storage_driver": {"name": store.driver.name, "config": dict(settings)},
    }


def _in_form(sections: Sections, config: StorageConfig, form: SnippetForm) -> Sections:
    match own_form(config), form:
        case "config", "config":
            return sections
        case "helm", "config":
            return {key: _configured(section, _rendered(key)) for key, section in sections.items()}
        case "helm", "helm":
            return {key: _configured(section, _without_literal_keys) for key, section in sections.items()}
        case _:
            modern = _modern(sections, config)
            return {key: _configured(section, _without_keys) for key, section in modern.items()}


def _modern(sections: Sections, config: StorageConfig) -> Sections:
    """Return the working set under the only key that the chart knows."""
    if "archive_driver" not in sections:
        return {"object_store" if key == "archive" else key: section for key, section in sections.items()}
    localfs = config.object_store.driver.name == "localfs"
    settings = {"archive_data_dir": sections["archive_data_dir"]} if localfs else {}
    rest = {key: section for key, section in sections.items() if key not in LEGACY_KEYS}
    return {"object_store": _working_set(config, settings), **rest}


def _configured(section: Any, change: Callable[[Mapping[str, Any]], Sections]) -> Any:
    """Return a store's section with the settings of its driver changed."""
    match section:
        case {"storage_driver": {"config": Mapping() as settings} as driver}:
            return {**section, "storage_driver": {**driver, "config": change(settings)}}
        case _:
            return section


def _rendered(key: str) -> Callable[[Mapping[str, Any]], Sections]:
    """Return the change that the chart makes: references in place of a Kubernetes secret."""
    references = {name: f"${{{variable_of(key, name)}}}" for name in KEYS}
    return lambda settings: rendered_settings(settings, references if settings.get(EXISTING_SECRET) else {})


def _rendered_variables(sections: Sections) -> Iterator[ToSet]:
    for key, section in sections.items():
        match section:
            case {"storage_driver": {"config": {"existingCredentialSecret": str() as secret} as settings}} if secret:
                for name, setting in zip(KEYS, KUBERNETES_SETTINGS[1:], strict=True):
                    given = settings.get(setting)
                    held = given if isinstance(given, str) and given else name
                    yield ToSet(variable_of(key, name), f"{held} of the Kubernetes secret {secret}")


def _without_literal_keys(settings: Mapping[str, Any]) -> Sections:
    own = all(only_references(settings.get(name)) for name in KEYS) and not settings.get(EXISTING_SECRET)
    return dict(settings) if own else _without_keys(settings)


def _without_keys(settings: Mapping[str, Any]) -> Sections:
    """Return settings that name a Kubernetes secret in place of the two keys."""
    if not settings.get(EXISTING_SECRET) and not all(settings.get(name) for name in KEYS):
        return dict(settings)
    secret = settings.get(EXISTING_SECRET) or KUBERNETES_SECRET
    changed: Sections = {}
    for name, value in settings.items():
        if name in (*KEYS, EXISTING_SECRET):
            changed[EXISTING_SECRET] = secret
        else:
            changed[name] = value
    return changed


def _unnamed_secrets(shown: Sections) -> Iterator[str]:
    for key, section in shown.items():
        match section:
            case {"storage_driver": {"config": Mapping() as settings}} if (
                settings.get(EXISTING_SECRET) == KUBERNETES_SECRET
            ):
                yield f"{key}.storage_driver.config.{EXISTING_SECRET}"


def _to_remove(form: SnippetForm, section: Sections) -> tuple[str, ...]:
    known = CatalogSection.model_fields if form == "config" else ("object_store", "analysis_archive")
    return tuple(key for key in known if key not in section)


def _where(one: Replaced, file: str) -> str:
    return f"{'.'.join(one.path)} of {file}"
