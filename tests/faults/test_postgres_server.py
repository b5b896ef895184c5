"""The PostgreSQL server crashes in the middle of a run, and comes back or does not."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.anchore.deployment import Deployment
from tests.cli import Cli, Running
from tests.end_to_end.codes import DONE, FAILED
from tests.end_to_end.holding import PATIENCE
from tests.end_to_end.migration import Migration, few
from tests.end_to_end.test_fence import start
from tests.faults.pg_migration import assert_done_once, planned
from tests.faults.pg_server import Fragile, fragile


@pytest.fixture(scope="module")
def server(server_directory: Path) -> Iterator[Fragile]:
    with fragile(server_directory / "fragile" / "postgres") as made:
        yield made


@pytest.fixture
def anchore_database(server: Fragile) -> str:
    return server.fresh_database()


@pytest.fixture
def migration(deployment: Deployment, cli: Cli) -> Migration:
    return planned(deployment, cli, few())


def crash_and_wake(migration: Migration, server: Fragile, running: Running, *, back: bool) -> None:
    """Crash the server while a run is suspended, and let it find out."""
    server.crash()
    if back:
        server.start()
    migration.deployment.engine.dispose()
    running.send(signal.SIGCONT)


MOMENTS = {
    "copy": ("FOR SHARE$", 3),
    "switch": ("^WITH moved", 1),
    "clean": ("^UPDATE restow.copy c SET state = 'cleaned'", 1),
}
"""Each is in the middle of a transaction, but for the first: it is between the writing of copies and their record."""


@pytest.mark.parametrize("stage", MOMENTS)
def test_a_server_that_crashes_and_comes_back(migration: Migration, server: Fragile, stage: str) -> None:
    """The run goes on with its copies, and ends where it must not go on without the lock."""
    pattern, times = MOMENTS[stage]
    running = start(migration, pattern, "--db-retries", "12", times=times)
    crash_and_wake(migration, server, running, back=True)
    said = running.finish()

    if stage == "clean":
        assert said.code in {DONE, FAILED}
        assert "services:" in said.stdout
    else:
        said.must_end(FAILED)
        assert "lock was lost" in said.stderr
        assert "nothing was switched" in said.stderr
        migration.assert_not_switched()
    assert "Traceback" not in said.stderr
    migration.apply()
    assert_done_once(migration)


def test_a_server_that_does_not_come_back_ends_the_run_soon(migration: Migration, server: Fragile) -> None:
    running = start(migration, "FOR SHARE$", times=3)
    crash_and_wake(migration, server, running, back=False)
    assert running.ended_within(PATIENCE)
    # What was said is searched for secrets, in the journal, too.
    server.start()
    said = running.finish().must_end(FAILED)

    assert f"database 127.0.0.1:{server.server.port}/anchore does not answer: Connection refused" in said.stderr
    assert "then run again" in said.stderr
    assert "Traceback" not in said.stderr
    migration.assert_not_switched()
    migration.apply()
    assert_done_once(migration)
