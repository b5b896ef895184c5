"""The settings that must be in force after the switch: YAML to be pasted, with comments for what is left to do.

No comment holds a ``${ANCHORE_…}``: Anchore would fill it in, and a value of several lines would end the comment.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, assert_never

import yaml

from planner.file_forms import catalog_path
from planner.snippet import Snippet, ToSet
from schemas.config_file import SECRET_SETTINGS

_CONFIG_HEAD = """\
# Set this under services.catalog, in place of the storage settings there, in EVERY config.yaml that has a
# services.catalog section, before any Anchore service starts.
"""
_HELM_HEAD = """\
# Set this in the values of the Helm chart, in place of the storage sections under anchoreConfig.catalog, then upgrade.
# Edit the values themselves: Helm would merge a second values file into them, and settings of the old place would stay.
# Keep osaaMigrationJob.enabled false: restow does what that job does.
"""


def snippet_text(snippet: Snippet) -> str:
    """Return YAML that can stand in its file as it is, once its comments are seen to."""
    content: dict[str, Any] = snippet.section
    for key in reversed(catalog_path(snippet.form)):
        content = {key: content}
    dumped = yaml.dump(_quote(content), Dumper=_Dumper, sort_keys=False, default_flow_style=False, width=1 << 20)
    return "".join(_comments(snippet)) + dumped


def private_text(snippet: Snippet) -> str:
    """Return the same with a warning in front, for a section as written."""
    return "# This file may hold secrets.\n" + snippet_text(snippet)


def _comments(snippet: Snippet) -> Iterator[str]:
    match snippet.form:
        case "config":
            yield _CONFIG_HEAD
            where = "for the services, in their environment or in the file that ANCHORE_ENV_FILE names"
        case "helm":
            yield _HELM_HEAD
            where = "with the chart's extraEnv"
        case _:
            assert_never(snippet.form)
    if snippet.to_remove:
        yield f"# Remove there what may still name the old place: {', '.join(snippet.to_remove)}.\n"
    yield from _list(f"Set these variables {where}:", snippet.variables)
    if snippet.references:
        other = "other " if snippet.variables else ""
        yield f"# It refers to {other}variables that must be set as well: {', '.join(snippet.references)}.\n"
    yield from _list("Fill in these settings:", snippet.to_fill)


def _list(head: str, entries: tuple[ToSet, ...]) -> Iterator[str]:
    if entries:
        yield f"# {head}\n"
    for one in entries:
        # Names of files and settings may hold anything, a line break too.
        entry = f"{one.name}: {one.value}".replace("${", "{")
        yield f"#   {entry if entry.isprintable() else entry.encode('unicode_escape').decode()}\n"


class _Quoted(str):
    """A secret, or the reference to one: in quotes, so that its value stays text whatever it looks like."""

    __slots__ = ()


def _quote(value: Any, key: str = "") -> Any:
    match value:
        case dict():
            return {name: _quote(inner, name) for name, inner in value.items()}
        case list():
            return [_quote(inner) for inner in value]
        case str() if key in SECRET_SETTINGS:
            return _Quoted(value)
        case _:
            return value


class _Dumper(yaml.SafeDumper):
    yaml_representers = {  # noqa: RUF012 - what PyYAML looks for
        **yaml.SafeDumper.yaml_representers,
        _Quoted: lambda dumper, value: dumper.represent_scalar("tag:yaml.org,2002:str", str(value), style="'"),
    }
