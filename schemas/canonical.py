"""JSON in one form only, and digests over it.

Canonical text (what digests are taken of): UTF-8, keys sorted by code point, no spaces, no escapes but JSON's own.
File text: the same with a two-space indent and a newline at the end.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any


def canonical_text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)


def file_text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, indent=2, allow_nan=False) + "\n"


def digest(value: Any) -> str:
    """Return ``sha256:<hex>`` of the canonical text of ``value``."""
    return "sha256:" + hashlib.sha256(canonical_text(value).encode()).hexdigest()
