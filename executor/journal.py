"""The journal: schema ``restow`` in Anchore's database. Rows of Anchore's are the truth, these are the evidence.

``round``: one execution of one move. ``route``: two backends and an encoding, under which copies are known to any later
plan. ``copy``: one document on one route: the whole old row, the new one, and how far it is.
A number from the sequence ``run`` names each run; it is what owns a round and what vouches for a copy.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from executor.fence import Ticket, hold
from executor.journal_sql import (
    ACCEPTED,
    COPIED_TYPES,
    DONE,
    INTENT,
    INTENT_TYPES,
    KEYS_MATCH,
    READY,
    each_copy,
    left_alone,
    listed,
    restorable,
)
from executor.journal_tables import SCHEMA, TABLES
from executor.taking import (
    claim,
    route_number,
    take,
    take_in_copies,
    void_outdated_copies,
    wait_briefly,
    who,
)
from schemas.canonical import canonical_text
from schemas.config import Compression
from schemas.plan import Move, Plan
from stores.catalog import ROW_COLUMNS, ROW_KEY, Place, Route, after_sql, at_sql, json_rows, scope_sql, to_row
from stores.database import Database, LockTimeoutError, Transaction
from stores.interface import DocumentName, Row
from stores.lock import MigrationLock, still_at_work
from stores.rounds import Round, RoundState

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Copied:
    """A document as it now lies at the destination."""

    row: Row
    """The row as it was when the payload was read."""
    url: str
    digest: str
    size: int
    is_compressed: bool
    content_sha256: str | None
    """Hex; None: the payload did not pass through us."""
    found: bool
    """Whether the destination has said what it stored, not only that it did."""


class Journal:
    """All statements on the journal's tables. Thread-safe; each method is one transaction, safe to run twice.

    Rounds are taken, and under the fence everything is written: RefusedError when another run took over.
    """

    def __init__(self, database: Database, lock: MigrationLock | None = None) -> None:
        """Take the lock of whoever means to take rounds."""
        self._database = database
        self._lock = lock

    def create(self) -> int:
        """Create the schema where it is missing and return the number of a new run.

        Raises DeniedError, LockedError while another run is creating it.
        """

        def work(transaction: Transaction) -> int:
            wait_briefly(transaction)
            known = transaction.one(
                """
                SELECT to_regnamespace('restow') IS NOT NULL AS schema, to_regclass('restow.copy') IS NOT NULL AS tables
                """
            )
            # Also where it exists PostgreSQL asks for the right to create it.
            for statement in () if known.tables else TABLES if known.schema else (SCHEMA, *TABLES):
                transaction.execute(statement)
            return int(transaction.one("SELECT nextval('restow.run') AS run").run)

        return self._alone(work)

    def open_round(self, plan: Plan, move: Move, route: Route, encoding: Compression, run: int) -> Ticket:
        """Open a round of ``plan`` that this run owns. Raises LockedError while another is at work on one."""

        def work(transaction: Transaction) -> Ticket:
            route_id = route_number(transaction, move, route, encoding)
            # Opened before, when the reply to the commit was lost?
            known = transaction.rows(
                "SELECT seq FROM restow.round WHERE owner = :run AND store = :store", run=run, store=move.store
            )
            if known:
                return Ticket(known[0].seq, route_id, run)
            void_outdated_copies(transaction, move, route_id)
            take_in_copies(transaction, route_id)
            seq = transaction.one(
                """
                INSERT INTO restow.round (plan_digest, plan, store, shared, source, destination, route, state,
                                          owner, who, host)
                VALUES (:digest, :plan, :store, :shared, :source, :destination, :route, 'copying', :run, :who, :host)
                RETURNING seq
                """,
                digest=plan.plan_digest, plan=canonical_text(plan.document()), store=move.store, shared=move.shared,
                source=route.source.identity, destination=route.destination.identity, route=route_id,
                run=run, who=who(), host=socket.gethostname(),
            ).seq  # fmt: skip
            return Ticket(seq, route_id, run)

        return self._claiming(work)

    def resume_round(self, one: Round, run: int) -> Ticket:
        """Go on with a round; this run owns it from now on. Raises LockedError while another is at work on one."""

        def work(transaction: Transaction) -> Ticket:
            take(transaction, one, run)
            if one.state in {"copying", "verified"}:
                take_in_copies(transaction, one.route)
            return Ticket(one.seq, one.route, run)

        return self._claiming(work)

    def turn_round(self, one: Round, move: Move, back: Route, encoding: Compression, run: int) -> Ticket:
        """Own a switched round in order to undo it: copies go the other way, on a route of their own."""

        def work(transaction: Transaction) -> Ticket:
            take(transaction, one, run)
            route_id = route_number(transaction, move, back, encoding)
            # Copies made on this route before are none of this undo; those not yet switched to are looked at again.
            transaction.execute(
                "DELETE FROM restow.copy WHERE route = :route AND state IN ('switched', 'cleaned', 'accepted')",
                route=route_id,
            )
            return Ticket(one.seq, route_id, run, restores=one.route)

        return self._claiming(work)

    def _claiming(self, work: Callable[[Transaction], T]) -> T:
        def claimed(transaction: Transaction) -> T:
            claim(transaction, self._lock)
            return work(transaction)

        return self._alone(claimed)

    def _alone(self, work: Callable[[Transaction], T]) -> T:
        try:
            return self._database.run(work)
        except LockTimeoutError as error:
            raise still_at_work(None) from error

    def set_state(self, ticket: Ticket, state: RoundState) -> None:
        def work(transaction: Transaction) -> None:
            hold(transaction, ticket)
            mark(transaction, ticket, state)

        self._database.run(work)

    def next_to_copy(self, route: Route, ticket: Ticket, after: DocumentName | None, limit: int) -> list[Row]:
        """Return the next rows at the source that have no copy to switch to, in the order of the primary key."""
        condition = f"""({READY}) IS NOT TRUE AND ({_switched_in_place(route)}) IS NOT TRUE AND {ACCEPTED} IS NOT TRUE
                  AND NOT {restorable(ticket.restores)} AND NOT {left_alone(ticket.restores)}"""
        return self._rows(route, ticket, "source", condition, after, limit)

    def strangers(self, route: Route, ticket: Ticket, after: DocumentName | None, limit: int) -> list[Row]:
        """Return the next rows at the destination that no copy of this route has put there."""
        condition = f"({DONE}) IS NOT TRUE AND {ACCEPTED} IS NOT TRUE AND NOT {left_alone(ticket.restores)}"
        return self._rows(route, ticket, "destination", condition, after, limit)

    def _rows(  # noqa: PLR0917 - what a page is asked by
        self, route: Route, ticket: Ticket, at: Place, condition: str, after: DocumentName | None, limit: int
    ) -> list[Row]:
        scope, there = scope_sql(route), at_sql(route, at)
        position = after_sql(ROW_KEY, after)
        rows = self._database.run(
            lambda transaction: transaction.rows(
                f"""
                SELECT {ROW_COLUMNS} FROM archive_metadata r
                {each_copy()}
                WHERE {scope.text} AND {there.text} AND {condition} AND {position.text}
                ORDER BY {ROW_KEY} LIMIT :limit
                """,
                route=ticket.route_id, limit=limit, **scope.params, **there.params, **position.params,
            )
        )  # fmt: skip
        return [to_row(row) for row in rows]

    def intend(self, ticket: Ticket, rows: Sequence[tuple[Row, str]]) -> None:
        """Record what is about to be written where, before the first byte of it is."""
        self._fenced(ticket, lambda transaction: record(transaction, ticket, rows, "intended"))

    def void_acceptances(self, ticket: Ticket) -> None:
        """Forget what earlier runs accepted: each run finds it anew, by its own plan."""
        void = "DELETE FROM restow.copy WHERE route = :route AND state = 'accepted'"
        self._fenced(ticket, lambda transaction: transaction.execute(void, route=ticket.route_id))

    def copied(self, ticket: Ticket, copies: Sequence[Copied], *, full: bool) -> None:
        """Record copies that were written to the destination. ``full``: verify is to read them back."""
        records = [
            dict(one.row.name._asdict())
            | {
                "new_digest": one.digest,
                "new_size": one.size,
                "new_compressed": one.is_compressed,
                "content_sha256": one.content_sha256,
                "found": one.found and not full,
            }
            for one in copies
        ]
        self._fenced(
            ticket,
            lambda transaction: transaction.execute(
                f"""
                UPDATE restow.copy c SET new_digest = n.new_digest, new_size = n.new_size,
                    new_compressed = n.new_compressed, content_sha256 = n.content_sha256,
                    state = 'copied', checked = CASE WHEN n.found THEN c.run END
                FROM {listed(COPIED_TYPES)} WHERE {KEYS_MATCH} AND c.run = :run
                """,
                route=ticket.route_id, run=ticket.run, names=json_rows(records),
            ),
        )  # fmt: skip

    def analyze(self) -> None:
        """Let PostgreSQL see how the copies of a pass have filled the table; else it would sort them for each page."""
        # Where somebody does that just now, that will do.
        self._database.run(lambda transaction: transaction.execute("ANALYZE (SKIP_LOCKED) restow.copy"))

    def _fenced(self, ticket: Ticket, work: Callable[[Transaction], object]) -> None:
        def held(transaction: Transaction) -> None:
            hold(transaction, ticket, shared=True)
            work(transaction)

        self._database.run(held)


def record(
    transaction: Transaction,
    ticket: Ticket,
    rows: Sequence[tuple[Row, str]],
    state: Literal["intended", "accepted"],
) -> None:
    """Record rows, each with the URL that its copy is to get, or, accepted as they are, will not get."""
    records = [_old(row) | {"new_url": url} for row, url in rows]
    transaction.execute(
        f"""
        INSERT INTO restow.copy ({INTENT}, route, state, run)
        SELECT {INTENT}, :route, :state, :run
        FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS n({INTENT_TYPES})
        ON CONFLICT (route, bucket, archive_id, user_id, document_name) DO UPDATE SET
            old_url = excluded.old_url, old_digest = excluded.old_digest, old_size = excluded.old_size,
            old_compressed = excluded.old_compressed, old_updated = excluded.old_updated,
            new_url = excluded.new_url, new_digest = NULL, new_size = NULL, new_compressed = NULL,
            content_sha256 = NULL, state = excluded.state, run = excluded.run, checked = NULL
        """,
        route=ticket.route_id,
        run=ticket.run,
        state=state,
        rows=json_rows(records),
    )


def mark(transaction: Transaction, ticket: Ticket, state: RoundState) -> None:
    transaction.execute(
        """
        UPDATE restow.round SET state = :state,
            switched = CASE WHEN :state = 'switched' THEN clock_timestamp() ELSE switched END,
            ended = CASE WHEN :state IN ('cleaned', 'undone') THEN clock_timestamp() ELSE ended END
        WHERE seq = :seq
        """,
        state=state,
        seq=ticket.seq,
    )


def _switched_in_place(route: Route) -> str:
    # Where the URL does not change, a switched row still looks as if it were at the source.
    return DONE if route.same_urls else "FALSE"


def _old(row: Row) -> dict[str, object]:
    return dict(row.name._asdict()) | {
        "old_url": row.content_url,
        "old_digest": row.digest,
        "old_size": row.size,
        "old_compressed": row.is_compressed,
        "old_updated": row.last_updated,
    }
