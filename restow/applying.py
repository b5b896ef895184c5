"""``apply`` and ``status``: read the plan, find its configs, run, and tell what was done, whatever happens."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import typer

from restow.files import PRIVATE, print_product, write_file
from restow.global_options import GlobalOptions
from schemas.canonical import file_text
from schemas.errors import RestowError
from schemas.plan import Plan
from schemas.report import Stage

if TYPE_CHECKING:
    from executor.recording import Record
    from schemas.config import StorageConfig

CONNECTIONS = 8
"""To the database; fewer than jobs, because a worker holds one only while it reads rows or writes the journal."""


@dataclass(frozen=True)
class ApplyRequest:
    plan: Path
    source: Path | None
    destination: Path | None
    dry_run: bool
    yes: bool
    through: Stage
    verify: Literal["digest", "full"]
    expect: str | None
    jobs: int
    max_failures: int
    max_seconds: float | None
    report: Path | None
    snippet: Path | None


def run_apply(options: GlobalOptions, request: ApplyRequest) -> int:
    """Apply the plan, write the report, print the snippet; return the exit code or raise what ended the run."""
    from executor.apply import apply
    from executor.moving import Orders, Surroundings
    from executor.recording import Record
    from executor.rehearsal import rehearse
    from executor.session import ApplyOptions
    from executor.stopping import Stop
    from planner.read_plan import read_plan
    from restow.progress_view import progress_view
    from restow.signals import stop_on_signals

    plan = read_plan(request.plan, expect=request.expect)
    source, destination = _configs(plan, request.plan, request.source, request.destination)
    database = options.database(source, connections=CONNECTIONS)
    orders = Orders(plan, source, destination, database)
    record = Record("apply", plan)
    stop = Stop(max_seconds=request.max_seconds)
    wanted = ApplyOptions(request.through, request.verify, request.jobs, request.max_failures)
    ended_by: RestowError | None = None
    try:
        with (
            progress_view(options.talk, wanted=options.progress, lines=options.log_format == "json") as progress,
            stop_on_signals(stop, options.talk),
        ):
            confirm = _confirmation(yes=request.yes)
            if request.dry_run:
                print_product(rehearse(orders, wanted))
                return 0
            around = Surroundings(progress, stop, confirm)
            apply(orders, wanted, around, record)
    except RestowError as error:
        ended_by = error
        raise
    finally:
        database.close()
        if not request.dry_run:
            _write_report(options, request, record, ended_by)
    options.talk.say(record.outcome)
    if plan.moves and request.through in {"switch", "clean"}:
        _deliver_snippet(plan, destination, request.snippet)
    return 0


def run_status(options: GlobalOptions, path: Path, source: Path | None) -> None:
    """Print how far the plan is."""
    from executor.render import status_text
    from executor.status import take_status
    from planner.load import load_config
    from planner.read_plan import read_plan

    plan = read_plan(path)
    config = load_config(source or path.parent / plan.source.config, environment=os.environ)
    database = options.database(config)
    try:
        print_product(status_text(take_status(database, plan)))
    finally:
        database.close()


def _configs(
    plan: Plan, path: Path, source: Path | None, destination: Path | None
) -> tuple[StorageConfig, StorageConfig]:
    from planner.load import load_config

    return (
        load_config(source or path.parent / plan.source.config, environment=os.environ),
        load_config(destination or path.parent / plan.destination.config, environment=os.environ),
    )


def _confirmation(*, yes: bool) -> Callable[[str], bool] | None:
    if yes:
        return lambda _question: True
    if not sys.stdin.isatty():
        return None
    return lambda question: typer.confirm(question, err=True)


def _write_report(options: GlobalOptions, request: ApplyRequest, record: Record, error: RestowError | None) -> None:
    """Write the report where it was asked for; beside the plan only when a run had begun."""
    if request.report is None and not record.moves:
        return
    path = request.report or request.plan.with_suffix(".report.json")
    write_file(path, file_text(record.report(error).document()), mode=PRIVATE)
    options.talk.say(f"report: {path}")


def _deliver_snippet(plan: Plan, destination: StorageConfig, file: Path | None) -> None:
    from executor.snippet import snippet_text

    print_product(snippet_text(plan.snippet))
    if file is not None:
        write_file(file, snippet_text(dict(destination.section) or plan.snippet), mode=PRIVATE)
