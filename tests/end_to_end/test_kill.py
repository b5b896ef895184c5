"""``kill -9`` at random moments of a run: audited at the moment of death, resumed to the end, audited again."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence

import sqlalchemy as sa

from tests.anchore import corpus
from tests.anchore.config import Config, Db, Section
from tests.anchore.deployment import Deployment
from tests.cli import Cli
from tests.end_to_end.migration import Migration, begin

PATIENCE = 60.0
TICK = 0.02


def seconds_of_a_run(migration: Migration, plan: str) -> float:
    began = time.monotonic()
    migration.apply(plan)
    return time.monotonic() - began


def kill_after(migration: Migration, plan: str, seconds: float) -> bool:
    """Kill a run of ``plan`` so long after its start; return False when it had ended before."""
    running = migration.cli.start("apply", plan, "--yes")
    ended = running.ended_within(seconds)
    result = running.kill()
    if ended:
        result.must_end(0)
    wait_for_orphans(migration.deployment)
    return not ended


def wait_for_orphans(deployment: Deployment) -> None:
    """Return once the database has done, or dropped, what the dead run had asked it for."""
    deadline = time.monotonic() + PATIENCE
    others = sa.text(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        " AND (state <> 'idle' OR application_name LIKE 'restow%')"
    )
    with deployment.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        while connection.execute(others).scalar_one():
            assert time.monotonic() < deadline, "a statement of the dead run does not end"
            connection.execute(sa.text("SELECT pg_sleep(:seconds)"), {"seconds": TICK})


def kill_there_and_back(migration: Migration, *, ways: Sequence[int], seed: int) -> None:
    """Move to and fro; ``ways`` tells how often each way is killed, and resumed, before it may run to its end."""
    migration.plan()
    migration.plan_back()
    there = seconds_of_a_run(migration, "plan.json")
    migration.assert_at_destination()
    back = seconds_of_a_run(migration, "back.json")
    migration.assert_at_source()

    moments = random.Random(seed)  # noqa: S311 - the same moments in every run
    landed = 0
    for number, kills in enumerate(ways):
        outward = number % 2 == 0
        plan, whole = ("plan.json", there) if outward else ("back.json", back)
        for _ in range(kills):
            # Where in the run it lands is chance; that most land in it is not.
            landed += kill_after(migration, plan, moments.uniform(0.05, 0.9) * whole)
            migration.assert_whole_under_way()
        migration.apply(plan)
        if outward:
            migration.assert_at_destination()
        else:
            migration.assert_at_source()
    assert landed >= sum(ways) // 2, f"only {landed} of {sum(ways)} kills came before the end"


def test_twenty_kills_of_one_move(deployment: Deployment, cli: Cli) -> None:
    documents = (*corpus.ordinary(seed=20, count=270, largest=30_000), *corpus.archived(seed=20, count=30))
    destination = Config(Section(deployment.s3(prefix="new/"), compress_above_kbytes=1))
    migration = begin(deployment, cli, Config(Section(Db())), destination, documents=documents)

    kill_there_and_back(migration, ways=(1, 1, 2, 1, 1, 2, 3, 1, 1, 3, 1, 1, 2), seed=2024)


def test_kills_of_two_moves_that_cross(deployment: Deployment, cli: Cli) -> None:
    """The stores change places: both moves of the plan must be switched at the same instant."""
    documents = (*corpus.ordinary(seed=21, count=50, largest=10_000), *corpus.archived(seed=21, count=20))
    source = Config(Section(Db()), Section(deployment.s3("archive")))
    destination = Config(Section(deployment.s3("working")), Section(Db()))
    migration = begin(deployment, cli, source, destination, documents=documents)

    kill_there_and_back(migration, ways=(2, 1, 2, 1), seed=4202)
