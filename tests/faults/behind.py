"""A migration that reaches its S3 through a proxy, while the tests look at both sides past it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import stores.s3_clients
from tests.anchore.config import S3, Config, Db, Section, url_for
from tests.anchore.deployment import Deployment
from tests.anchore.documents import Document
from tests.cli import Cli, Result
from tests.end_to_end.migration import DESTINATION, SOURCE, Migration, begin, few
from tests.faults.s3_proxy import S3Proxy
from tests.nursery import Rig

RETRIES = 2


def impatient(retries: int = RETRIES, silence_seconds: float = 60) -> None:
    """Let a run give up soon: in its own process, before it begins."""
    stores.s3_clients.RETRIES = retries
    stores.s3_clients.LOOK_RETRIES = 1
    stores.s3_clients.BACKOFF_SECONDS = (0.01, 0.02)
    stores.s3_clients.READ_SECONDS = silence_seconds  # type: ignore[assignment]


IMPATIENT = Rig("tests.faults.behind:impatient", {})
HURRIED = Rig("tests.faults.behind:impatient", {"retries": 1, "silence_seconds": 1.5})
"""For servers that are silent. Any other must answer within these seconds, or within them again."""


@dataclass(frozen=True)
class Behind:
    migration: Migration
    proxy: S3Proxy
    place: S3
    """Where the documents are, or go; its ``url`` is the server's own."""

    @property
    def documents(self) -> tuple[Document, ...]:
        return tuple(self.migration.expected.documents.values())

    def key(self, document: Document) -> str:
        """Return the path of its object in a request."""
        return url_for(self.place, document).removeprefix("s3://")

    def run(self, *words: str, rig: Rig = IMPATIENT) -> Result:
        """Run a command; ``apply``, ``undo`` and ``clean`` are of the plan, and confirmed."""
        if words[0] in {"apply", "undo", "clean"}:
            words = (words[0], "plan.json", "--yes", *words[1:])
        return self.migration.cli.run(*words, rig=rig)

    def reports(self) -> list[dict[str, Any]]:
        """Return the last report's records of the moves."""
        path = self.migration.deployment.root / "plan.report.json"
        return list(json.loads(path.read_text(encoding="utf-8"))["moves"])

    def report(self) -> dict[str, Any]:
        """Return the last report's record of the only move."""
        (move,) = self.reports()
        return move

    def failed(self) -> dict[str, str]:
        """Return the reason of each document that failed, by its key, and see that the ledger agrees."""
        move = self.report()
        failed = {one["document"]: one["reason"] for one in move["failures"]}
        counts = [ledger for ledger in move["buckets"] if ledger["unaccounted"]]
        assert not counts, "the ledger does not add up"
        assert sum(sum(ledger["failed"].values()) for ledger in move["buckets"]) == len(failed)
        return failed

    def copied(self) -> int:
        return sum(ledger["copied"] for ledger in self.report()["buckets"])


def to_s3(deployment: Deployment, cli: Cli, proxy: S3Proxy, documents: Iterable[Document] | None = None) -> Behind:
    """Plan the move of a few documents from the database to the S3 behind the proxy."""
    place = deployment.s3(prefix="internaltest")
    destination = Config(Section(place, compress_above_kbytes=1))
    return planned(deployment, cli, proxy, place, Config(Section(Db())), destination, documents)


def from_s3(deployment: Deployment, cli: Cli, proxy: S3Proxy, documents: Iterable[Document] | None = None) -> Behind:
    """Plan the move of a few documents from the S3 behind the proxy to the database."""
    place = deployment.s3(prefix="internaltest")
    return planned(deployment, cli, proxy, place, Config(Section(place)), Config(Section(Db())), documents)


def planned(
    deployment: Deployment,
    cli: Cli,
    proxy: S3Proxy,
    place: S3,
    source: Config,
    destination: Config,
    documents: Iterable[Document] | None = None,
) -> Behind:
    """Plan a move of a few documents, from or to ``place``."""
    migration = begin(deployment, cli, source, destination, documents=few() if documents is None else documents)
    deployment.write_config(SOURCE, _through(proxy, source))
    deployment.write_config(DESTINATION, _through(proxy, destination))
    migration.plan()
    return Behind(migration, proxy, place)


def _through(proxy: S3Proxy, config: Config) -> Config:
    archive = config.analysis_archive
    return Config(_section(proxy, config.object_store), None if archive is None else _section(proxy, archive))


def _section(proxy: S3Proxy, section: Section) -> Section:
    if not isinstance(section.place, S3):
        return section
    return replace(section, place=replace(section.place, url=proxy.url))


def name(document: Document) -> str:
    """Return how messages and reports call it."""
    return f"{document.bucket}/{document.user_id}/{document.archive_id}"
