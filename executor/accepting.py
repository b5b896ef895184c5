"""Documents that the plan accepts to leave as they are (``--ignore``): found anew by each run, and held to the plan.

What rows alone can tell is found before the run, in one snapshot; what only payloads can tell shows when they are read.
Either way the plan's own count and digest decide: what grew beyond them is not accepted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from executor import journal
from executor.failures import Failure
from executor.fence import hold
from executor.moving import MoveRun, Run
from executor.recording import MoveRecord, Record
from executor.unswitched import copies_of
from planner.acceptance import BY_ROWS, acceptance, still_holds
from planner.inventory import documents_of
from schemas.errors import DocumentsFailedError
from schemas.plan import Accepted, Plan
from stores.catalog import Route, rows_named
from stores.database import Transaction
from stores.interface import DocumentName, Row
from stores.locations import content_url

BATCH_DOCUMENTS = 1000

Exempt = Mapping[str, tuple[Row, ...]]
"""For each accepted code that rows alone can tell: the rows of one move that it holds for now."""


def find_exempt(transaction: Transaction, plan: Plan, route: Route) -> Exempt:
    """Find the rows of one move that the plan may leave as they are, in the caller's snapshot."""
    names = {one.code: documents_of(transaction, route, one.code) for one in plan.accepted if one.code in BY_ROWS}
    return {code: tuple(_rows(transaction, listed)) for code, listed in names.items()}


def is_accepted(plan: Plan, code: str, exempt: Sequence[Exempt]) -> bool:
    """Whether the plan takes this finding on and, as far as rows can tell, it has not grown since."""
    planned = accepted_entry(plan, code)
    if planned is None:
        return False
    return code not in BY_ROWS or still_holds(
        planned, acceptance(code, (row.name for one in exempt for row in one[code]))
    )


def begin_accepting(run: Run, exempt: Sequence[Exempt]) -> None:
    """Record which rows this run leaves as they are; what earlier runs accepted is void."""
    for move, found in zip(run.moves, exempt, strict=True):
        run.journal.void_acceptances(move.ticket)
        _record(run, move, list({row.name: row for rows in found.values() for row in rows}.values()))


def take_accepted(run: Run, record: Record, one: MoveRecord, failures: Sequence[Failure]) -> list[Failure]:
    """Record the failures that the plan accepts, and return those that it does not."""
    if one.run.ticket.restores is not None:
        # Nobody reviewed what an undo would leave behind.
        return list(failures)
    left: list[Failure] = []
    for code in dict.fromkeys(failure.finding for failure in failures):
        found = [failure for failure in failures if failure.finding == code]
        planned = accepted_entry(run.plan, code) if code is not None else None
        if planned is None:
            left += found
            continue
        one.exempt.setdefault(planned.code, set()).update(failure.name for failure in found)
        everywhere = {name for each in record.moves for name in each.exempt.get(planned.code, ())}
        if still_holds(planned, acceptance(planned.code, everywhere)):
            _record(run, one.run, [failure.row for failure in found])
        else:
            left += found
    return left


def accepted_entry(plan: Plan, code: str) -> Accepted | None:
    return next((one for one in plan.accepted if one.code == code), None)


def _rows(transaction: Transaction, names: Sequence[DocumentName]) -> Iterator[Row]:
    for start in range(0, len(names), BATCH_DOCUMENTS):
        yield from rows_named(transaction, names[start : start + BATCH_DOCUMENTS]).values()


def _record(run: Run, move: MoveRun, rows: Sequence[Row]) -> None:
    for start in range(0, len(rows), BATCH_DOCUMENTS):
        run.database.run(partial(_leave_as_it_is, move, rows[start : start + BATCH_DOCUMENTS]))


def _leave_as_it_is(move: MoveRun, rows: Sequence[Row], transaction: Transaction) -> None:
    hold(transaction, move.ticket)
    # Nobody would know of a copy that was made ahead any more.
    made = copies_of(transaction, move.ticket, [row.name for row in rows])
    faults = move.destination.delete([one.new_url for one in made if not one.owned])
    kept = [fault.detail for fault in faults if fault is not None]
    if kept:
        raise DocumentsFailedError(
            f"{len(kept)} copies of documents that the plan leaves as they are could not be deleted: {kept[0]}",
            hint="remove what keeps them there, then run the same command again",
        )
    destination = move.route.destination.location
    left = [(row, content_url(destination, row.name)) for row in rows]
    journal.record(transaction, move.ticket, left, "accepted")
