"""What is done in the process of each run of the machine before it begins."""

from __future__ import annotations

import executor.copy
from tests.crash import effects
from tests.crash.effects import Side


def rig(log: str, die: tuple[int, Side] | None, directories: list[str]) -> None:
    """Let nothing wait for writes in motion, for nobody writes meanwhile; die at an effect, if asked."""
    executor.copy.SETTLE_SECONDS = 0.0
    if die is not None:
        effects.rig(log, die, directories)
