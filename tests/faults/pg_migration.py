"""The move that PostgreSQL's faults are tried on: rows, journal and every payload are in the one database."""

from __future__ import annotations

from collections.abc import Iterable

from tests.anchore.config import Config, Db, Db2, Section
from tests.anchore.deployment import Deployment
from tests.anchore.documents import Document
from tests.cli import Cli
from tests.crash.scene import outcome
from tests.end_to_end.migration import Migration, begin


def planned(deployment: Deployment, cli: Cli, documents: Iterable[Document]) -> Migration:
    """Let documents stand in one table, with a plan to move them to the other, which compresses."""
    old, new = Config(Section(Db())), Config(Section(Db2(), compress_above_kbytes=1))
    migration = begin(deployment, cli, old, new, documents=documents)
    migration.plan()
    return migration


def assert_done_once(migration: Migration) -> None:
    """What the auditor finds after a clean run, and one round and one task of it."""
    migration.assert_at_destination()
    journal = outcome(migration.deployment)
    assert len(journal["rounds"]) == len(journal["tasks"]) == 1
