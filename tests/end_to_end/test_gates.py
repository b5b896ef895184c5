"""The gates at the switch: live services, whatever their clocks say, and two runs at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
import sqlalchemy as sa

from tests.anchore import tables
from tests.anchore.config import Config, Db, Section
from tests.anchore.deployment import Deployment
from tests.cli import Cli
from tests.end_to_end.codes import DONE, LOCKED, REFUSED
from tests.end_to_end.holding import IMPATIENT, sources_locked, wait_until_held
from tests.end_to_end.migration import Migration, begin, few
from tests.nursery import Rig

HOST, SERVICE = tables.STOPPED_SERVICES[0]


@pytest.fixture
def migration(deployment: Deployment, cli: Cli) -> Migration:
    made = begin(deployment, cli, Config(Section(Db())), Config(Section(deployment.s3())), documents=few())
    made.plan()
    return replace(made, expected=replace(made.expected, living_tables=["public.services"]))


def beat(deployment: Deployment, heartbeat: int) -> None:
    with deployment.engine.begin() as connection:
        connection.execute(
            sa.text("UPDATE services SET heartbeat = :heartbeat WHERE hostid = :host AND servicename = :service"),
            {"heartbeat": heartbeat, "host": HOST, "service": SERVICE},
        )


@contextmanager
def live_service(deployment: Deployment) -> Iterator[None]:
    """A catalog service whose heart beats five times a second; when it ends it is as if stopped long ago."""
    stopped = threading.Event()

    def live() -> None:
        heartbeat = int(time.time())
        while not stopped.wait(0.2):
            heartbeat += 1
            beat(deployment, heartbeat)

    beat(deployment, int(time.time()))
    heart = threading.Thread(target=live)
    heart.start()
    try:
        yield
    finally:
        stopped.set()
        heart.join()
        beat(deployment, tables.STOPPED_AT)


def test_a_live_service_keeps_the_switch_shut_and_is_named(migration: Migration) -> None:
    with live_service(migration.deployment):
        said = migration.apply(code=REFUSED)

    assert SERVICE in said.stderr
    assert HOST in said.stderr
    assert said.stdout == ""
    migration.assert_not_switched()

    migration.apply()
    migration.assert_at_destination()


def test_copies_are_made_ahead_while_services_live(migration: Migration) -> None:
    with live_service(migration.deployment):
        migration.apply("plan.json", "--through", "verify")
    migration.assert_not_switched()

    migration.apply()
    migration.assert_at_destination()


def test_a_live_service_keeps_the_way_back_shut_and_no_clean(migration: Migration) -> None:
    """Anchore may run while the sources are cleaned: it works at the new place."""
    migration.plan("--keep-source")
    migration.apply()
    with live_service(migration.deployment):
        said = migration.cli.run("undo", "plan.json", "--yes").must_end(REFUSED)
        assert SERVICE in said.stderr
        migration.assert_at_destination(leftovers=[migration.source])

        migration.cli.run("clean", "plan.json", "--yes").must_end(DONE)
    migration.assert_at_destination()


@pytest.mark.parametrize("skew", [-3600, 3600], ids=["an hour behind", "an hour ahead"])
def test_a_service_that_beats_during_the_run_is_live_whatever_its_clock_says(migration: Migration, skew: int) -> None:
    deployment, heartbeat = migration.deployment, int(time.time()) + skew
    beat(deployment, heartbeat)
    with sources_locked(deployment) as holder:
        running = migration.cli.start("apply", "plan.json", "--yes")
        wait_until_held(deployment, running)
        beat(deployment, heartbeat + 1)
        holder.rollback()
        said = running.finish().must_end(REFUSED)

    assert SERVICE in said.stderr
    beat(deployment, tables.STOPPED_AT)
    migration.assert_not_switched()


def test_a_stopped_service_whose_clock_was_ahead_is_not_watched_for_ever(migration: Migration) -> None:
    """Its last heartbeat stays young for an hour; that it does not change is what counts."""
    beat(migration.deployment, int(time.time()) + 3600)
    short = Rig("tests.end_to_end.holding:constants", {"executor.services:WATCH_SECONDS": 1.0})

    said = migration.cli.run("apply", "plan.json", "--yes", rig=short).must_end(DONE)

    beat(migration.deployment, tables.STOPPED_AT)
    assert f"to see that {SERVICE} on {HOST} have stopped" in said.stderr
    migration.assert_at_destination()


def test_of_two_runs_at_once_one_is_locked_out_and_the_other_ends_well(migration: Migration) -> None:
    with sources_locked(migration.deployment):
        first = migration.cli.start("apply", "plan.json", "--yes")
        wait_until_held(migration.deployment, first)
        migration.cli.run("apply", "plan.json", "--yes", rig=IMPATIENT).must_end(LOCKED)

    first.finish().must_end(DONE)
    migration.assert_at_destination()
