"""Who owns a round: it is taken as it was seen, or not at all."""

from __future__ import annotations

from dataclasses import replace

import pytest

from executor.fence import Ticket, hold
from executor.journal import Journal
from schemas.errors import LockedError, RefusedError
from stores.database import Database
from stores.rounds import Round, latest_round


@pytest.fixture
def journal(database: Database) -> Journal:
    return Journal(database)


def begun(database: Database, journal: Journal) -> Round:
    """Open a round of run 1, as it is then seen."""
    run = journal.create()
    with database.transaction() as transaction:
        transaction.execute(
            """
            INSERT INTO restow.route (store, source, destination, encoding) VALUES ('object_store', 'a', 'b', 'plain')
            ON CONFLICT DO NOTHING
            """
        )
        transaction.execute(
            """
            INSERT INTO restow.round (plan_digest, plan, store, shared, source, destination, route, state,
                                      owner, who, host)
            SELECT 'sha256:0', '{}', 'object_store', TRUE, 'a', 'b', id, 'copying', :run, 'me', 'here' FROM restow.route
            """,
            run=run,
        )
        seen = latest_round(transaction, ["object_store"])
    assert seen is not None
    return seen


def test_a_round_is_taken_by_one_run_after_the_other(database: Database, journal: Journal) -> None:
    seen = begun(database, journal)
    first, second = journal.create(), journal.create()

    taken = journal.resume_round(seen, first)
    assert journal.resume_round(seen, first) == taken, "once more, because the answer was lost"
    with pytest.raises(RefusedError, match="another run has taken over"):
        journal.resume_round(seen, second)
    journal.set_state(taken, "verified")
    with pytest.raises(RefusedError, match="another run has taken over"):
        journal.resume_round(replace(seen, owner=first), second)
    journal.resume_round(replace(seen, owner=first, state="verified"), second)
    with pytest.raises(RefusedError, match="another run has taken over"):
        journal.set_state(taken, "switched")


@pytest.mark.parametrize("shared", [False, True])
def test_no_round_is_held_once_a_later_run_has_one_of_its_own(
    database: Database, journal: Journal, *, shared: bool
) -> None:
    seen = begun(database, journal)
    mine = journal.resume_round(seen, journal.create())
    begun(database, journal)

    with pytest.raises(RefusedError, match="another run has taken over"), database.transaction() as transaction:
        hold(transaction, mine, shared=shared)


@pytest.mark.parametrize("shared", [False, True])
def test_no_round_is_taken_while_one_is_held(database: Database, journal: Journal, *, shared: bool) -> None:
    """Nor another: where the one deletes, the other may be about to write."""
    another, seen = begun(database, journal), begun(database, journal)
    mine, other = journal.resume_round(seen, journal.create()), journal.create()
    with database.transaction() as transaction:
        hold(transaction, mine, shared=shared)
        with pytest.raises(LockedError, match="still at work"):
            journal.resume_round(another, other)
    journal.resume_round(another, other)


def test_workers_of_one_run_hold_the_round_together(database: Database, journal: Journal) -> None:
    mine = journal.resume_round(begun(database, journal), journal.create())
    with database.transaction() as one, database.transaction() as other:
        for transaction in (one, other):
            transaction.execute("SET LOCAL lock_timeout = '100ms'")
            hold(transaction, mine, shared=True)


def test_a_round_that_is_not_there_is_not_held(database: Database, journal: Journal) -> None:
    begun(database, journal)
    with pytest.raises(RefusedError), database.transaction() as transaction:
        hold(transaction, Ticket(seq=99, route_id=1, run=1))
