"""Stops: a first signal or a limit ends in order, a second signal at once; the same command always goes on.

A lock on the source's table holds each run at a known place, so no test depends on luck.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import sqlalchemy as sa

from tests.anchore.config import Config, Db, Section
from tests.anchore.deployment import Deployment
from tests.cli import Cli, Running
from tests.end_to_end.codes import INTERRUPTED, STOPPED, TERMINATED
from tests.end_to_end.migration import Migration, begin, few

PATIENCE = 60.0
"""Seconds until a test gives up waiting for something that must come."""
TICK = 0.05


@pytest.fixture
def migration(deployment: Deployment, cli: Cli) -> Migration:
    made = begin(deployment, cli, Config(Section(Db())), Config(Section(deployment.s3())), documents=few(30))
    made.plan()
    return made


@contextmanager
def sources_locked(deployment: Deployment) -> Iterator[sa.Connection]:
    """Keep everyone else from reading payloads until the block ends, or the caller commits."""
    with deployment.engine.connect() as connection:
        connection.execute(sa.text("LOCK TABLE archive_document IN ACCESS EXCLUSIVE MODE"))
        yield connection


def wait_until_held(deployment: Deployment, running: Running) -> None:
    """Return once the run waits for a lock of ours."""
    waiting = sa.text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        assert not running.ended_within(TICK), running.finish()
        with deployment.engine.connect() as connection:
            if connection.execute(waiting).scalar_one():
                return
    raise AssertionError("the run never came to the source's table")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_a_first_signal_ends_in_order_and_the_same_command_goes_on(
    migration: Migration, number: signal.Signals
) -> None:
    with sources_locked(migration.deployment) as lock:
        running = migration.cli.start("apply", "plan.json", "--yes", "--report", "report.json")
        wait_until_held(migration.deployment, running)
        running.send(number)
        lock.rollback()
        said = running.finish().must_end(STOPPED)

    assert said.stdout == ""
    assert (migration.deployment.root / "report.json").exists()
    migration.assert_not_switched()

    migration.apply()
    migration.assert_at_destination()


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, INTERRUPTED), (signal.SIGTERM, TERMINATED)], ids=["SIGINT", "SIGTERM"]
)
def test_a_second_signal_ends_at_once(migration: Migration, number: signal.Signals, code: int) -> None:
    with sources_locked(migration.deployment):
        running = migration.cli.start("apply", "plan.json", "--yes")
        wait_until_held(migration.deployment, running)
        running.send(number)
        assert not running.ended_within(0.5)  # it waits for what is in flight, and that waits for us
        running.send(number)
        running.finish(timeout=PATIENCE).must_end(code)

    migration.assert_whole_under_way()
    migration.apply()
    migration.assert_at_destination()


def test_a_time_limit_ends_in_order(migration: Migration) -> None:
    with sources_locked(migration.deployment) as lock:
        running = migration.cli.start("apply", "plan.json", "--yes", "--max-duration", "1s")
        wait_until_held(migration.deployment, running)
        assert not running.ended_within(1.5)
        lock.rollback()
        running.finish().must_end(STOPPED)

    migration.assert_not_switched()
    migration.apply()
    migration.assert_at_destination()
