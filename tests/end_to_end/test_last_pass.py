"""Between the last pass and the transaction: what was asked for long ago is asked for again, of an undo too."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.anchore.deployment import Deployment
from tests.end_to_end.codes import FAILED, REFUSED
from tests.end_to_end.holding import Gate
from tests.end_to_end.migration import Migration
from tests.end_to_end.test_fence import lose_lock
from tests.end_to_end.test_gates import beat


def start_service(deployment: Deployment) -> None:
    beat(deployment, int(time.time()))


@pytest.mark.parametrize(("happens", "code"), [(lose_lock, FAILED), (start_service, REFUSED)])
@pytest.mark.parametrize("command", ["apply", "undo"])
def test_what_comes_up_during_the_last_pass_keeps_every_row_as_it_is(
    migration: Migration, tmp_path: Path, command: str, happens: Callable[[Deployment], None], code: int
) -> None:
    migration.plan("--keep-source")
    if command == "undo":
        migration.apply()
    rows = migration.deployment.snapshot().rows
    gate = Gate("executor.catching_up:_remove_vanished", tmp_path)
    run = migration.cli.start(command, "plan.json", "--yes", rig=gate.rig)
    gate.wait_until_reached(run)
    happens(migration.deployment)
    gate.open()

    run.finish().must_end(code)

    assert migration.deployment.snapshot().rows == rows
