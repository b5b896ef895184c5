"""The journal's rounds, read side: which move was carried out last. Schema ``restow``, written by the executor only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from schemas.config import StoreName
from schemas.errors import DeniedError
from stores.database import Transaction

RoundState = Literal["copying", "verified", "switched", "cleaned", "undone"]
LIVE: frozenset[RoundState] = frozenset({"switched", "cleaned"})
"""States in which the store is at the round's destination."""


@dataclass(frozen=True, slots=True)
class Round:
    seq: int
    plan_digest: str
    store: StoreName
    shared: bool
    source: str
    """Identity of the source backend."""
    destination: str
    route: int
    state: RoundState
    owner: int
    """Number of the run that last took the round."""


def journal_exists(transaction: Transaction) -> bool:
    """Whether there are rounds to read.

    Raises DeniedError when this role may not, NotAnchoreError where Anchore's own tables are not there either: nothing
    is said of another database.
    """
    found = transaction.rows(
        """
        SELECT has_schema_privilege(relnamespace, 'USAGE') AND has_table_privilege(oid, 'SELECT') AS may,
               quote_ident(current_user) AS role
        FROM pg_class WHERE relnamespace = to_regnamespace('restow') AND relname = 'round'
        """
    )
    if not found:
        transaction.rows("SELECT 1 FROM archive_metadata LIMIT 0")
        return False
    if not found[0].may:
        role = found[0].role
        raise DeniedError(
            "the database role may not read the journal, in schema restow of Anchore's database",
            hint=f"ask for this: GRANT USAGE ON SCHEMA restow TO {role}; "
            f"GRANT SELECT ON ALL TABLES IN SCHEMA restow TO {role}",
        )
    return True


def latest_round(
    transaction: Transaction, stores: Sequence[StoreName], *, plan_digest: str | None = None
) -> Round | None:
    """Return the newest round of any of ``stores``, whatever its state; of one plan only, if asked."""
    return _newest(transaction, stores, "(CAST(:digest AS text) IS NULL OR plan_digest = :digest)", digest=plan_digest)


def latest_live_round(transaction: Transaction, stores: Sequence[StoreName]) -> Round | None:
    """Return the newest round of any of ``stores`` that was switched and not undone."""
    return _newest(transaction, stores, "state IN ('switched', 'cleaned')")


def _newest(transaction: Transaction, stores: Sequence[StoreName], condition: str, **params: object) -> Round | None:
    if not journal_exists(transaction):
        return None
    rows = transaction.rows(
        f"""
        SELECT seq, plan_digest, store, shared, source, destination, route, state, owner FROM restow.round
        WHERE (shared OR store = ANY(CAST(:stores AS text[]))) AND {condition}
        ORDER BY seq DESC LIMIT 1
        """,
        stores=list(stores),
        **params,
    )
    return Round(*rows[0]) if rows else None
