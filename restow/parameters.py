"""The arguments and options that the commands share, each said once."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class PlanFormat(StrEnum):
    JSON = "json"
    TEXT = "text"
    MARKDOWN = "markdown"


class Through(StrEnum):
    COPY = "copy"
    VERIFY = "verify"
    SWITCH = "switch"
    CLEAN = "clean"


class Verify(StrEnum):
    DIGEST = "digest"
    FULL = "full"


class SnippetFormat(StrEnum):
    CONFIG = "config"
    HELM = "helm"


class Store(StrEnum):
    OBJECT_STORE = "object_store"
    ANALYSIS_ARCHIVE = "analysis_archive"


class SchemaName(StrEnum):
    PLAN = "plan"
    REPORT = "report"
    CONFIG = "config"


ConfigArgument = Annotated[
    Path, typer.Argument(metavar="CONFIG", help="A config.yaml of Anchore's, or values of its Helm chart.")
]
PlanArgument = Annotated[Path, typer.Argument(metavar="PLAN", help="The plan file.")]
SourceOption = Annotated[
    Path | None, typer.Option("--source", metavar="FILE", help="Source config, if not where the plan says.")
]
DestinationOption = Annotated[
    Path | None, typer.Option("--dest", metavar="FILE", help="Destination config, if not where the plan says.")
]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Pass the gates, show what would be done, write nothing.")
]
JOBS = 32
"""Measured, see docs/performance.md. Next door more than 8 make no difference; 30 ms away 32 are twice as fast as 8,
and 64 hardly faster, on a server that others may need."""
JobsOption = Annotated[int, typer.Option(metavar="N", min=1, max=256, help="Documents in flight at once.")]
ReportOption = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Where the report goes; beside the plan by default.")
]
