"""``apply``, ``undo``, ``clean`` and ``status``: read the plan, find its configs, run, and tell what was done."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, assert_never

from restow.asking import ask
from restow.files import PRIVATE, print_product, put_out, require_apart, require_writable, write_file
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
    from executor.stopping import Stop
    from restow.progress_view import View
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
    jobs: int
    command: Literal["apply", "undo", "clean"] = "apply"
    dry_run: bool = False
    yes: bool = False
    through: Stage = "clean"
    verify: Literal["digest", "full"] = "digest"
    expect: str | None = None
    max_failures: int = 1000
    max_seconds: float | None = None
    report: Path | None = None
    snippet: Path | None = None


def run_command(options: GlobalOptions, request: ApplyRequest) -> int:
    """Carry the command out, write its report and print its snippet; return 0, or raise what ended it."""
    from executor.stopping import Stop
    from restow.signals import stop_on_signals

    if request.dry_run:
        orders = _orders(options, request)
        with contextlib.closing(orders.database):
            print_product(_rehearsal(orders, request))
        return 0
    stop = Stop(max_seconds=request.max_seconds)
    # From the start, and to the end: a first signal while the report is being written must not lose it.
    with stop_on_signals(stop, options.talk):
        outcome = _run_and_tell(options, request, _orders(options, request), stop)
    options.talk.say(outcome)
    return 0


def _orders(options: GlobalOptions, request: ApplyRequest) -> Orders:
    """Read plan and configs, and open the database; refuse outputs that cannot be written."""
    from executor.moving import Orders
    from planner.read_plan import read_plan

    plan = read_plan(request.target.plan, expect=request.expect)
    source, destination = _configs(plan, request.target)
    read = [request.target.plan, Path(source.path), Path(destination.path)]
    require_apart([request.report or _beside(request.target.plan), request.snippet], read)
    for file in (request.report, request.snippet):
        if file is not None:
            require_writable(file)
    _tell_other_database(options, plan, source)
    return Orders(plan, source, destination, options.database(source, connections=CONNECTIONS))


def _tell_other_database(options: GlobalOptions, plan: Plan, source: StorageConfig | None) -> None:
    """Say when it is another database than the plan names: documents may be others there."""
    from planner.config_findings import named_database
    from stores.database_url import parse_url

    if options.db_connect is not None:
        where, used = "--db-connect or RESTOW_DB_CONNECT", parse_url(options.db_connect).name
    elif source is not None and (found := named_database(source)) is not None:
        where, used = source.path, found
    else:
        return
    if plan.database is None or used == plan.database:
        return
    named, planned = (f"{one.host}:{one.port}/{one.name}" for one in (used, plan.database))
    options.talk.say(f"{where} names another database than the plan: {named}, not {planned}", level="warning")


def _run_and_tell(options: GlobalOptions, request: ApplyRequest, orders: Orders, stop: Stop) -> str:
    """Return what was done, or raise what ended it; deliver snippet and report either way."""
    from executor.recording import Record

    record = Record(request.command, orders.plan)
    ended_by: RestowError | None = None
    exit_code = ExitCode.UNEXPECTED
    try:
        with contextlib.closing(orders.database):
            _execute(options, request, orders, record, stop)
        exit_code = ExitCode.DONE
    except RestowError as error:
        ended_by, exit_code = error, error.exit_code
        raise
    finally:
        # Whatever ends the run: what is in force now, then what was done. Neither may hide how it ended.
        lost = _deliver_snippet(options, request, orders, record)
        _write_report(options, request, _with_loss(record.report(ended_by, exit_code), lost))
    return record.outcome


def _execute(options: GlobalOptions, request: ApplyRequest, orders: Orders, record: Record, stop: Stop) -> None:
    from executor.apply import apply
    from executor.clean_later import clean
    from executor.moving import Surroundings
    from executor.undo import undo
    from restow.progress_view import progress_view

    with progress_view(options.talk, wanted=options.progress, lines=options.log_format == "json") as progress:
        around = Surroundings(progress, stop, _confirmation(stop, progress, yes=request.yes), pause=stop.rest)
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
            return rehearse_undo(orders, _run_options(request))
        case "clean":
            return rehearse_clean(orders, _run_options(request))


def _run_options(request: ApplyRequest) -> ApplyOptions:
    from executor.session import ApplyOptions

    return ApplyOptions(request.through, request.verify, request.jobs, request.max_failures)


def run_status(options: GlobalOptions, target: Target) -> None:
    """Print how far the plan is."""
    from executor.status import take_status
    from executor.status_text import status_text
    from planner.read_plan import read_plan

    plan = read_plan(target.plan)
    _tell_other_database(options, plan, None)
    usual = target.plan.parent / plan.source.config
    # Where a database is named the file is needed for no more than its settings.
    needed = target.source is not None or options.db_connect is None or usual.exists()
    database = options.database_of((target.source or usual) if needed else None)
    try:
        print_product(status_text(take_status(database, plan)))
    finally:
        database.close()


def _configs(plan: Plan, target: Target) -> tuple[StorageConfig, StorageConfig]:
    from planner.load import load_config, load_destination

    usual = target.plan.parent / plan.source.config
    source = load_config(target.source or usual, environment=os.environ)
    file = target.destination or target.plan.parent / plan.destination.config
    if target.destination is None and not file.exists() and usual.exists():
        # The documented last step, with the destination's file moved to where the source's was, not copied.
        moved = load_config(usual, environment=os.environ)
        if moved.fingerprint == plan.destination.fingerprint:
            return source, moved
    return source, load_destination(file, plan, environment=os.environ)


def _confirmation(stop: Stop, view: View, *, yes: bool) -> Callable[[str], bool] | None:
    if yes:
        return lambda _question: True
    if not sys.stdin.isatty():
        return None

    def confirm(question: str) -> bool:
        with view.aside():
            return ask(question, stop)

    return confirm


def _write_report(options: GlobalOptions, request: ApplyRequest, report: Report) -> None:
    """Write the report where it was asked for; beside the plan only when a run had begun."""
    if request.report is None and not report.moves:
        return
    path = request.report or _beside(request.target.plan)
    _write_private(options, path, file_text(report.document()), what="report")


def _beside(plan: Path) -> Path:
    return plan.with_suffix(".report.json")


def _deliver_snippet(options: GlobalOptions, request: ApplyRequest, orders: Orders, record: Record) -> str:
    """Print the section that must be set once the switch, or its undoing, is done, and only then: the planned one.

    Return what must be told when it could not be printed; how the run ended is not changed by that.
    """
    from executor.snippet import private_text, snippet_text
    from planner.snippet import complete_snippet, own_form, redacted_snippet

    match record.now_reads:
        case "destination":
            config, planned, flag = orders.destination, orders.plan.destination, "--dest"
        case "source":
            config, planned, flag = orders.source, orders.plan.source, "--source"
        case None:
            return ""
        case _:
            assert_never(record.now_reads)
    if config.fingerprint != planned.fingerprint:
        # Only where nothing was left to do: a run that writes has refused it.
        other = f"{config.path} does not hold what was planned, so the section that must be set is not printed"
        options.talk.say(f"{other}; name the file that does: {flag} FILE", level="warning")
        return ""
    error = put_out(snippet_text(redacted_snippet(config, own_form(config))))
    if request.snippet is not None:
        _write_private(options, request.snippet, private_text(complete_snippet(config)), what="snippet")
    if error is None:
        return ""
    lost = f"the snippet could not be printed ({error.strerror}): see restow snippet {config.path}"
    options.talk.error(lost)
    return lost


def _with_loss(report: Report, lost: str) -> Report:
    return report.model_copy(update={"outcome": f"{report.outcome}; {lost}"}) if lost else report


def _write_private(options: GlobalOptions, path: Path, text: str, *, what: str) -> None:
    """Write a file at the end of a run; that it cannot be written is told, but does not change how the run ended."""
    try:
        write_file(path, text, mode=PRIVATE)
    except UsageError as error:
        options.talk.error(f"the {what} is lost: {error.message}", error.hint)
    else:
        options.talk.say(f"{what}: {path}")
