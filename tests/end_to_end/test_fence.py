"""A run that lost its lock, or was killed, may not be through: what it still does changes nothing for the next one."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.anchore.deployment import Deployment
from tests.anchore.snapshot import differences
from tests.cli import Result, Running
from tests.crash.scene import outcome
from tests.end_to_end.codes import DONE, FAILED, LOCKED, REFUSED
from tests.end_to_end.holding import PATIENCE, locked, sources_locked, wait_until_held, wait_until_held_by
from tests.end_to_end.migration import Migration
from tests.nursery import Rig

LATER = 1_700_000_500
HURRY = Rig("tests.faults.pg_rigs:hurry", {})


def start(migration: Migration, pattern: str, *flags: str, times: int = 1) -> Running:
    """Start a run that is suspended right before the statement that the pattern is found in comes so often."""
    rig = Rig("tests.faults.pg_rigs:stop_before", {"pattern": pattern, "times": times})
    return suspended(migration.cli.start("apply", "plan.json", "--yes", "--jobs", "1", *flags, rig=rig))


def suspended(running: Running) -> Running:
    """Return the run once it is suspended."""
    stat = Path(f"/proc/{running.process.pid}/stat")
    deadline = time.monotonic() + PATIENCE
    while stat.read_text(encoding="utf-8").rpartition(") ")[2][0] != "T":
        assert not running.ended_within(0.02), f"never came to it: {running.finish()}"
        assert time.monotonic() < deadline
    return running


def cut_lock(connection: sa.Connection) -> None:
    """End the connection that holds the migration lock, and wait until it has ended."""
    held = "SELECT pg_terminate_backend(pid, 5000) FROM pg_locks WHERE locktype = 'advisory' AND classid = 2"
    assert connection.execute(sa.text(held)).scalars().all() == [True]


def lose_lock(deployment: Deployment) -> None:
    with deployment.engine.connect() as connection:
        cut_lock(connection)


def wake(running: Running) -> Result:
    running.send(signal.SIGCONT)
    return running.finish()


POINTS = {
    "before it has a number": ("to_regnamespace\\('restow'\\) IS NOT NULL AS schema", 1),
    "before it takes a round": ("IN EXCLUSIVE MODE", 1),
    "before it voids what was accepted": ("FOR SHARE$", 1),
    "before it announces copies": ("FOR SHARE$", 2),
    "before it records copies": ("FOR SHARE$", 3),
    "before it removes copies of documents that went": ("FOR UPDATE$", 1),
    "before it calls its copies verified": ("FOR UPDATE$", 2),
    "before it switches": ("SHARE ROW EXCLUSIVE", 1),
    "before it deletes sources": ("FOR UPDATE$", 6),
}


@pytest.mark.parametrize("point", POINTS)
def test_a_run_that_wakes_after_another_has_done_it_all_changes_nothing(migration: Migration, point: str) -> None:
    migration.plan()
    pattern, times = POINTS[point]
    running = start(migration, pattern, times=times)
    lose_lock(migration.deployment)
    migration.apply()
    migration.assert_at_destination()
    before = migration.deployment.snapshot()

    ended = wake(running)

    assert ended.code in {FAILED, REFUSED}, ended.stderr
    assert ("lock was lost" if ended.code == FAILED else "another run has taken over") in ended.stderr
    assert differences(before, migration.deployment.snapshot()) == []
    with migration.writes_nothing():
        migration.apply()


def test_a_run_that_wakes_in_its_clean_spares_what_the_way_back_has_copied(migration: Migration) -> None:
    """The other run is of another plan, and of a round of its own."""
    migration.plan()
    migration.plan_back()
    rig = Rig("tests.faults.pg_rigs:stop_after", {"pattern": "c.state = 'switched' THEN"})
    running = suspended(migration.cli.start("apply", "plan.json", "--yes", "--jobs", "1", rig=rig))
    lose_lock(migration.deployment)
    migration.apply("back.json", "--through", "verify")
    before = migration.deployment.snapshot()

    wake(running).must_end(REFUSED)

    assert differences(before, migration.deployment.snapshot()) == []
    migration.apply("back.json")
    migration.assert_at_source()


def test_payloads_in_hand_are_written_again_as_they_are(migration: Migration) -> None:
    """No transaction keeps S3 from taking what a run has in hand: the same documents give the same bytes."""
    migration.plan()
    rig = Rig("tests.faults.pg_rigs:stop_before_a_put", {})
    running = suspended(migration.cli.start("apply", "plan.json", "--yes", "--jobs", "1", rig=rig))
    lose_lock(migration.deployment)
    migration.apply()

    wake(running).must_end(REFUSED)

    migration.assert_at_destination()


@pytest.mark.parametrize("where", ["CREATE SCHEMA", "INSERT INTO restow.copy", "DELETE FROM archive_document"])
def test_6_while_a_suspended_run_is_in_the_middle_of_a_transaction(migration: Migration, where: str) -> None:
    """It has lost its lock, but what it has begun may still be done: nobody goes on before."""
    migration.plan()
    running = start(migration, where if where != "CREATE SCHEMA" else "CREATE SEQUENCE")
    lose_lock(migration.deployment)
    before = migration.deployment.snapshot()

    said = migration.cli.run("apply", "plan.json", "--yes", rig=HURRY).must_end(LOCKED)

    assert "still at work" in said.stderr
    assert where == "CREATE SCHEMA" or "PostgreSQL process" in said.stderr
    assert differences(before, migration.deployment.snapshot()) == []
    wake(running)
    migration.apply()
    migration.assert_at_destination()


def test_6_while_a_suspended_run_is_about_to_remove_the_copy_of_a_document_that_went(migration: Migration) -> None:
    """It comes back meanwhile, and is copied to the same place; so the removal has to be over first."""
    migration.plan()
    migration.apply("plan.json", "--through", "copy")
    document = next(iter(migration.expected.documents.values()))
    migration.deployment.anchore(migration.source).delete(document)
    rig = Rig("tests.faults.pg_rigs:stop_after", {"pattern": "WITH n AS MATERIALIZED"})
    running = suspended(migration.cli.start("apply", "plan.json", "--yes", rig=rig))
    lose_lock(migration.deployment)
    migration.deployment.anchore(migration.source).put(document)

    migration.cli.run("apply", "plan.json", "--yes", rig=HURRY).must_end(LOCKED)

    wake(running)
    migration.after_writes(migration.expected.documents.values()).apply()
    assert migration.deployment.reader(migration.destination).reads_all(migration.expected.documents)


@contextmanager
def orphan(migration: Migration, held: sa.Connection) -> Iterator[None]:
    """Kill a run whose statement waits for what the connection holds; that is let go in the end."""
    running = migration.cli.start("apply", "plan.json", "--yes", "--jobs", "1")
    wait_until_held_by(held, migration.deployment, running)
    running.kill()
    yield
    held.rollback()


def test_the_switch_of_a_killed_run_comes_to_nothing(migration: Migration) -> None:
    """It waits for Anchore's table, and gets it in the middle of the next run."""
    migration.plan()
    with locked(migration.deployment, "archive_metadata", "ROW EXCLUSIVE") as straggler:
        with orphan(migration, straggler):
            running = migration.cli.start("apply", "plan.json", "--yes")
            wait_until_both_wait(migration.deployment)
        running.finish().must_end(DONE)

    assert_done_once(migration)


