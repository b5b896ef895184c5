"""Any sequence of what Anchore, operators and accidents do: nothing is lost, and what is said is so."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.machine.machine import Machine
from tests.machine.world import World

QUICK = settings(
    max_examples=8,
    stateful_step_count=12,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
LONG = settings(QUICK, max_examples=60, stateful_step_count=25)


def run(worlds: Callable[[], AbstractContextManager[World]], how: settings) -> None:
    # Whatever makes a machine will do, though the annotation says that it is a class.
    run_state_machine_as_test(lambda: Machine(worlds), settings=how)  # type: ignore[arg-type]


def test_any_sequence(worlds: Callable[[], AbstractContextManager[World]]) -> None:
    run(worlds, QUICK)


@pytest.mark.long
def test_many_long_sequences(worlds: Callable[[], AbstractContextManager[World]]) -> None:
    run(worlds, LONG)
