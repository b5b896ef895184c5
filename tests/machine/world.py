"""One deployment for one example of the machine: its places on two S3 servers, in files and in tables."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import sqlalchemy as sa

from restow.demo.servers import S3Server
from tests.anchore import snapshot
from tests.anchore.config import S3, Config, Place, Section, url_for
from tests.anchore.deployment import Deployment
from tests.anchore.documents import Document, Name
from tests.anchore.reader import Unreadable
from tests.anchore.snapshot import Snapshot
from tests.anchore.writer import Writer
from tests.cli import Cli, Result
from tests.crash.effects import KILLED, Side
from tests.nursery import Rig

OTHER = "other server: "
"""Before the URLs of what the second server holds: there they may be the same as on the first."""
PATIENCE = 60.0

Die = tuple[int, Side]


@dataclass(frozen=True)
class World:
    deployment: Deployment
    cli: Cli
    other: S3Server
    places: tuple[Place, ...]
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def look(self) -> Snapshot:
        """Return everything that is there now, on both servers."""
        now = self.deployment.snapshot()
        client = self._other_client()
        for bucket in self.deployment._buckets:
            found = snapshot._objects(client, bucket)
            now = replace(now, payloads={**now.payloads, **{OTHER + url: payload for url, payload in found.items()}})
        return now

    @property
    def colliding(self) -> Place:
        """The one whose prefix begins like an account's name, so that URLs of two documents can be the same."""
        return next(place for place in self.places if isinstance(place, S3) and place.prefix == "team-")

    def row(self, document: Document) -> Mapping[str, Any] | None:
        """Return a document's row in ``archive_metadata``."""
        question = """
            SELECT * FROM archive_metadata
            WHERE bucket = :bucket AND "archiveId" = :archive_id AND "userId" = :user_id
              AND "documentName" = :document_name
        """
        with self.deployment.engine.connect() as connection:
            row = connection.execute(sa.text(question), document.name._asdict()).mappings().first()
        return None if row is None else dict(row)

    def address(self, place: Place, url: str) -> str:
        """Return under which key of ``Snapshot.payloads`` the URL stands when it is read from ``place``."""
        elsewhere = isinstance(place, S3) and place.url == self.other.url
        return OTHER + url if elsewhere else url

    def address_of(self, place: Place, document: Document) -> str:
        return self.address(place, url_for(place, document))

    def read(self, config: Config, names: Iterator[Name]) -> Mapping[Name, bytes | Unreadable]:
        return self.deployment.reader(config).read_all(names)

    def anchore(self, config: Config) -> Writer:
        return self.deployment.anchore(config)

    def at(self, place: Place) -> Writer:
        """Anchore with everything in that place, uncompressed: to put payloads there."""
        return self.deployment.anchore(Config(Section(place)))

    def run(self, *words: str, die: Die | None = None) -> Result:
        log = self.deployment.root.parent / f"{self.deployment.name}-effects"
        watched = [str(path) for path in (self.deployment.root, *self.deployment._directories)]
        rig = Rig("tests.machine.rigs:rig", {"log": str(log), "die": die, "directories": watched})
        one_at_a_time = ("--jobs", "1") if die is not None else ()
        result = self.cli.run(*words, *one_at_a_time, rig=rig)
        if result.code == KILLED:
            self._wait_for_orphans()
        return result

    def rounds(self) -> list[dict[str, Any]]:
        """Return the journal's rounds, the oldest first."""
        question = "SELECT plan_digest, store, shared, state FROM restow.round ORDER BY seq"
        return self._journal(question, "restow.round")

    def copies(self) -> list[dict[str, Any]]:
        """Return what the journal knows of each document on each route."""
        return self._journal("SELECT * FROM restow.copy", "restow.copy")

    def content_of(self, file: str) -> Any:
        return json.loads((self.deployment.root / file).read_text(encoding="utf-8"))

    def _journal(self, question: str, table: str) -> list[dict[str, Any]]:
        with self.deployment.engine.connect() as connection:
            if connection.execute(sa.text("SELECT to_regclass(:table)"), {"table": table}).scalar_one() is None:
                return []
            return [dict(row) for row in connection.execute(sa.text(question)).mappings()]

    def _wait_for_orphans(self) -> None:
        """Return once the database has let go of the dead run's connections, and so of what they held."""
        deadline = time.monotonic() + PATIENCE
        left = sa.text(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name LIKE 'restow%'"
        )
        with self.deployment.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            while connection.execute(left).scalar_one():
                assert time.monotonic() < deadline, "a connection of the dead run does not end"

    def _other_client(self) -> Any:
        return self.deployment.clients.at(self.other.url, self.other.access_key, self.other.secret_key)
