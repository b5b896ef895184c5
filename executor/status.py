"""``status``: how far a plan is, by the journal's rounds and Anchore's rows. Reads only."""

from __future__ import annotations

from dataclasses import dataclass

from executor.accounts import BucketAccount, account
from executor.fence import Ticket
from executor.standing import outline_of
from planner.inventory import route_of
from schemas.plan import Move, Plan
from schemas.report import State
from stores.database import Database, Transaction
from stores.rounds import latest_live_round, latest_round


@dataclass(frozen=True)
class MoveStatus:
    move: Move
    state: State
    superseded: bool
    """Whether a later round has switched the store since."""
    round: int | None
    buckets: tuple[BucketAccount, ...]
    """``before`` counts what is at the destination or ready to switch; empty when nothing was begun."""


@dataclass(frozen=True)
class Status:
    plan: Plan
    moves: tuple[MoveStatus, ...]


def take_status(database: Database, plan: Plan) -> Status:
    """Look at rounds and rows in one snapshot. Raises UnreachableError, DeniedError or NotAnchoreError."""
    return database.run(
        lambda transaction: Status(plan, tuple(_move(transaction, plan, move) for move in plan.moves)), snapshot=True
    )


def _move(transaction: Transaction, plan: Plan, move: Move) -> MoveStatus:
    ours = latest_round(transaction, move.stores, plan_digest=plan.plan_digest)
    if ours is None:
        return MoveStatus(move, "not started", superseded=False, round=None, buckets=())
    route = route_of(transaction, outline_of(plan, move), move.only_buckets)
    # Run 0 is nobody: every copy then counts as made before.
    counted = account(transaction, route, Ticket(ours.seq, ours.route, run=0))
    live = latest_live_round(transaction, move.stores)
    superseded = live is not None and live.seq > ours.seq
    return MoveStatus(move, ours.state, superseded=superseded, round=ours.seq, buckets=counted)
