"""The part of ``services.catalog`` that must be set after the move, without its secrets. Pure.

An allow-list decides what may be shown: any other scalar becomes its own ``${ANCHORE_…}`` reference where the file had
one, else a placeholder that names the file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from schemas.config import StorageConfig

SHOWN = frozenset(
    {
        "enabled", "verify_content_digests", "min_size_kbytes", "name",
        "url", "region", "bucket", "prefix", "create_bucket", "iamauto",
        "archive_data_dir", "container", "anchore_key_prefix", "create_container", "auth_version", "os_auth_url",
        "archive_driver", "use_db",
    }
)  # fmt: skip
REFERENCE = re.compile(r"\$\{ANCHORE[A-Za-z0-9_]*\}")
USER_PART = re.compile(r"(?<=://)[^/@]*@")


def redacted_section(config: StorageConfig) -> dict[str, Any]:
    """Return the storage sections as the file has them; the defaults, written out, where it has none."""
    placeholder = f"<set in {Path(config.path).name}>"
    if not config.section:
        store = config.object_store
        return {
            "object_store": {
                "compression": store.compression.model_dump(mode="json"),
                "storage_driver": {"name": store.driver.name, "config": {}},
            }
        }
    return {key: _redacted(key, value, placeholder) for key, value in config.section.items()}


def _redacted(key: str, value: object, placeholder: str) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _redacted(str(name), inner, placeholder) for name, inner in value.items()}
    if isinstance(value, str):
        if REFERENCE.fullmatch(value):
            return value
        return USER_PART.sub("", value) if key in SHOWN else placeholder
    if key in SHOWN and (value is None or isinstance(value, bool | int | float)):
        return value
    return placeholder
