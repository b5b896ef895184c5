"""One state of a deployment, to which it returns after each death."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from tests.anchore.deployment import Deployment
from tests.anchore.s3 import CONTENT_TYPE
from tests.anchore.snapshot import Payload, Snapshot

PATIENCE = 60.0


@dataclass(frozen=True)
class Scene:
    deployment: Deployment
    administrator: sa.Engine
    copy: str
    """The name of a database that holds what ours held."""
    before: Snapshot
    folders: frozenset[Path]

    @property
    def database(self) -> str:
        return str(sa.make_url(self.deployment.database_url).database)

    def restore(self) -> None:
        """Put everything back as it was; what is still the same is not written again."""
        _replace_database(self.deployment, self.administrator, self.database, self.copy)
        now = self.deployment.snapshot().payloads
        for url in now.keys() - self.before.payloads.keys():
            self._remove(url)
        for url, payload in self.before.payloads.items():
            if url not in now or now[url].content != payload.content:
                self._put(url, payload)
        for folder in sorted(folders_of(self.deployment) - self.folders, reverse=True):
            folder.rmdir()
        for folder in sorted(self.folders):
            # A dead run may have left one that is empty.
            folder.mkdir(exist_ok=True)

    def wait_for_orphans(self) -> None:
        """Return once the database has let go of the dead run's connections, and so of what they held."""
        deadline = time.monotonic() + PATIENCE
        left = sa.text(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = :database AND application_name = 'restow'"
        )
        with self.administrator.connect() as connection:
            while connection.execute(left, {"database": self.database}).scalar_one():
                assert time.monotonic() < deadline, "a connection of the dead run does not end"

    def _remove(self, url: str) -> None:
        scheme, _, path = url.partition("://")
        if scheme == "s3":
            bucket, _, key = path.partition("/")
            self.deployment._client().delete_object(Bucket=bucket, Key=key)
        else:
            assert scheme == "file", f"{url} is in a database that was just made anew"
            Path(path).unlink()

    def _put(self, url: str, payload: Payload) -> None:
        scheme, _, path = url.partition("://")
        if scheme == "s3":
            bucket, _, key = path.partition("/")
            self.deployment._client().put_object(Bucket=bucket, Key=key, Body=payload.content, ContentType=CONTENT_TYPE)
        else:
            assert scheme == "file", f"{url} is in a database that was just made anew"
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            Path(path).write_bytes(payload.content)


@contextmanager
def remembered(deployment: Deployment, administrator: sa.Engine) -> Iterator[Scene]:
    """Remember the deployment as it is now, for the block; another state may be remembered within it."""
    copy = f"scene_{secrets.token_hex(8)}"
    scene = Scene(deployment, administrator, copy, deployment.snapshot(), folders_of(deployment))
    try:
        _replace_database(deployment, administrator, copy, scene.database)
        yield scene
    finally:
        with administrator.connect() as connection:
            connection.execute(sa.text(f"DROP DATABASE IF EXISTS {copy} WITH (FORCE)"))


def folders_of(deployment: Deployment) -> frozenset[Path]:
    """Return the folders in the directories of driver localfs: an empty one is a trace too."""
    return frozenset(
        path for directory in deployment._directories for path in Path(directory).rglob("*") if path.is_dir()
    )


def outcome(deployment: Deployment) -> Mapping[str, list[str]]:
    """Return what journal, task list and folders are in the end, without the numbers and times of the runs."""
    questions = {
        "copies": "SELECT (to_jsonb(c) - '{route,run,checked,old_updated}'::text[])::text FROM restow.copy c",
        "rounds": "SELECT concat_ws(' ', store, source, destination, state) FROM restow.round",
        "tasks": "SELECT (to_jsonb(t) - 'id')::text FROM archive_migration_tasks t",
    }
    with deployment.engine.connect() as connection:
        found = {
            name: sorted(str(text) for text in connection.execute(sa.text(question)).scalars())
            for name, question in questions.items()
        }
    return {**found, "folders": sorted(map(str, folders_of(deployment)))}


def _replace_database(deployment: Deployment, administrator: sa.Engine, name: str, template: str) -> None:
    # A database can be copied, or dropped, only while nobody is connected to it.
    deployment.engine.dispose()
    with administrator.connect() as connection:
        connection.execute(sa.text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
        connection.execute(sa.text(f"CREATE DATABASE {name} TEMPLATE {template}"))
