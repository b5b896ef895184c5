"""Stage clean, where the source is a table in which nothing is left but what this round made superfluous.

Then the table is truncated, which takes a moment and gives its space back at once, where deleted rows keep theirs.
"""

from __future__ import annotations

from executor.fence import hold
from executor.journal_sql import AS_SWITCHED, SAME_DOCUMENT
from executor.moving import MoveRun, Run
from executor.taking import wait_briefly
from schemas.errors import DeniedError
from stores.database import LockTimeoutError, Transaction
from stores.locations import Sql
from stores.tables import TableStore


def table_to_empty(run: Run, move: MoveRun) -> TableStore | None:
    """Return the source if it is such a table, as far as one look can tell."""
    source = move.source
    if not isinstance(source, TableStore):
        return None
    only = run.database.run(lambda opened: source.holds_only(opened, _superfluous(move)), snapshot=True)
    return source if only else None


def empty_table(run: Run, move: MoveRun, source: TableStore, proven: int) -> bool:
    """Empty the source's table under the fence, if it still is such a table; False: nothing was deleted.

    ``proven``: how many copies were found again at the destination just now. It must be all that are switched.
    """

    def work(transaction: Transaction) -> bool:
        wait_briefly(transaction)
        hold(transaction, move.ticket)
        states = "SELECT count(*) AS number FROM restow.copy WHERE route = :route AND state = 'switched'"
        left = transaction.one(states, route=move.ticket.route_id).number
        if not left:
            # Done by a try before this one, whose commit got no answer: nobody else changes what we hold.
            return True
        if left != proven or not source.empty(transaction, _superfluous(move)):
            return False
        done = "UPDATE restow.copy SET state = 'cleaned' WHERE route = :route AND state = 'switched'"
        transaction.execute(done, route=move.ticket.route_id)
        return True

    try:
        return run.database.run(work)
    except (LockTimeoutError, DeniedError):
        # Somebody reads the table, or its owner is another role: row by row it can be done all the same.
        return False


def _superfluous(move: MoveRun) -> Sql:
    """Return a query of the URLs of all payloads that this round may delete, by what rows and journal say."""
    return Sql(
        f"""
        SELECT DISTINCT c.old_url AS url FROM restow.copy c JOIN archive_metadata r ON {SAME_DOCUMENT}
        WHERE c.route = :route AND c.state = 'switched' AND {AS_SWITCHED}
          AND NOT EXISTS (SELECT FROM archive_metadata o WHERE o.content_url = c.old_url)
        """,
        {"route": move.ticket.route_id},
    )