def test_a_row_that_the_switch_of_a_killed_run_waits_for(migration: Migration) -> None:
    """It has the fence: nobody goes on before the server has seen that its client is gone."""
    migration.plan()
    with migration.deployment.engine.connect() as straggler:
        straggler.execute(sa.text("SELECT FROM archive_metadata LIMIT 1 FOR UPDATE"))
        with orphan(migration, straggler):
            said = migration.cli.run("apply", "plan.json", "--yes", rig=HURRY).must_end(LOCKED)
            assert "still at work: PostgreSQL process" in said.stderr
            migration.assert_not_switched()
    migration.apply()
    assert_done_once(migration)


def test_what_a_killed_run_was_writing_to_the_journal_comes_to_nothing(migration: Migration) -> None:
    migration.plan()
    migration.plan_back()
    # The journal has to be there, and nothing of this plan in it.
    migration.apply()
    migration.apply("back.json")
    with locked(migration.deployment, "restow.copy", "SHARE") as straggler:
        with orphan(migration, straggler):
            running = migration.cli.start("apply", "plan.json", "--yes")
            wait_until_locked(migration.deployment)
        running.finish().must_end(DONE)

    migration.assert_at_destination()
    journal = outcome(migration.deployment)
    assert len(journal["rounds"]) == len(journal["tasks"]) == 3


