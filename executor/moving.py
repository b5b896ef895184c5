"""What the stages of one run share: the opened move, and the run around it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from executor.fence import Ticket
from executor.journal import Journal
from executor.progress import Progress
from executor.stopping import Stop
from planner.acceptance import BY_PAYLOADS
from schemas.config import Compression, StorageConfig
from schemas.plan import Move, Plan
from stores.catalog import Route
from stores.database import Database
from stores.direct import DirectCopy
from stores.interface import Store
from stores.opening import open_store
from stores.rounds import RoundState


@dataclass(frozen=True)
class Orders:
    """What is to be carried out: a plan, the two configs that it was made of, and Anchore's database."""

    plan: Plan
    source: StorageConfig
    destination: StorageConfig
    database: Database


@dataclass(frozen=True)
class MoveRun:
    """One move of the plan with both its stores open and its round taken."""

    move: Move
    route: Route
    source: Store
    destination: Store
    compression: Compression
    """The destination's."""
    ticket: Ticket
    state: RoundState
    """Of the round when it was taken."""
    direct: DirectCopy | None = None
    """The way of payloads that stay as they are, where there is one on which they do not pass through us."""


@dataclass(frozen=True)
class Run:
    """One execution of a plan."""

    plan: Plan
    database: Database
    journal: Journal
    moves: tuple[MoveRun, ...]
    progress: Progress
    stop: Stop
    jobs: int
    max_failures: int
    full: bool
    """Whether verify reads every copy back and compares its content."""

    @property
    def most_failures(self) -> int:
        """How many documents may seem to have failed: those that the plan accepts are shown to be those only later."""
        return self.max_failures + sum(one.count for one in self.plan.accepted if one.code in BY_PAYLOADS)


@dataclass(frozen=True)
class Surroundings:
    """What a run needs of the world around it; a test puts its own in."""

    progress: Progress
    stop: Stop
    confirm: Callable[[str], bool] | None
    """Asks the operator; None when there is no terminal to ask on. ``--yes`` answers for it."""
    clock: Callable[[], float] = time.monotonic
    pause: Callable[[float], object] = time.sleep


@contextlib.contextmanager
def opened(orders: Orders, jobs: int) -> Iterator[list[tuple[Store, Store]]]:
    """Open source and destination of each move and look whether they may be used; close them after the block.

    Raises ConfigError for a driver that is not supported, UnreachableError or DeniedError.
    """
    with contextlib.ExitStack() as stack:
        pairs = []
        for move in orders.plan.moves:
            source, destination = (
                open_store(config.store(move.store), orders.database, connections=jobs)
                for config in (orders.source, orders.destination)
            )
            for store in (source, destination):
                stack.callback(store.close)
                store.check_access()
            pairs.append((source, destination))
        yield pairs
