"""Closed, full or broken standard streams: no document comes to harm, no product lands where it does not belong, and
the exit code tells what became of the documents.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from typing import Any

import pytest

from tests.anchore.config import Config, Db, Localfs, Section
from tests.anchore.deployment import Deployment
from tests.cli import PROGRAM, Cli, Result
from tests.end_to_end.codes import DONE, REFUSED, STOPPED, USAGE
from tests.end_to_end.holding import sources_locked, wait_until_held
from tests.end_to_end.migration import Migration, begin, few
from tests.nursery import Rig

FULL = "/dev/full"
PLANNING = ("plan", "config.yaml", "dest-config.yaml")
APPLYING = ("apply", "plan.json", "--yes", "--report", "report.json")
LOST = "the snippet could not be printed"


@pytest.fixture
def migration(deployment: Deployment, cli: Cli) -> Migration:
    destination = Config(Section(Localfs(deployment.directory("new"))))
    return begin(deployment, cli, Config(Section(Db())), destination, documents=few())


def closed(*numbers: int) -> Rig:
    return Rig("tests.faults.surroundings:close_streams", {"numbers": numbers})


def report_of(migration: Migration) -> dict[str, Any]:
    report: dict[str, Any] = json.loads((migration.deployment.root / "report.json").read_text(encoding="utf-8"))
    return report


def run(migration: Migration, *words: str, number: int, how: str) -> Result:
    """Run without a place for what goes to stream ``number``."""
    stream = ("stdin", "stdout", "stderr")[number]
    named: dict[str, Any] = {stream: FULL} if how == "full" else {"rig": closed(number)}
    return migration.cli.start(*words, **named).finish()


@pytest.mark.parametrize("how", ["full", "closed"])
def test_64_a_plan_that_cannot_be_printed(migration: Migration, how: str) -> None:
    said = run(migration, *PLANNING, number=1, how=how).must_end(USAGE)

    assert "error: cannot write to stdout" in said.stderr
    assert "unexpected" not in said.stderr


@pytest.mark.parametrize("how", ["full", "closed"])
def test_a_plan_is_the_same_without_a_log(migration: Migration, how: str) -> None:
    wanted = migration.cli.run(*PLANNING).must_end(DONE).stdout

    assert run(migration, *PLANNING, number=2, how=how).must_end(DONE).stdout == wanted


@pytest.mark.parametrize("how", ["full", "closed", "left by its reader"])
def test_a_switch_whose_snippet_cannot_be_printed_is_a_switch_and_says_so(migration: Migration, how: str) -> None:
    migration.plan()
    if how == "left by its reader":
        said = apply_until_the_reader_leaves(migration)
    else:
        said = run(migration, *APPLYING, number=1, how=how)
    said.must_end(DONE)

    assert LOST in said.stderr
    assert "restow snippet dest-config.yaml" in said.stderr
    report = report_of(migration)
    assert report["exit_code"] == DONE
    assert report["outcome"].startswith(f"switched and cleaned; {LOST}")
    migration.assert_at_destination()
    assert "storage_driver" in migration.cli.run("snippet", "dest-config.yaml").must_end(DONE).stdout


def apply_until_the_reader_leaves(migration: Migration) -> Result:
    fifo = migration.deployment.root.parent / "stdout"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    with sources_locked(migration.deployment) as lock:
        running = migration.cli.start(*APPLYING, stdout=str(fifo))
        wait_until_held(migration.deployment, running)
        os.close(reader)
        lock.rollback()
        return running.finish()


def test_an_undo_whose_snippet_cannot_be_printed_is_undone_and_says_so(migration: Migration) -> None:
    migration.plan()
    migration.apply("plan.json", "--through", "switch")

    words = ("undo", "plan.json", "--yes", "--report", "report.json")
    said = migration.cli.start(*words, stdout=FULL).finish().must_end(DONE)

    assert "restow snippet config.yaml" in said.stderr
    assert LOST in report_of(migration)["outcome"]
    migration.assert_at_source(leftovers=[migration.destination])


@pytest.mark.parametrize("how", ["full", "closed"])
def test_a_migration_without_a_log_is_the_same(migration: Migration, how: str) -> None:
    migration.plan()
    said = run(migration, *APPLYING, number=2, how=how).must_end(DONE)

    assert said.stdout.startswith("# Set this")
    assert "switched:" not in said.stdout
    assert report_of(migration)["exit_code"] == DONE
    migration.assert_at_destination()


def test_with_every_disk_full_the_documents_are_moved_and_the_exit_code_says_so(migration: Migration) -> None:
    migration.plan()
    no_report = {"directory": str(migration.deployment.root), "call": "open", "error": "ENOSPC", "only": r"/\.restow-"}
    full = Rig("tests.faults.files:fail", no_report)
    migration.cli.start(*APPLYING, stdout=FULL, stderr=FULL, rig=full).finish().must_end(DONE)

    assert not (migration.deployment.root / "report.json").exists()
    migration.assert_at_destination()


def test_a_signal_to_a_run_without_streams_is_written_into_no_connection(migration: Migration) -> None:
    """The number of a closed stream goes to the next socket or file, and what is meant for the stream with it."""
    migration.plan()
    with sources_locked(migration.deployment) as lock:
        running = migration.cli.start(*APPLYING, rig=closed(0, 1, 2))
        wait_until_held(migration.deployment, running)
        running.send(signal.SIGTERM)
        assert not running.ended_within(0.3)  # it waits for what is in flight, and that waits for us
        lock.rollback()
        running.finish().must_end(STOPPED)

    assert report_of(migration)["exit_code"] == STOPPED
    migration.apply()
    migration.assert_at_destination()


def test_5_without_stdin_there_is_nobody_to_ask(migration: Migration) -> None:
    migration.plan()
    with migration.writes_nothing():
        said = migration.cli.run("apply", "plan.json", rig=closed(0)).must_end(REFUSED)
    assert "--yes" in said.stderr


def test_64_a_plan_file_on_a_full_disk_leaves_nothing(migration: Migration) -> None:
    root = migration.deployment.root
    full = Rig("tests.faults.files:fail", {"directory": str(root), "call": "fsync", "error": "ENOSPC", "only": "plan"})

    said = migration.cli.run(*PLANNING, "-o", "plan.json", rig=full).must_end(USAGE)

    assert "plan.json: No space left on device" in said.stderr
    assert [path for path in root.iterdir() if "plan" in path.name] == []


@pytest.mark.parametrize(
    ("words", "code", "stdout", "stderr"),
    [
        ("drivers >&-", USAGE, "", "cannot write to stdout: Bad file descriptor"),
        ("drivers 2>&-", DONE, "localfs", ""),
        ("drivers <&-", DONE, "localfs", ""),
        ("drivers nonsense 2>/dev/full", USAGE, "", ""),
        ("--version >/dev/full", USAGE, "", "cannot write to stdout: No space left on device"),
    ],
)
def test_as_a_shell_does_it(cli: Cli, words: str, code: int, stdout: str, stderr: str) -> None:
    """What the tests above stand for, with an interpreter that is started so."""
    ended = subprocess.run(
        ["/bin/sh", "-c", f"exec {PROGRAM} {words}"],
        env=cli.environment(None),
        cwd=cli.deployment.root,
        check=False,
        capture_output=True,
        text=True,
    )

    assert ended.returncode == code, ended.stderr
    assert "Traceback" not in ended.stderr
    assert "unexpected" not in ended.stderr
    assert stdout in ended.stdout
    assert stderr in ended.stderr
