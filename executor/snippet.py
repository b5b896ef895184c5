"""The section that must stand in Anchore's config after the switch, as YAML with what the operator must still do."""

from __future__ import annotations

from typing import Any

import yaml

HEAD = """\
# Set this under services.catalog, in place of the storage sections there (object_store, archive, analysis_archive),
# in EVERY config.yaml that has a services.catalog section, then start Anchore again.
"""


HELM_HEAD = """\
# Set this in the values of the Helm chart, in place of anchoreConfig.catalog's storage sections, then upgrade.
"""


def helm_text(section: dict[str, Any]) -> str:
    """Return the same as values of the Helm chart."""
    return HELM_HEAD + _yaml({"anchoreConfig": {"catalog": section}})


def snippet_text(section: dict[str, Any]) -> str:
    """Return YAML that can be put into a config.yaml as it is, once its placeholders are filled in."""
    return HEAD + _yaml({"services": {"catalog": section}})


def _yaml(content: dict[str, Any]) -> str:
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True, default_flow_style=False)
