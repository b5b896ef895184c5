"""Where things stand in each form of a configuration file."""

from __future__ import annotations

from typing import assert_never

from planner.mistakes import KeyPath
from schemas.config import FileForm


def catalog_path(form: FileForm) -> KeyPath:
    """Return where the storage sections stand in a file of this form; those of the migration job are to stand there."""
    match form:
        case "config":
            return ("services", "catalog")
        case "helm" | "helm-job":
            return ("anchoreConfig", "catalog")
        case _:
            assert_never(form)
