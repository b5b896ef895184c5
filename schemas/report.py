"""The report: what a command did, as an outside checker would find it. JSON; see docs/report-format.md."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from schemas.config import StoreName
from schemas.model import Model

REPORT_VERSION = "1.0"

Stage = Literal["copy", "verify", "switch", "clean"]
State = Literal["not started", "copying", "verified", "switched", "cleaned", "undone"]


class Ledger(Model):
    """Where every document of one bucket went.

    ``found`` + ``appeared`` = ``copied`` + ``already_there`` + all ``failed`` + ``vanished`` + ``accepted`` + ``left``;
    what does not fit is ``unaccounted`` and an error of its own.
    """

    bucket: str
    found: int
    """In the move when the command began."""
    appeared: int
    """Written by Anchore since then."""
    copied: int
    already_there: int
    """At the destination, or copied by an earlier run."""
    failed: dict[str, int]
    """By reason."""
    vanished: int
    """Deleted by Anchore since then."""
    accepted: int
    """Left as they are, by an accepted finding."""
    left: int
    """For the next run: changing while they were read, or not reached before a stop."""
    unaccounted: int


class Failed(Model):
    """One document that could not be handled."""

    bucket: str
    document: str
    """``bucket/account/key``."""
    reason: str
    detail: str


class StageReport(Model):
    stage: Stage
    documents: int
    bytes: int
    seconds: float
    """Wall time, rounded to milliseconds."""


class Vacuum(Model):
    """Space that deleted rows still take in a table of the database."""

    table: str
    bytes: int
    """Of the payloads deleted, before PostgreSQL compresses them."""
    run: str
    """What gives it back to the disk. It locks the table; plain ``VACUUM`` lets PostgreSQL use the space again."""


class MoveReport(Model):
    store: StoreName
    shared: bool
    from_: str = Field(alias="from")
    to: str
    round: int | None
    """Sequence number in the journal; null when none was opened."""
    state: State
    stages: tuple[StageReport, ...]
    buckets: tuple[Ledger, ...]
    failures: tuple[Failed, ...]
    """The first hundred; ``failures_not_listed`` counts the others."""
    failures_not_listed: int
    kept_sources: dict[str, int]
    """Source payloads that clean left in place, by reason."""
    vacuum: Vacuum | None = None
    """What clean leaves to be done in a table that it did not empty; null when there is nothing."""


class Report(Model):
    format_version: str
    command: str
    plan_digest: str
    started: str
    """UTC, ISO 8601."""
    ended: str
    exit_code: int
    outcome: str
    """One sentence."""
    hint: str
    moves: tuple[MoveReport, ...]

    def document(self) -> dict[str, Any]:
        """The report as its JSON file holds it."""
        return self.model_dump(mode="json", by_alias=True)
