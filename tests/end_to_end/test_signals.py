"""Stops: a first signal or a limit ends in order, a second signal at once; the same command always goes on."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from tests.anchore.config import Config, Db, Section
from tests.anchore.deployment import Deployment
from tests.cli import Cli
from tests.end_to_end.codes import INTERRUPTED, STOPPED, TERMINATED
from tests.end_to_end.holding import PATIENCE, Gate, sources_locked, wait_until_held
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


def test_what_is_said_of_a_signal_is_json_where_all_else_is(migration: Migration) -> None:
    with sources_locked(migration.deployment) as lock:
        running = migration.cli.start("--log-format", "json", "apply", "plan.json", "--yes")
        wait_until_held(migration.deployment, running)
        running.send(signal.SIGTERM)
        lock.rollback()
        said = running.finish().must_end(STOPPED)
    messages = [json.loads(line) for line in said.stderr.splitlines()]
    assert any(one["message"].startswith("SIGTERM: finishing what is in flight") for one in messages)


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


@pytest.mark.parametrize("gate", ["planner.read_plan:read_plan", "executor.preflight:take_standing"])
def test_a_signal_before_the_first_write_ends_in_order_and_nothing_is_written(
    migration: Migration, tmp_path: Path, gate: str
) -> None:
    held = Gate(gate, tmp_path)
    with migration.writes_nothing():
        running = migration.cli.start("apply", "plan.json", "--yes", rig=held.rig)
        held.wait_until_reached(running)
        running.send(signal.SIGINT)
        held.open()
        said = running.finish().must_end(STOPPED)
    assert "stopped: by SIGINT" in said.stderr


def test_a_command_that_only_looks_says_that_it_was_interrupted(migration: Migration, tmp_path: Path) -> None:
    held = Gate("planner.build:build_plan", tmp_path)
    running = migration.cli.start("plan", "config.yaml", "dest-config.yaml", rig=held.rig)
    held.wait_until_reached(running)
    running.send(signal.SIGINT)

    said = running.finish().must_end(INTERRUPTED)

    assert said.stdout == ""
    assert said.stderr == "error: interrupted\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_a_check_that_is_interrupted_takes_its_test_document_away(
    migration: Migration, tmp_path: Path, number: signal.Signals
) -> None:
    held = Gate("stores.s3:S3Store.read", tmp_path)
    with migration.writes_nothing():
        running = migration.cli.start("check", "dest-config.yaml", rig=held.rig)
        held.wait_until_reached(running)
        running.send(number)
        running.finish().must_end(128 + number)
