"""A stop at every stage of every command, while it waits, asks, or is stuck: the report is written, the exit code is
true, and the same command goes on.
"""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from tests.anchore.config import Config, Db, Localfs, Section
from tests.anchore.deployment import Deployment
from tests.cli import Cli, Running
from tests.end_to_end.codes import DONE, STOPPED
from tests.end_to_end.holding import PATIENCE, TICK, Gate, locked, sources_locked, wait_until_held
from tests.end_to_end.migration import Migration, begin, few
from tests.nursery import Rig

SOON = 15.0
"""Seconds in which a stop ends what it interrupts; without it, each of these would go on for more than a minute."""
QUESTION = "Go on? [y/N]"


@pytest.fixture
def migration(deployment: Deployment, cli: Cli) -> Migration:
    destination = Config(Section(Localfs(deployment.directory("new"))))
    made = begin(deployment, cli, Config(Section(Db())), destination, documents=few())
    made.plan()
    return replace(made, expected=replace(made.expected, living_tables=["public.services"]))


@pytest.fixture
def gates(deployment: Deployment) -> Path:
    made = deployment.root.parent / "gate"
    made.mkdir()
    return made


def start(migration: Migration, command: str = "apply", **named: Any) -> Running:
    return migration.cli.start(command, "plan.json", "--yes", "--report", "report.json", **named)


def report_of(migration: Migration) -> dict[str, Any]:
    report: dict[str, Any] = json.loads((migration.deployment.root / "report.json").read_text(encoding="utf-8"))
    return report


def together(*rigs: Rig) -> Rig:
    return Rig("tests.faults.surroundings:together", {"rigs": [[rig.function, dict(rig.arguments)] for rig in rigs]})


SHORT_LOCK = Rig("tests.end_to_end.holding:constants", {"executor.switch:LOCK_TIMEOUT": "3s"})
GRACE = Rig("tests.end_to_end.holding:constants", {"executor.stopping:GRACE_SECONDS": 0.5})

SWITCHED = (("apply", "--through", "switch"),)
UNDONE = (*SWITCHED, ("undo",))


@pytest.mark.parametrize(
    ("before", "command", "gate", "code", "state"),
    [
        ((), "apply", "executor.copy:_copy_batch", STOPPED, "copying"),
        ((("apply", "--through", "copy"),), "apply", "executor.verify:_verify_batch", STOPPED, "copying"),
        ((), "apply", "executor.apply:switch", STOPPED, "switched"),
        ((), "apply", "executor.clean:_clean_batch", STOPPED, "switched"),
        (SWITCHED, "undo", "executor.undo:_broken", STOPPED, "switched"),
        (SWITCHED, "undo", "executor.undo:switch_back", DONE, "undone"),
        (SWITCHED, "clean", "executor.clean:_clean_batch", STOPPED, "switched"),
        (UNDONE, "clean", "executor.clean_later:_remove_batch", STOPPED, "undone"),
    ],
    ids=["copy", "verify", "switch", "clean", "undo: look", "undo: switch", "late clean", "clean after undo"],
)
def test_a_signal_at_any_stage(
    migration: Migration,
    gates: Path,
    before: tuple[tuple[str, ...], ...],
    command: str,
    gate: str,
    code: int,
    state: str,
) -> None:
    for earlier, *flags in before:
        migration.cli.run(earlier, "plan.json", "--yes", *flags).must_end(DONE)
    held = Gate(gate, gates)

    running = start(migration, command, rig=held.rig)
    held.wait_until_reached(running)
    running.send(signal.SIGTERM)
    held.open()
    said = running.finish(PATIENCE).must_end(code)

    report = report_of(migration)
    assert report["exit_code"] == code
    assert {move["state"] for move in report["moves"]} == {state}
    assert all(bucket["unaccounted"] == 0 for move in report["moves"] for bucket in move["buckets"])
    assert ("storage_driver" in said.stdout) is (
        (command == "apply" and state == "switched") or gate.endswith("switch_back")
    )
    migration.assert_whole_under_way()

    migration.cli.run(command, "plan.json", "--yes").must_end(DONE)
    if command == "undo":
        migration.assert_at_source(leftovers=[migration.destination])
    elif before == UNDONE:
        migration.assert_at_source()
    else:
        migration.assert_at_destination()


