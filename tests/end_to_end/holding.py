"""Holds a run of the program at a known place by a lock of the test's, so that no test depends on luck."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import sqlalchemy as sa

from tests.anchore.deployment import Deployment
from tests.cli import Running

PATIENCE = 60.0
"""Seconds until a test gives up waiting for something that must come."""
TICK = 0.05


@contextmanager
def locked(deployment: Deployment, table: str, mode: str) -> Iterator[sa.Connection]:
    """Hold a lock on one of Anchore's tables until the caller commits or rolls back, or the block ends."""
    with deployment.engine.connect() as connection:
        connection.execute(sa.text(f"LOCK TABLE {table} IN {mode} MODE"))
        yield connection


def sources_locked(deployment: Deployment) -> AbstractContextManager[sa.Connection]:
    """Keep everyone else from reading the payloads of driver db."""
    return locked(deployment, "archive_document", "ACCESS EXCLUSIVE")


def wait_until_held(deployment: Deployment, running: Running, table: str = "archive_document") -> None:
    """Return once the run waits for a lock on ``table``."""
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = CAST(:table AS regclass)"
    _wait(deployment, running, table, waiting, table=table)


def wait_until_held_by(holder: sa.Connection, deployment: Deployment, running: Running) -> None:
    """Return once the run waits for what ``holder`` holds."""
    pid = holder.execute(sa.text("SELECT pg_backend_pid()")).scalar_one()
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE :pid = ANY (pg_blocking_pids(pid))"
    _wait(deployment, running, "what is held", waiting, pid=pid)


def _wait(deployment: Deployment, running: Running, what: str, waiting: str, **parameters: object) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        assert not running.ended_within(TICK), f"the run ended before it came to {what}: {running.finish()}"
        with deployment.engine.connect() as connection:
            if connection.execute(sa.text(waiting), parameters).scalar_one():
                return
    raise AssertionError(f"the run never came to {what}")
