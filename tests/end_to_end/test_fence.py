"""Another run takes over, or a straggler writes, at the last instant before what cannot be taken back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import sqlalchemy as sa

from tests.anchore.deployment import Deployment
from tests.end_to_end.codes import DONE, FAILED, REFUSED
from tests.end_to_end.holding import locked, sources_locked, wait_until_held, wait_until_held_by
from tests.end_to_end.migration import Migration

LATER = 1_700_000_500


@contextmanager
def fence_held(deployment: Deployment) -> Iterator[sa.Connection]:
    """Keep every run from taking the fence; it may still take the round over, which touches no key."""
    with deployment.engine.connect() as connection:
        connection.execute(sa.text("SELECT seq FROM restow.round FOR KEY SHARE"))
        yield connection


def take_over(connection: sa.Connection) -> None:
    connection.execute(sa.text("UPDATE restow.round SET owner = nextval('restow.run')"))


def test_a_run_that_lost_its_round_deletes_nothing(migration: Migration) -> None:
    migration.plan()
    migration.apply("plan.json", "--through", "switch")
    with fence_held(migration.deployment) as holder:
        running = migration.cli.start("apply", "plan.json", "--yes")
        wait_until_held_by(holder, migration.deployment, running)
        take_over(holder)
        holder.commit()
        running.finish().must_end(REFUSED)

    assert migration.sources <= migration.deployment.snapshot().payloads.keys()


def test_a_run_that_lost_its_round_switches_nothing(migration: Migration) -> None:
    migration.plan()
    with locked(migration.deployment, "archive_metadata", "ROW EXCLUSIVE") as straggler:
        running = migration.cli.start("apply", "plan.json", "--yes")
        wait_until_held(migration.deployment, running, "archive_metadata")
        with migration.deployment.engine.begin() as other:
            take_over(other)
        straggler.rollback()
        running.finish().must_end(REFUSED)

    migration.assert_not_switched()


def test_a_document_that_a_straggler_writes_under_the_old_config_as_clean_begins_keeps_its_payload(
    migration: Migration,
) -> None:
    migration.plan()
    migration.apply("plan.json", "--through", "switch")
    newer = replace(next(iter(migration.expected.documents.values())), content=b"newer")
    with fence_held(migration.deployment) as holder:
        running = migration.cli.start("apply", "plan.json", "--yes")
        wait_until_held_by(holder, migration.deployment, running)
        migration.deployment.anchore(migration.source).put(newer, at=LATER)
        holder.rollback()
        running.finish().must_end(DONE)

    assert migration.deployment.reader(migration.source).reads_all({newer.name: newer})


def test_3_a_run_whose_lock_went_with_its_connection_switches_nothing(migration: Migration) -> None:
    migration.plan()
    with sources_locked(migration.deployment) as holder:
        running = migration.cli.start("apply", "plan.json", "--yes")
        wait_until_held(migration.deployment, running)
        holder.execute(
            sa.text("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND classid = 2")
        )
        holder.rollback()
        said = running.finish().must_end(FAILED)

    assert "lock was lost" in said.stderr
    migration.assert_not_switched()
    migration.apply()
    migration.assert_at_destination()