def test_a_signal_while_the_report_is_written_loses_nothing(migration: Migration, gates: Path) -> None:
    held = Gate("restow.applying:write_file", gates)
    running = start(migration, rig=held.rig)
    held.wait_until_reached(running)
    running.send(signal.SIGTERM)
    held.open()
    running.finish(PATIENCE).must_end(DONE)

    assert report_of(migration)["exit_code"] == DONE
    migration.assert_at_destination()


@pytest.mark.parametrize("command", ["apply", "undo"])
def test_a_signal_ends_the_wait_for_services(migration: Migration, command: str) -> None:
    """A heartbeat of just now, from a clock that is ahead: it would be watched for 75 seconds."""
    if command == "undo":
        migration.apply("plan.json", "--through", "switch")
    with migration.deployment.engine.begin() as connection:
        ahead = int(time.time()) + 600
        connection.execute(sa.text("UPDATE services SET heartbeat = :ahead"), {"ahead": ahead})

    running = start(migration, command)
    wait_until_said(running, "waiting up to")
    running.send(signal.SIGTERM)
    assert running.ended_within(SOON)
    said = running.finish().must_end(STOPPED)

    assert "by SIGTERM" in said.stderr
    migration.assert_whole_under_way()


def test_a_signal_ends_the_wait_for_the_switch_s_lock(migration: Migration) -> None:
    with locked(migration.deployment, "archive_metadata", "ROW EXCLUSIVE"):
        running = start(migration, rig=SHORT_LOCK)
        wait_until_held(migration.deployment, running, "archive_metadata")
        running.send(signal.SIGTERM)
        assert running.ended_within(SOON)  # each try has a timeout of 10 s, shortened here; there would be five
        running.finish().must_end(STOPPED)

    assert report_of(migration)["exit_code"] == STOPPED
    migration.assert_not_switched()


@pytest.mark.parametrize("by", ["signal", "limit"])
def test_what_is_stuck_is_left_behind(migration: Migration, gates: Path, by: str) -> None:
    """A worker waits for a backend that does not answer, as long as it may; the run does not wait for the worker."""
    held = Gate("stores.localfs:stat_file", gates, after=3)
    flags = ["--max-duration", "1s"] if by == "limit" else []
    running = migration.cli.start(
        "apply", "plan.json", "--yes", "--report", "report.json", "--jobs", "1", *flags, rig=together(held.rig, GRACE)
    )
    held.wait_until_reached(running)
    if by == "signal":
        running.send(signal.SIGTERM)
    assert running.ended_within(SOON)
    said = running.finish().must_end(STOPPED)

    assert "1 batches in flight did not end within" in said.stderr
    report = report_of(migration)
    assert report["exit_code"] == STOPPED
    assert sum(bucket["left"] for move in report["moves"] for bucket in move["buckets"]) == len(
        migration.expected.documents
    )
    migration.assert_not_switched()

    migration.apply()
    migration.assert_at_destination()


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM, "limit"])
def test_a_stop_ends_the_question(migration: Migration, by: signal.Signals | str) -> None:
    limit = ["--max-duration", "2s"] if by == "limit" else []
    with terminal() as screen:
        running = ask(migration, screen, *limit)
        screen.wait_until_shown(QUESTION, running)
        if isinstance(by, signal.Signals):
            running.send(by)
        assert running.ended_within(SOON)
    running.finish().must_end(STOPPED)

    assert report_of(migration)["outcome"].startswith("stopped: ")
    migration.assert_not_switched()


def test_an_answer_that_is_none_is_asked_for_again_and_stdout_has_the_snippet_alone(migration: Migration) -> None:
    with terminal() as screen:
        running = ask(migration, screen)
        screen.wait_until_shown(QUESTION, running)
        assert not running.ended_within(0.5)  # in which a bar would be drawn a few times
        assert screen.shown.endswith(f"{QUESTION}: ")
        screen.type("maybe\n")
        screen.wait_until_shown("answer y or n", running)
        screen.type("Yes\n")
        assert running.ended_within(PATIENCE)
    said = running.finish().must_end(DONE)

    assert said.stdout.startswith("# Set this")
    migration.assert_at_destination()


