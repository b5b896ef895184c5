"""What the stages of one run share: the opened move, and the run around it."""

from __future__ import annotations

from dataclasses import dataclass

from executor.journal import Journal, Ticket
from executor.progress import Progress
from executor.stopping import Stop
from schemas.config import Compression, StorageConfig
from schemas.plan import Move, Plan
from stores.catalog import Route
from stores.database import Database
from stores.interface import Store


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
