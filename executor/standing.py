"""How far a plan is, by the journal's rounds and Anchore's rows: what every command asks first."""

from __future__ import annotations

from dataclasses import dataclass

from executor.accepting import Exempt, find_exempt
from executor.accounts import left_at_source
from planner.diff import Outline
from planner.inventory import Inventory, route_of, take_inventory
from schemas.plan import Move, Plan
from schemas.report import Stage
from stores.database import Database, Transaction
from stores.rounds import LIVE, Round, latest_live_round, latest_round


@dataclass(frozen=True)
class Standing:
    """One look at rounds and rows, in one snapshot."""

    rounds: tuple[Round | None, ...]
    """For each move the plan's round that ``apply`` would go on with; None when it would open one."""
    inventories: tuple[Inventory, ...]
    exempt: tuple[Exempt, ...]
    """For each move the rows that the plan may leave as they are, as far as rows alone can tell."""
    left_alone: tuple[int, ...]
    """For each move how many documents at the source its round has left there, because the plan accepts it."""

    @property
    def switched(self) -> bool:
        """Whether all moves are switched and no document has appeared at a source since."""
        return bool(self.rounds) and all(
            one is not None and one.state in LIVE and (found.route.same_urls or found.totals.to_copy == left)
            for one, found, left in zip(self.rounds, self.inventories, self.left_alone, strict=True)
        )

    def done(self, plan: Plan, through: Stage) -> bool:
        """Whether there is nothing left to do for ``apply --through``."""
        if not self.switched:
            return not plan.moves and not plan.offline
        if through != "clean":
            return True
        return all(
            one is not None and (one.state == "cleaned" or not move.delete_source)
            for one, move in zip(self.rounds, plan.moves, strict=True)
        )

    def resumed(self, index: int) -> Round | None:
        """Return the round that a run goes on with for that move; None: it opens one.

        A round that was switched is over when its plan has documents to move again.
        """
        one = self.rounds[index]
        return None if one is not None and one.state in LIVE and not self.switched else one


def outline_of(plan: Plan, move: Move) -> Outline:
    """Return the move as the plan approved it, not as the configs of today say."""
    return Outline(
        store=move.store,
        shared=move.shared,
        source=plan.source.store(move.store).backend,
        destination=plan.destination.store(move.store).backend,
    )


def take_standing(database: Database, plan: Plan) -> Standing:
    """Look at rounds and rows in one snapshot."""

    def work(transaction: Transaction) -> Standing:
        routes = [route_of(transaction, outline_of(plan, move), move.only_buckets) for move in plan.moves]
        rounds = tuple(_round_to_go_on_with(transaction, plan, move) for move in plan.moves)
        return Standing(
            rounds=rounds,
            inventories=tuple(take_inventory(transaction, route) for route in routes),
            exempt=tuple(find_exempt(transaction, plan, route) for route in routes),
            # Of a plan that accepts nothing there is nothing to count, and counting reads every row.
            left_alone=tuple(
                left_at_source(transaction, route, one) if plan.accepted else 0
                for route, one in zip(routes, rounds, strict=True)
            ),
        )

    return database.run(work, snapshot=True)


def last_rounds(database: Database, plan: Plan) -> tuple[Round | None, ...]:
    """Return each move's last round of this plan that was switched or undone, else the one under way.

    None also when a later switch superseded it.
    """

    def work(transaction: Transaction) -> tuple[Round | None, ...]:
        return tuple(_ended_round(transaction, plan, move) for move in plan.moves)

    return database.run(work, snapshot=True)


def superseded(database: Database, plan: Plan) -> bool:
    """Whether a round of this plan exists and the store has been switched by a later one since."""

    def work(transaction: Transaction) -> bool:
        return any(
            latest_round(transaction, move.stores, plan_digest=plan.plan_digest) is not None
            and _last_round(transaction, plan, move) is None
            for move in plan.moves
        )

    return database.run(work, snapshot=True)


def _last_round(transaction: Transaction, plan: Plan, move: Move) -> Round | None:
    mine = latest_round(transaction, move.stores, plan_digest=plan.plan_digest)
    live = latest_live_round(transaction, move.stores)
    return mine if mine is not None and (live is None or live.seq <= mine.seq) else None


def _ended_round(transaction: Transaction, plan: Plan, move: Move) -> Round | None:
    """Return the plan's last round; while it copies again for a second one, the one that it switched."""
    mine = _last_round(transaction, plan, move)
    live = latest_live_round(transaction, move.stores)
    if mine is not None and mine.state in {"copying", "verified"} and live is not None:
        return live if live.plan_digest == plan.plan_digest else mine
    return mine


def _round_to_go_on_with(transaction: Transaction, plan: Plan, move: Move) -> Round | None:
    mine = _last_round(transaction, plan, move)
    if mine is None or mine.state == "undone":
        return None
    newest = latest_round(transaction, move.stores)
    # Copying ahead for a later plan does not take a switched store away from this one.
    return mine if mine.state in LIVE or (newest is not None and newest.seq == mine.seq) else None
