"""One Anchore deployment on real servers: its database, its backends, its config files."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa
import yaml

from restow.demo.servers import S3Server
from tests.anchore import audit, snapshot
from tests.anchore.audit import Expected
from tests.anchore.config import S3, Config
from tests.anchore.documents import BOTH, Document, Name, Store, by_name
from tests.anchore.reader import Reader
from tests.anchore.s3 import CONTENT_TYPE, Clients, keys
from tests.anchore.snapshot import Snapshot
from tests.anchore.writer import Writer

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@dataclass
class Deployment:
    """Lives for one test. Buckets that it made are removed by ``close``."""

    name: str
    """Unique in this run: part of bucket names."""
    root: Path
    """Config files, plans, outputs; searched for secrets."""
    database_url: str
    """As it stands in the configs: with the canary password."""
    engine: sa.Engine
    s3_server: S3Server
    clients: Clients
    configs: list[Path] = field(default_factory=list)
    """The files that may hold secrets."""
    _buckets: list[str] = field(default_factory=list)
    _directories: list[Path] = field(default_factory=list)

    def bucket(self, name: str = "documents", *, create: bool = True) -> str:
        """Return the full name of an S3 bucket of this test, created unless told otherwise."""
        bucket = f"{self.name}-{name}"
        if bucket not in self._buckets:
            self._buckets.append(bucket)
            if create:
                self._client().create_bucket(Bucket=bucket)
        return bucket

    def s3(self, bucket: str = "documents", prefix: str = "") -> S3:
        """Return a place in a bucket of this test, which is created when it is first named."""
        return S3(url=self.s3_server.url, bucket=self.bucket(bucket), prefix=prefix)

    def directory(self, name: str) -> str:
        """Return a directory for driver localfs, outside ``root``."""
        path = self.root.parent / f"{self.root.name}-{name}"
        path.mkdir(exist_ok=True)
        if path not in self._directories:
            self._directories.append(path)
        return str(path)

    def write_config(self, file_name: str, config: Config) -> Path:
        return self.write_yaml(file_name, yaml.safe_dump(config.content(self.database_url), sort_keys=False))

    def write_yaml(self, file_name: str, text: str) -> Path:
        """Write a config file as given; it may hold secrets."""
        path = self.root / file_name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        if path not in self.configs:
            self.configs.append(path)
        return path

    def anchore(self, config: Config) -> Writer:
        return Writer(self.engine, self.clients, config)

    def reader(self, config: Config) -> Reader:
        return Reader(self.engine, self.clients, config)

    def fill(self, config: Config, documents: Iterable[Document]) -> None:
        """Let Anchore write all ``documents`` under ``config``, archived images in the catalog too."""
        writer = self.anchore(config)
        for document in documents:
            writer.put(document)
            if document.store == "analysis_archive":
                writer.archive_image(document)

    def add_foreign_objects(self, bucket: str, *names: str) -> None:
        """Put objects that are none of Anchore's into a bucket of this test."""
        for key in names:
            self._client().put_object(
                Bucket=self.bucket(bucket), Key=key, Body=f"not Anchore's: {key}".encode(), ContentType=CONTENT_TYPE
            )

    def add_foreign_rows(self) -> None:
        """Put payloads that no row of ``archive_metadata`` names into both payload tables."""
        with self.engine.begin() as connection:
            connection.execute(
                sa.text(
                    """
                    INSERT INTO archive_document (bucket, "archiveId", "userId", "documentName", jsondata, b64_encoded)
                    VALUES ('foreign', 'left behind', 'nobody', 'left behind.json', '{"document": null}', false)
                    """
                )
            )
            connection.execute(
                sa.text(
                    """
                    INSERT INTO object_storage ("userId", bucket, key, version, content)
                    VALUES ('nobody', 'foreign', 'left behind', '', 'x')
                    """
                )
            )

    def expect(self, documents: Iterable[Document], *, left_alone: Collection[Name] = ()) -> Expected:
        """Take down how things are now, with these documents written, as what any move must preserve."""
        return Expected(documents=by_name(documents), before=self.snapshot(), left_alone=left_alone)

    def snapshot(self) -> Snapshot:
        return snapshot.take(self.engine, self._client(), self._buckets, self._directories)

    def faults(
        self,
        config: Config,
        expected: Expected,
        *,
        stores: Collection[Store] = BOTH,
        leftovers: Collection[Config] = (),
    ) -> list[str]:
        """Return the faults of this deployment, were ``stores`` moved to ``config`` and all else left alone."""
        reads = self.reader(config).read_all(expected.documents)
        return audit.audit(expected, self.snapshot(), reads, audit.Move(config, stores, leftovers))

    def faults_under_way(
        self, expected: Expected, *, stores: Collection[Store], configs: Collection[Config]
    ) -> list[str]:
        return audit.audit_under_way(expected, self.snapshot(), stores=stores, configs=configs)

    def journal_text(self) -> Mapping[str, tuple[str, ...]]:
        """Return what we wrote into the database: the journal and Anchore's own task rows, as text."""
        taken = snapshot.tables_of(self.engine)
        return {table: rows for table, rows in taken.items() if table.startswith("restow.") or table in audit.TASKS}

    def close(self) -> None:
        client = self._client()
        there = {bucket["Name"] for bucket in client.list_buckets()["Buckets"]}
        for bucket in there & set(self._buckets):
            for key in keys(client, bucket):
                client.delete_object(Bucket=bucket, Key=key)
            client.delete_bucket(Bucket=bucket)
        self.engine.dispose()

    def _client(self) -> S3Client:
        return self.clients.at(self.s3_server.url, self.s3_server.access_key, self.s3_server.secret_key)
