"""One deployment between two configurations, and the commands of a move as a user types them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tests.anchore import corpus
from tests.anchore.audit import Expected
from tests.anchore.config import S3, Config
from tests.anchore.deployment import Deployment
from tests.anchore.documents import BOTH, Document, Store
from tests.anchore.snapshot import differences
from tests.cli import Cli, Result

SOURCE = "config.yaml"
DESTINATION = "dest-config.yaml"
PLAN = "plan.json"


@dataclass(frozen=True)
class Migration:
    deployment: Deployment
    cli: Cli
    source: Config
    destination: Config
    stores: Sequence[Store]
    """The stores that move."""
    expected: Expected
    """The deployment as Anchore left it under ``source``."""

    @property
    def sources(self) -> set[str]:
        """Where the documents' payloads stand under ``source``."""
        return {row["content_url"] for row in self.expected.before.rows.values()}

    @property
    def bundle(self) -> Document:
        """One archived bundle: what is damaged where one document must be."""
        return next(document for document in self.expected.documents.values() if document.store == "analysis_archive")

    def plan(self, *flags: str, file: str = PLAN) -> Path:
        return self._plan(SOURCE, DESTINATION, file, flags)

    def plan_back(self, *flags: str, file: str = "back.json") -> Path:
        return self._plan(DESTINATION, SOURCE, file, flags)

    def apply(self, plan: str | Path = PLAN, *flags: str, code: int = 0) -> Result:
        """Apply with ``--yes``."""
        return self.cli.run("apply", plan, "--yes", *flags).must_end(code)

    def assert_at_source(self, *, leftovers: Sequence[Config] = ()) -> None:
        faults = self.deployment.faults(self.source, self.expected, stores=self.stores, leftovers=leftovers)
        assert not faults, "\n".join(faults)

    def assert_at_destination(self, *, leftovers: Sequence[Config] = ()) -> None:
        faults = self.deployment.faults(self.destination, self.expected, stores=self.stores, leftovers=leftovers)
        assert not faults, "\n".join(faults)

    def assert_not_switched(self) -> None:
        """Every row and every payload is as Anchore left it; whole copies may stand at the destination."""
        faults = self.deployment.faults(self.source, self.expected, stores=(), leftovers=(self.destination,))
        assert not faults, "\n".join(faults)

    def assert_whole_under_way(self) -> None:
        """One configuration reads everything, the other does not, and nothing that is stored is a lie."""
        old, new = (
            self.deployment.reader(config).reads_all(self.expected.documents)
            for config in (self.source, self.destination)
        )
        assert old != new, f"old config reads all: {old}, new config reads all: {new}"
        configs = (self.source, self.destination)
        faults = self.deployment.faults_under_way(self.expected, stores=self.stores, configs=configs)
        assert not faults, "\n".join(faults)

    def after_writes(self, documents: Iterable[Document]) -> Migration:
        """Return the same migration with what Anchore has written since as what must be preserved.

        Copies that were made ahead are no foreign things: in the end each must be in use or gone.
        """
        expected = self.deployment.expect(documents)
        known = self.expected.before.payloads.keys() | {row["content_url"] for row in expected.before.rows.values()}
        payloads = {url: payload for url, payload in expected.before.payloads.items() if url in known}
        return replace(self, expected=replace(expected, before=replace(expected.before, payloads=payloads)))

    @contextmanager
    def writes_nothing(self) -> Iterator[None]:
        """Fail unless rows, payloads, journal and buckets are after the block what they were before it."""
        before = self.deployment.snapshot()
        yield
        written = differences(before, self.deployment.snapshot())
        assert not written, "\n".join(written)

    def _plan(self, source: str, destination: str, file: str, flags: Sequence[str]) -> Path:
        self.cli.run("plan", source, destination, "-o", file, *flags).must_end(0)
        return self.deployment.root / file


def begin(
    deployment: Deployment,
    cli: Cli,
    source: Config,
    destination: Config,
    *,
    stores: Sequence[Store] = BOTH,
    documents: Iterable[Document],
) -> Migration:
    """Fill the deployment under ``source``, put foreign things beside it, and write both config files."""
    filled = tuple(documents)
    deployment.fill(source, filled)
    deployment.add_foreign_rows()
    for place in {section.place for config in (source, destination) for section in _sections(config)}:
        if isinstance(place, S3):
            add_foreign_objects(deployment, place)
    deployment.write_config(SOURCE, source)
    deployment.write_config(DESTINATION, destination)
    return Migration(deployment, cli, source, destination, stores, deployment.expect(filled))


def add_foreign_objects(deployment: Deployment, place: S3) -> None:
    """Put objects of others beside, under, and right where Anchore's own would be."""
    short = place.bucket.removeprefix(f"{deployment.name}-")
    names = ("README.txt", "backups/2024.tar", f"{place.prefix}admin/policy_bundles/of nobody")
    deployment.add_foreign_objects(short, *names)


def plan_of(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def few(count: int = 12) -> tuple[Document, ...]:
    """Return a handful of small documents of both stores, for tests whose subject is not the documents."""
    return (*corpus.ordinary(seed=5, count=count, largest=4000), *corpus.archived(seed=5, count=3, largest=2000))


def _sections(config: Config) -> list[Any]:
    return [config.section(store) for store in BOTH]
