"""Holds a run of the program at a known place, by a lock of the test's or a gate, so that no test depends on luck."""

from __future__ import annotations

import itertools
import pkgutil
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import sqlalchemy as sa

from executor.stopping import Stop
from tests.anchore.deployment import Deployment
from tests.cli import Running
from tests.nursery import Rig

PATIENCE = 60.0
"""Seconds until a test gives up waiting for something that must come."""
TICK = 0.05
IMPATIENT = Rig("tests.end_to_end.holding:constants", {"stores.lock:TRIES": 2})
"""Lets a run not wait long for the migration lock."""
REACHED, OPENED = "reached", "opened"
"""Files in a gate's directory."""


@contextmanager
def locked(deployment: Deployment, table: str, mode: str) -> Iterator[sa.Connection]:
    """Hold a lock on one of Anchore's tables until the caller commits or rolls back, or the block ends."""
    with deployment.engine.connect() as connection:
        connection.execute(sa.text(f"LOCK TABLE {table} IN {mode} MODE"))
        yield connection


def sources_locked(deployment: Deployment) -> AbstractContextManager[sa.Connection]:
    """Keep everyone else from reading the payloads of driver db."""
    return locked(deployment, "archive_document", "ACCESS EXCLUSIVE")


def wait_until_held(deployment: Deployment, running: Running, table: str = "archive_document") -> None:
    """Return once the run waits for a lock on ``table``."""
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = CAST(:table AS regclass)"
    _wait(deployment, running, table, waiting, table=table)


def wait_until_held_by(holder: sa.Connection, deployment: Deployment, running: Running) -> None:
    """Return once the run waits for what ``holder`` holds."""
    pid = holder.execute(sa.text("SELECT pg_backend_pid()")).scalar_one()
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE :pid = ANY (pg_blocking_pids(pid))"
    _wait(deployment, running, "what is held", waiting, pid=pid)


def _wait(deployment: Deployment, running: Running, what: str, waiting: str, **parameters: object) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        assert not running.ended_within(TICK), f"the run ended before it came to {what}: {running.finish()}"
        with deployment.engine.connect() as connection:
            if connection.execute(sa.text(waiting), parameters).scalar_one():
                return
    raise AssertionError(f"the run never came to {what}")


@dataclass(frozen=True)
class Gate:
    """A run waits right before one of its calls of ``target`` until the test opens the gate: for what no lock holds."""

    target: str
    """``module:name``, or ``module:class.name`` of a method."""
    directory: Path
    after: int = 0
    """So many calls pass."""

    @property
    def rig(self) -> Rig:
        asked = {"target": self.target, "directory": str(self.directory), "after": self.after}
        return Rig("tests.end_to_end.holding:hold", asked)

    def wait_until_reached(self, running: Running) -> None:
        deadline = time.monotonic() + PATIENCE
        while not (self.directory / REACHED).exists():
            assert not running.ended_within(TICK), f"the run ended before {self.target}: {running.finish()}"
            assert time.monotonic() < deadline, f"the run never came to {self.target}"

    def open(self) -> None:
        (self.directory / OPENED).touch()


def hold(target: str, directory: str, after: int) -> None:
    """In the process of a run: put the gate in its way."""
    owner, name, original = _found(target)
    numbers, folder = itertools.count(), Path(directory)

    def held(*asked: Any, **named: Any) -> Any:
        if next(numbers) == after:
            (folder / REACHED).touch()
            deadline = time.monotonic() + PATIENCE
            while not (folder / OPENED).exists() and time.monotonic() < deadline:
                time.sleep(TICK)
        return original(*asked, **named)

    patch.object(owner, name, held).start()


def pause_while_working(counter: str, steps: int) -> None:
    """In the process of a run: let each pause last until somebody outside has counted so many steps in a file."""

    def pause(stop: Stop, seconds: float) -> bool:  # noqa: ARG001 - what is asked for does not matter here
        enough = _counted(counter) + steps
        deadline = time.monotonic() + PATIENCE
        while _counted(counter) < enough and time.monotonic() < deadline:
            time.sleep(TICK)
        return stop.reason is not None

    patch.object(Stop, "pause", pause).start()


def _counted(counter: str) -> int:
    return Path(counter).stat().st_size


def weigh(target: str, log: str) -> None:
    """In the process of a run: write down how many bytes each call of ``target`` returns, a number a line."""
    owner, name, original = _found(target)

    def weighed(*asked: Any, **named: Any) -> Any:
        answers = original(*asked, **named)
        with Path(log).open("a", encoding="utf-8") as file:
            file.write(f"{sum(len(one) for one in answers if isinstance(one, bytes))}\n")
        return answers

    patch.object(owner, name, weighed).start()


def constants(**values: Any) -> None:
    """In the process of a run: give constants, each named as a ``target``, other values, to keep a test short."""
    for target, value in values.items():
        owner, name, _ = _found(target)
        patch.object(owner, name, value).start()


def _found(target: str) -> tuple[Any, str, Any]:
    path, _, name = target.rpartition("." if "." in target.partition(":")[2] else ":")
    owner = pkgutil.resolve_name(path)
    return owner, name, getattr(owner, name)
