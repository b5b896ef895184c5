"""Killed at random moments of a run with many workers: audited at each death, resumed to the end, audited again.

The moments are numbers of effects, drawn by a seed: however fast the machine is, each kill lands in the middle of work.
"""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.anchore import corpus
from tests.anchore.config import Config, Db, Section
from tests.anchore.deployment import Deployment
from tests.anchore.documents import Document
from tests.cli import Cli, Running
from tests.crash.effects import KILLED, Side
from tests.crash.points import Command, assert_sound
from tests.crash.scene import Scene, outcome, remembered
from tests.end_to_end.codes import DONE, LOCKED
from tests.end_to_end.holding import IMPATIENT, PATIENCE, TICK, wait_until_held_by
from tests.end_to_end.migration import Migration, begin
from tests.end_to_end.test_matrix import PAIRS, PLACES
from tests.nursery import Rig

QUICK = [("s3", "localfs"), ("localfs", "db2")]
WORKERS = 16
KILLS = 3
"""In a row: the second and third hit a run that goes on after a kill."""
LOCK_TIMEOUT = "executor.switch:LOCK_TIMEOUT"
SIDES: tuple[Side, Side] = ("before", "after")

Kill = Callable[[Command, tuple[int, Side]], None]


def documents() -> tuple[Document, ...]:
    """Some two hundred of both stores, three of them of a megabyte."""
    large = corpus.ordinary(seed=23, count=3, largest=100)
    return (
        *corpus.ordinary(seed=21, count=190, largest=20_000),
        *corpus.archived(seed=21, count=20, largest=10_000),
        *(replace(one, content=one.content + bytes(1_000_000)) for one in large),
    )


def between(deployment: Deployment, cli: Cli, source: str, destination: str) -> Migration:
    old = Config(Section(PLACES[source](deployment, "old")))
    new = Config(Section(PLACES[destination](deployment, "new"), compress_above_kbytes=1))
    return begin(deployment, cli, old, new, documents=documents())


def end(command: Command, moment: tuple[int, Side]) -> None:
    """Let the run end itself there, as if the machine had lost its power."""
    ended = command.run(moment)
    assert ended.code == KILLED, f"never came to {moment}\n{ended.stderr[-3000:]}"


def kill(command: Command, moment: tuple[int, Side]) -> None:
    """Stop the run there, all threads where they are, and kill it from outside as ``kill -9`` does."""
    running = command.migration.cli.start(*command.arguments, rig=command.rig(moment, halt=True))
    wait_until_stopped(running)
    assert running.kill().code == -signal.SIGKILL


def wait_until_stopped(running: Running) -> None:
    deadline = time.monotonic() + PATIENCE
    while "State:\tT" not in Path(f"/proc/{running.process.pid}/status").read_text(encoding="utf-8"):
        assert time.monotonic() < deadline, "the run does not come to its moment"
        assert not running.ended_within(TICK), f"the run ended before its moment: {running.finish()}"


def kill_three_times(
    migration: Migration, administrator: sa.Engine, assert_ended: Callable[[], None], *, kill: Kill, seed: int
) -> None:
    migration.plan()
    command = Command(migration, ("apply", "plan.json"), assert_ended, jobs=WORKERS)
    moments = random.Random(seed)  # noqa: S311 - the same moments in every run
    with remembered(migration.deployment, administrator) as scene:
        clean = command.run()
        assert clean.code == DONE, clean.stderr
        assert_ended()
        ended = outcome(migration.deployment)
        scene.restore()
        # What a dead run has done counts less in the next one than it took, so each of these moments comes.
        left = len(clean.effects) * 19 // 20
        for later in reversed(range(KILLS)):
            # One is left for each that is to come.
            number = moments.randrange(1, left - later)
            kill(command, (number, moments.choice(SIDES)))
            left -= number
            assert_sound_now(migration, scene)
        command.resume()
        assert_ended()
        assert outcome(migration.deployment) == ended


def assert_sound_now(migration: Migration, scene: Scene) -> None:
    scene.wait_for_orphans()
    assert_sound(migration, scene, migration.deployment.snapshot())


@pytest.mark.parametrize(("source", "destination"), QUICK, ids=[" to ".join(pair) for pair in QUICK])
def test_three_kills_in_a_row(
    deployment: Deployment, cli: Cli, administrator: sa.Engine, source: str, destination: str
) -> None:
    migration = between(deployment, cli, source, destination)
    kill_three_times(migration, administrator, migration.assert_at_destination, kill=end, seed=1)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(2, 4))
@pytest.mark.parametrize(("source", "destination"), PAIRS, ids=[" to ".join(pair) for pair in PAIRS])
def test_three_kills_in_a_row_of_all_pairs(
    deployment: Deployment, cli: Cli, administrator: sa.Engine, source: str, destination: str, seed: int
) -> None:
    migration = between(deployment, cli, source, destination)
    kill_three_times(migration, administrator, migration.assert_at_destination, kill=kill, seed=seed)


def test_kills_of_two_moves_that_cross(deployment: Deployment, cli: Cli, administrator: sa.Engine) -> None:
    """The stores change places: both moves of the plan must be switched at the same instant."""
    crossing = (*corpus.ordinary(seed=21, count=50, largest=10_000), *corpus.archived(seed=21, count=20))
    source = Config(Section(Db()), Section(deployment.s3("archive")))
    destination = Config(Section(deployment.s3("working")), Section(Db()))
    migration = begin(deployment, cli, source, destination, documents=crossing)

    kill_three_times(migration, administrator, migration.assert_at_destination, kill=kill, seed=6)


def test_nothing_starts_while_the_switch_of_a_killed_run_is_still_at_work(migration: Migration) -> None:
    """PostgreSQL does not notice that a client is gone while it works on its statement."""
    deployment, long = migration.deployment, Rig("tests.end_to_end.holding:constants", {LOCK_TIMEOUT: "60s"})
    migration.plan()
    with deployment.engine.connect() as holder:
        holder.execute(sa.text("SELECT FROM archive_metadata LIMIT 1 FOR UPDATE"))
        dead = migration.cli.start("apply", "plan.json", "--yes", rig=long)
        wait_until_held_by(holder, deployment, dead)
        dead.kill()
        migration.cli.run("apply", "plan.json", "--yes", rig=IMPATIENT).must_end(LOCKED)
        migration.assert_not_switched()
        holder.rollback()

    migration.apply()
    migration.assert_at_destination()
