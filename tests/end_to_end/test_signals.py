"""Stops: a first signal or a limit ends in order, a second signal at once; the same command always goes on."""

from __future__ import annotations

import signal

import pytest

from tests.anchore.config import Config, Db, Section
from tests.anchore.deployment import Deployment
from tests.cli import Cli
from tests.end_to_end.codes import INTERRUPTED, STOPPED, TERMINATED
from tests.end_to_end.holding import PATIENCE, sources_locked, wait_until_held
from tests.end_to_end.migration import Migration, begin, few


@pytest.fixture
def migration(deployment: Deployment, cli: Cli) -> Migration:
    made = begin(deployment, cli, Config(Section(Db())), Config(Section(deployment.s3())), documents=few(30))
    made.plan()
    return made


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