def test_the_commit_of_a_killed_run_s_switch_is_what_the_next_run_goes_on_from(migration: Migration) -> None:
    """The switch is asked for and not yet done, as with a standby that takes its time."""
    deployment = migration.deployment
    migration.plan()
    migration.apply("plan.json", "--through", "verify")
    with deployment.engine.begin() as connection:
        connection.execute(sa.text(SLOW_COMMIT))
    with deployment.engine.connect() as gate:
        gate.execute(sa.text("SELECT pg_advisory_lock(77)"))
        running = migration.cli.start("apply", "plan.json", "--yes")
        wait_until_held_by(gate, deployment, running)
        running.kill()
        migration.assert_not_switched()
        following = migration.cli.start("apply", "plan.json", "--yes")
        wait_until_locked(deployment)
        gate.execute(sa.text("SELECT pg_advisory_unlock(77)"))
        following.finish().must_end(DONE)

    assert_done_once(migration)


SLOW_COMMIT = """
    CREATE FUNCTION wait_at_the_gate() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN PERFORM pg_advisory_xact_lock(77); RETURN NULL; END $$;
    CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON restow.task DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION wait_at_the_gate();
"""


def assert_done_once(migration: Migration) -> None:
    migration.assert_at_destination()
    journal = outcome(migration.deployment)
    assert len(journal["rounds"]) == len(journal["tasks"]) == 1


def wait_until_both_wait(deployment: Deployment) -> None:
    """Return once two server processes of runs wait for a lock."""
    asked = """
        SELECT count(*) > 1 FROM pg_stat_activity
        WHERE datname = current_database() AND application_name = 'restow' AND wait_event_type = 'Lock'
    """
    wait_until(deployment, asked)


def wait_until_locked(deployment: Deployment) -> None:
    """Return once a run has the migration lock."""
    wait_until(deployment, "SELECT count(*) > 0 FROM pg_locks WHERE locktype = 'advisory' AND classid = 2 AND granted")


def wait_until(deployment: Deployment, asked: str) -> None:
    deadline = time.monotonic() + PATIENCE
    with deployment.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        while not connection.execute(sa.text(asked)).scalar_one():
            assert time.monotonic() < deadline


def test_a_document_that_a_straggler_writes_under_the_old_config_as_clean_begins_keeps_its_payload(
    migration: Migration,
) -> None:
    migration.plan()
    running = start(migration, "FOR UPDATE$", times=6)
    newer = replace(next(iter(migration.expected.documents.values())), content=b"newer")
    migration.deployment.anchore(migration.source).put(newer, at=LATER)

    wake(running).must_end(DONE)

    assert migration.deployment.reader(migration.source).reads_all({newer.name: newer})


def test_3_a_run_whose_lock_went_with_its_connection_switches_nothing(migration: Migration) -> None:
    migration.plan()
    with sources_locked(migration.deployment) as holder:
        running = migration.cli.start("apply", "plan.json", "--yes")
        wait_until_held(migration.deployment, running)
        cut_lock(holder)
        holder.rollback()
        said = running.finish().must_end(FAILED)

    assert "lock was lost" in said.stderr
    migration.assert_not_switched()
    migration.apply()
    migration.assert_at_destination()


def test_3_a_run_whose_lock_goes_after_the_switch_deletes_nothing(migration: Migration) -> None:
    migration.plan()
    running = start(migration, "SHARE ROW EXCLUSIVE")
    lose_lock(migration.deployment)
    said = wake(running).must_end(FAILED)

    assert "lock was lost" in said.stderr
    assert "the plan is switched" in said.stderr
    assert "services:" in said.stdout
    assert migration.sources <= migration.deployment.snapshot().payloads.keys()
    migration.apply()
    migration.assert_at_destination()


def test_a_payload_that_was_read_before_another_run_copied_a_newer_one_is_not_written(migration: Migration) -> None:
    """A run that has read, and lost its lock, wakes when the document has been rewritten and moved by another."""
    migration.plan()
    rig = Rig("tests.faults.pg_rigs:stop_after", {"pattern": "d.jsondata, d.b64_encoded", "times": 2})
    running = suspended(migration.cli.start("apply", "plan.json", "--yes", "--jobs", "1", rig=rig))
    lose_lock(migration.deployment)
    documents = dict(migration.expected.documents)
    newer = [replace(document, content=document.content + b" and more") for document in documents.values()]
    for document in newer:
        migration.deployment.anchore(migration.source).put(document, at=LATER)
    later = migration.after_writes(newer)
    later.apply()

    wake(running).must_end(REFUSED)

    later.assert_at_destination()