@pytest.mark.parametrize("at", ["copy", "question"])
def test_a_terminal_that_goes_away_ends_the_run_in_order(migration: Migration, at: str) -> None:
    """As when the connection drops: what writes to the screen must do no harm, and the snippet has no reader."""
    with terminal() as screen, sources_locked(migration.deployment) as lock:
        running = ask(migration, screen)
        if at == "copy":
            wait_until_held(migration.deployment, running)
            screen.close()
            lock.rollback()
        else:
            lock.rollback()
            screen.wait_until_shown(QUESTION, running)
            screen.close()
        assert running.ended_within(SOON)
    running.finish().must_end(STOPPED)

    assert report_of(migration)["exit_code"] == STOPPED
    migration.assert_not_switched()
    migration.apply()
    migration.assert_at_destination()


def test_a_run_that_outlives_its_terminal_is_carried_out(migration: Migration) -> None:
    nohup = Rig("tests.faults.surroundings:outlive_terminals", {})
    with terminal() as screen, sources_locked(migration.deployment) as lock:
        running = ask(migration, screen, "--yes", rigs=[nohup])
        wait_until_held(migration.deployment, running)
        screen.close()
        lock.rollback()
        assert running.ended_within(PATIENCE)
    running.finish().must_end(DONE)

    migration.assert_at_destination()


def test_a_hangup_is_never_the_second_signal(migration: Migration) -> None:
    """A shell that ends passes its own on, so it comes twice; a service manager may send it after SIGTERM."""
    with sources_locked(migration.deployment) as lock:
        running = start(migration, rig=Rig("tests.faults.surroundings:heed_terminals", {}))
        wait_until_held(migration.deployment, running)
        for number in (signal.SIGHUP, signal.SIGHUP, signal.SIGTERM, signal.SIGHUP):
            running.send(number)
            assert not running.ended_within(0.3)  # what is in flight waits for us
        lock.rollback()
        said = running.finish(PATIENCE).must_end(STOPPED)

    assert "by SIGHUP" in said.stderr
    migration.assert_not_switched()


class Screen:
    """The other side of a terminal."""

    def __init__(self) -> None:
        self._master, self.slave = pty.openpty()
        self.shown = ""
        self._closed = False
        self._listener = threading.Thread(target=self._listen)
        self._listener.start()

    def type(self, text: str) -> None:
        os.write(self._master, text.encode())

    def wait_until_shown(self, text: str, running: Running) -> None:
        deadline = time.monotonic() + PATIENCE
        while text not in self.shown:
            assert time.monotonic() < deadline, self.shown
            assert not running.ended_within(TICK), f"ended: {self.shown}"

    def close(self) -> None:
        """Hang up."""
        if not self._closed:
            self._closed = True
            os.close(self.slave)
            self._listener.join()
            os.close(self._master)

    def _listen(self) -> None:
        # Nobody may be in the middle of a read when it is closed: that would keep it open.
        while not self._closed:
            if not select.select([self._master], [], [], TICK)[0]:
                continue
            try:
                self.shown += os.read(self._master, 4096).decode(errors="replace")
            except OSError:
                return


@contextmanager
def terminal() -> Iterator[Screen]:
    screen = Screen()
    try:
        yield screen
    finally:
        screen.close()


def ask(migration: Migration, screen: Screen, *flags: str, rigs: list[Rig] | None = None) -> Running:
    """Start a run on a terminal of its own, which is its stdin and stderr."""
    name = os.ttyname(screen.slave)
    return migration.cli._start(
        ("apply", "plan.json", "--report", "report.json", *flags),
        {"TERM": "xterm"},
        stdin=name,
        stderr=name,
        rig=together(Rig("tests.faults.surroundings:take_terminal", {}), *(rigs or [])),
    )


def wait_until_said(running: Running, text: str) -> None:
    deadline = time.monotonic() + PATIENCE
    stderr = running._outputs[1]
    while text not in stderr.read_text(encoding="utf-8"):
        assert time.monotonic() < deadline
        assert not running.ended_within(TICK)
