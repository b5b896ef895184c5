"""Taking a round: what a run does in its journal before the round is its own."""

from __future__ import annotations

import getpass
import os
import socket

from schemas.config import Compression
from schemas.errors import RefusedError
from schemas.plan import Move
from stores.catalog import Route
from stores.database import Transaction
from stores.lock import MigrationLock
from stores.rounds import Round, latest_live_round

CLAIM_TIMEOUT = "1s"
"""For one try; with those after it about as long as the migration lock is tried for."""


def wait_briefly(transaction: Transaction) -> None:
    """Let whatever else this transaction has to wait for, such as a statement of a killed run, end it soon."""
    transaction.execute(f"SET LOCAL lock_timeout = '{CLAIM_TIMEOUT}'")


def claim(transaction: Transaction, lock: MigrationLock | None) -> None:
    """Wait until nobody is at work under the fence, and keep all others from it until the transaction ends.

    Whoever still has the migration lock then is the only one who can take a round. Raises LockTimeoutError when
    somebody stays at work, DocumentsFailedError when the lock is lost.
    """
    wait_briefly(transaction)
    # Whoever holds a row of this table by SELECT … FOR is in its way.
    transaction.execute("LOCK TABLE restow.round IN EXCLUSIVE MODE")
    if lock is not None:
        lock.require("this run has not begun")


def take(transaction: Transaction, one: Round, run: int) -> None:
    """Own a round, if it is still as it was looked at."""
    taken = transaction.execute(
        """
        UPDATE restow.round SET owner = :run, who = :who, host = :host
        WHERE seq = :seq AND owner IN (:seen, :run) AND state = :state
        """,
        run=run, seen=one.owner, state=one.state, who=who(), host=socket.gethostname(), seq=one.seq,
    )  # fmt: skip
    if not taken:
        raise taken_over()


def who() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container may run under a number that has no name
        return f"uid {os.getuid()}"


def taken_over() -> RefusedError:
    return RefusedError(
        "another run has taken over this migration",
        hint="let that one finish, then look with restow verify: this one may have had copies in hand",
    )


def route_number(transaction: Transaction, move: Move, route: Route, encoding: Compression) -> int:
    """Return the number under which copies on this route are known; the first time it is given."""
    key = {
        "store": move.store,
        "source": route.source.identity,
        "destination": route.destination.identity,
        "encoding": f"zlib>{encoding.min_size_kbytes}k" if encoding.enabled else "plain",
    }
    transaction.execute(
        """
        INSERT INTO restow.route (store, source, destination, encoding)
        VALUES (:store, :source, :destination, :encoding) ON CONFLICT DO NOTHING
        """,
        **key,
    )
    found = transaction.one(
        """
        SELECT id FROM restow.route
        WHERE store = :store AND source = :source AND destination = :destination AND encoding = :encoding
        """,
        **key,
    )
    return int(found.id)


def void_outdated_copies(transaction: Transaction, move: Move, route_id: int) -> None:
    """Believe no copy of the route that was made before the store last lived elsewhere.

    It may have been rewritten or cleaned since, whatever its row says. It stays known: its row may be gone and it not.
    """
    live = latest_live_round(transaction, move.stores)
    if live is not None and live.route != route_id:
        transaction.execute(
            "UPDATE restow.copy SET state = 'intended' WHERE route = :route AND run <= :run AND state <> 'accepted'",
            route=route_id,
            run=live.owner,
        )


def take_in_copies(transaction: Transaction, route_id: int) -> None:
    """Let copies that were made with another compression for the same places be this route's, not yet made.

    They stand at the same URLs. Where a document was deleted since, nobody else would know of its copy.
    """
    kin = """
        c.state IN ('intended', 'copied') AND c.route IN (
            SELECT k.id FROM restow.route k JOIN restow.route o USING (store, source, destination)
            WHERE o.id = :route AND k.id <> :route)
    """
    transaction.execute(
        f"""
        INSERT INTO restow.copy (route, bucket, archive_id, user_id, document_name, new_url, state, run)
        SELECT CAST(:route AS integer), c.bucket, c.archive_id, c.user_id, c.document_name, c.new_url, 'intended', c.run
        FROM restow.copy c WHERE {kin} ON CONFLICT DO NOTHING
        """,
        route=route_id,
    )
    transaction.execute(f"DELETE FROM restow.copy c WHERE {kin}", route=route_id)
