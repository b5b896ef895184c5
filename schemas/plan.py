"""The plan: the reviewed statement of all moves. JSON, free of secrets, deterministic. See docs/plan-format.md."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from schemas.backend import Backend, DriverName, Location
from schemas.canonical import digest
from schemas.config import Compression, FileForm, StoreName
from schemas.model import Model

FORMAT_VERSION = "1.0"

Severity = Literal["error", "warning", "info"]
Transfer = Literal["stream", "server_side_copy", "in_database"]


ONLY_THE_SWITCH = frozenset({"store-would-be-split"})
"""Codes of error findings that do not keep ``apply --through copy`` from copying ahead."""


class PlannedStore(Model):
    """One store on one side of the plan."""

    driver: DriverName
    location: Location
    compression: Compression
    shared: bool
    """True on both stores when the archive has no backend of its own."""

    @property
    def backend(self) -> Backend:
        return Backend(location=self.location)


class Side(Model):
    """The source or the destination."""

    config: str
    """Path of the config file, relative to the plan file."""
    form: FileForm
    """What kind of file it is, and so how apply reads it again."""
    fingerprint: str
    object_store: PlannedStore
    analysis_archive: PlannedStore

    def store(self, name: StoreName) -> PlannedStore:
        return self.object_store if name == "object_store" else self.analysis_archive


class DatabaseName(Model):
    host: str
    port: int
    name: str


class Counts(Model):
    """Rows of ``archive_metadata``.

    ``documents`` = ``to_copy`` + ``at_destination`` + ``elsewhere`` + ``unreachable`` + ``accepted``.
    """

    documents: int = Field(ge=0)
    bytes: int = Field(ge=0)
    """Sum of the stored sizes, as far as the rows know them."""
    to_copy: int = Field(ge=0)
    """At the source."""
    at_destination: int = Field(ge=0)
    elsewhere: int = Field(ge=0)
    """In a third place that both configs can read: stays where it is."""
    unreachable: int = Field(ge=0)
    """Where neither config can read."""
    accepted: int = Field(ge=0)
    """Taken on by ``--ignore``: these rows stay exactly as they are."""
    unverifiable: int = Field(ge=0)
    """Rows to copy that have no digest to check the payload against."""


class BucketCounts(Counts):
    bucket: str


class Move(Model):
    """One store going from one backend to another."""

    store: StoreName
    shared: bool
    """True: the archive shares the working set's backend on both sides, so its bucket moves along."""
    from_: str = Field(alias="from")
    to: str
    transfer: Transfer
    delete_source: bool
    only_buckets: tuple[str, ...]
    """Empty: all buckets of the move. Else what ``--bucket`` named."""
    buckets: tuple[BucketCounts, ...]
    totals: Counts | None
    """Null in an offline plan, which counts nothing."""
    required_flags: tuple[str, ...]
    equivalent_command: str

    @property
    def stores(self) -> tuple[StoreName, ...]:
        return ("object_store", "analysis_archive") if self.shared else (self.store,)


class ConfigChange(Model):
    """One setting that differs. A secret has ``changed`` and neither value."""

    path: str
    before: Any = None
    after: Any = None
    changed: bool | None = None


class Finding(Model):
    code: str
    severity: Severity
    message: str
    count: int = Field(ge=0)
    examples: tuple[str, ...]


class Accepted(Model):
    """An error finding that was taken on with ``--ignore``: its documents stay as they are. Void when it grows."""

    code: str
    count: int
    digest: str
    """SHA-256 over the canonical JSON of the documents' names, sorted: a list of four texts each."""


class Envelope(Model):
    """How far the totals of a move may drift, up or down, before the plan is stale: the larger of percent and floor."""

    documents_percent: int = 25
    documents_floor: int = 1000
    bytes_percent: int = 50
    bytes_floor: int = 1 << 30


class Plan(Model):
    format_version: str
    plan_digest: str
    source: Side
    destination: Side
    database: DatabaseName | None
    """As the source config names it, never a ``--db-connect`` override."""
    offline: bool
    """True: made from the configs alone, nothing was counted; apply refuses it."""
    moves: tuple[Move, ...]
    config_changes: tuple[ConfigChange, ...]
    findings: tuple[Finding, ...]
    accepted: tuple[Accepted, ...]
    envelope: Envelope
    snippet: dict[str, Any]
    """What must stand under ``services.catalog`` or ``anchoreConfig.catalog``; no secret in it."""
    totals: Counts | None

    def document(self) -> dict[str, Any]:
        """The plan as its JSON file holds it."""
        return self.model_dump(mode="json", by_alias=True)

    def computed_digest(self) -> str:
        """Digest of all but ``plan_digest``: what that field must say."""
        content = self.document()
        del content["plan_digest"]
        return digest(content)
