"""The fence: every transaction that writes for a round makes sure first that this run still owns the round."""

from __future__ import annotations

from dataclasses import dataclass

from executor.taking import taken_over
from stores.database import Transaction


@dataclass(frozen=True, slots=True)
class Ticket:
    """A round that this run owns, and the route its copies are known under."""

    seq: int
    route_id: int
    run: int
    restores: int | None = None
    """While a round is undone: its route. Rows that its switched copies can put back need no copy."""

    def forward(self) -> Ticket:
        """Return the ticket of the round that is undone."""
        return Ticket(self.seq, self.restores or self.route_id, self.run)


def hold(transaction: Transaction, ticket: Ticket, *, shared: bool = False) -> None:
    """Lock the round's row until the transaction ends and make sure that this run still owns it: the fence.

    The advisory lock is none: a statement of a killed run may still be at work when the next run starts, and a run may
    lose the lock and live. Nobody takes a round while its row is locked. ``shared``: others of this run may hold it
    too, for what only the journal sees; what cannot be taken back is done alone.
    """
    rows = transaction.rows(
        f"""
        SELECT owner = :run AND NOT EXISTS (SELECT FROM restow.round WHERE owner > :run) AS ours
        FROM restow.round WHERE seq = :seq FOR {"SHARE" if shared else "UPDATE"}
        """,
        seq=ticket.seq,
        run=ticket.run,
    )
    if not rows or not rows[0].ours:
        raise taken_over()
