"""What apply, undo and clean do alike around their work: make the run, open its records, and end in order."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from executor.accounts import take_account
from executor.journal import Journal
from executor.moving import MoveRun, Orders, Run, Surroundings
from executor.recording import MoveRecord, Record
from schemas.errors import DeniedError, DocumentsFailedError, RefusedError, UnreachableError
from schemas.report import Stage


@dataclass(frozen=True)
class ApplyOptions:
    through: Stage
    verify: Literal["digest", "full"]
    jobs: int
    max_failures: int


@contextlib.contextmanager
def session(
    orders: Orders, moves: Iterable[MoveRun], options: ApplyOptions, around: Surroundings, record: Record
) -> Iterator[Run]:
    """Give the run for the block and keep its record true to the end, whatever ends the block.

    A backend that goes away or shuts us out now is no refusal any more: what was done stays, and the same command
    goes on.
    """
    try:
        # From the first round that is taken on, something is written.
        run = Run(
            plan=orders.plan,
            database=orders.database,
            # Without the lock: from here on no round is taken, and it is the fence that guards what is written.
            journal=Journal(orders.database),
            moves=tuple(moves),
            progress=around.progress,
            stop=around.stop,
            jobs=options.jobs,
            max_failures=options.max_failures,
            full=options.verify == "full",
        )
        for move in run.moves:
            account = take_account(orders.database, move.route, move.ticket)
            record.moves.append(MoveRecord(move, move.state, {one.bucket: one.documents for one in account}, account))
        yield run
    except (UnreachableError, DeniedError) as error:
        said = f"stopped half-way: {error.message}"
        raise DocumentsFailedError(said, hint=error.hint or "run the same command again") from error
    finally:
        for one in record.moves:
            if one.state != "undone":
                with contextlib.suppress(UnreachableError, DeniedError):
                    one.account = take_account(orders.database, one.run.route, one.run.ticket)


def confirm(around: Surroundings, question: str, *, declined: str) -> None:
    """Ask the operator. Raises RefusedError without a terminal to ask on, or when the answer is no."""
    if around.confirm is None:
        raise RefusedError("there is no terminal to ask on", hint="give --yes to answer beforehand")
    if not around.confirm(question):
        raise RefusedError(declined, hint="run the same command to go on")
