"""``apply`` and ``status``: read the plan, find its configs, run, and tell what was done, whatever happens."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, assert_never

import typer

from restow.files import PRIVATE, print_product, require_writable, write_file
from restow.global_options import GlobalOptions
from schemas.canonical import file_text
from schemas.errors import RestowError, UsageError
from schemas.exit_codes import ExitCode
from schemas.plan import Plan
from schemas.report import Report, Stage

if TYPE_CHECKING:
    from executor.moving import Orders
    from executor.recording import Record
    from executor.session import ApplyOptions
    from schemas.config import StorageConfig

CONNECTIONS = 8
"""To the database; fewer than jobs, because a worker holds one only while it reads rows or writes the journal."""


@dataclass(frozen=True)
class Target:
    """The plan and where its configs are."""

    plan: Path
    source: Path | None
    destination: Path | None


@dataclass(frozen=True)
class ApplyRequest:
    """What ``apply`` was asked for; ``undo`` and ``clean`` leave the rest at its defaults."""

    target: Target
    command: Literal["apply", "undo", "clean"] = "apply"
    dry_run: bool = False
    yes: bool = False
    through: Stage = "clean"
    verify: Literal["digest", "full"] = "digest"
    expect: str | None = None
    jobs: int = 16
    max_failures: int = 1000
    max_seconds: float | None = None
    report: Path | None = None
    snippet: Path | None = None


def run_command(options: GlobalOptions, request: ApplyRequest) -> int:
    """Carry the command out, write its report and print its snippet; return 0, or raise what ended it."""
    from executor.moving import Orders
    from executor.recording import Record
    from planner.read_plan import read_plan

    plan = read_plan(request.target.plan, expect=request.expect)
    for file in (request.report, request.snippet):
        if file is not None:
            require_writable(file)
    source, destination = _configs(plan, request.target)
    database = options.database(source, connections=CONNECTIONS)
    orders = Orders(plan, source, destination, database)
    if request.dry_run:
        with contextlib.closing(database):
            print_product(_rehearsal(orders, request))
        return 0
    record = Record(request.command, plan)
    ended_by: RestowError | None = None
    exit_code = ExitCode.UNEXPECTED
    try:
        with contextlib.closing(database):
            _execute(options, request, orders, record)
        exit_code = ExitCode.DONE
    except RestowError as error:
        ended_by, exit_code = error, error.exit_code
        raise
    finally:
        # Whatever ends the run: what is in force now, then what was done. Neither may hide how it ended.
        _deliver_snippet(options, request, orders, record)
        _write_report(options, request, record.report(ended_by, exit_code))
    options.talk.say(record.outcome)
    return 0


def _execute(options: GlobalOptions, request: ApplyRequest, orders: Orders, record: Record) -> None:
    from executor.apply import apply
    from executor.clean_later import clean
    from executor.moving import Surroundings
    from executor.stopping import Stop
    from executor.undo import undo
    from restow.progress_view import progress_view
    from restow.signals import stop_on_signals

    stop = Stop(max_seconds=request.max_seconds)
    with (
        progress_view(options.talk, wanted=options.progress, lines=options.log_format == "json") as progress,
        stop_on_signals(stop),
    ):
        around = Surroundings(progress, stop, _confirmation(yes=request.yes))
        match request.command:
            case "apply":
                apply(orders, _run_options(request), around, record)
            case "undo":
                undo(orders, _run_options(request), around, record)
            case "clean":
                clean(orders, _run_options(request), around, record)


def _rehearsal(orders: Orders, request: ApplyRequest) -> str:
    from executor.rehearsal import rehearse, rehearse_clean, rehearse_undo

    match request.command:
        case "apply":
            return rehearse(orders, _run_options(request))
        case "undo":
            return rehearse_undo(orders)
        case "clean":
            return rehearse_clean(orders)


def _run_options(request: ApplyRequest) -> ApplyOptions:
    from executor.session import ApplyOptions

    return ApplyOptions(request.through, request.verify, request.jobs, request.max_failures)


def run_status(options: GlobalOptions, target: Target) -> None:
    """Print how far the plan is."""
    from executor.render import status_text
    from executor.status import take_status
    from planner.load import load_config
    from planner.read_plan import read_plan

    plan = read_plan(target.plan)
    config = load_config(target.source or target.plan.parent / plan.source.config, environment=os.environ)
    database = options.database(config)
    try:
        print_product(status_text(take_status(database, plan)))
    finally:
        database.close()


def _configs(plan: Plan, target: Target) -> tuple[StorageConfig, StorageConfig]:
    from planner.load import load_config, load_destination

    beside = target.plan.parent
    return (
        load_config(target.source or beside / plan.source.config, environment=os.environ),
        load_destination(target.destination or beside / plan.destination.config, plan, environment=os.environ),
    )


def _confirmation(*, yes: bool) -> Callable[[str], bool] | None:
    if yes:
        return lambda _question: True
    return _ask if sys.stdin.isatty() else None


def _ask(question: str) -> bool:
    try:
        return typer.confirm(question, err=True)
    except typer.Abort:  # the end of input is no yes
        return False


def _write_report(options: GlobalOptions, request: ApplyRequest, report: Report) -> None:
    """Write the report where it was asked for; beside the plan only when a run had begun."""
    if request.report is None and not report.moves:
        return
    path = request.report or request.target.plan.with_suffix(".report.json")
    _write_private(options, path, file_text(report.document()), what="report")


def _deliver_snippet(options: GlobalOptions, request: ApplyRequest, orders: Orders, record: Record) -> None:
    """Print the section that must be set once the switch, or its undoing, is done, and only then."""
    from executor.snippet import private_text, snippet_text
    from planner.snippet import complete_snippet, own_form, redacted_snippet

    match record.now_reads:
        case "destination":
            config = orders.destination
        case "source":
            config = orders.source
        case None:
            return
        case _:
            assert_never(record.now_reads)
    print_product(snippet_text(redacted_snippet(config, own_form(config))))
    if request.snippet is not None:
        _write_private(options, request.snippet, private_text(complete_snippet(config)), what="snippet")


def _write_private(options: GlobalOptions, path: Path, text: str, *, what: str) -> None:
    """Write a file at the end of a run; that it cannot be written is told, but does not change how the run ended."""
    try:
        write_file(path, text, mode=PRIVATE)
    except UsageError as error:
        options.talk.error(f"the {what} is lost: {error.message}", error.hint)
    else:
        options.talk.say(f"{what}: {path}")
