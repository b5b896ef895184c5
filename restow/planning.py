"""``plan`` and ``show``: load, build, render, write."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from restow.files import print_product, require_apart, write_file
from restow.global_options import GlobalOptions
from restow.signals import end_on_signals
from schemas.canonical import file_text
from schemas.errors import PlanError, UsageError
from schemas.exit_codes import ExitCode
from schemas.plan import Plan

Format = Literal["json", "text", "markdown"]

CONNECTIONS = 8
"""To the database; opened when they are needed, so one without ``--deep``."""


@dataclass(frozen=True)
class PlanRequest:
    source: Path
    destination: Path | None
    """None: with ``helm_job``, the same file as the source."""
    output: Path | None
    only_buckets: tuple[str, ...]
    keep_source: bool
    output_format: Format
    detailed_exitcode: bool
    offline: bool
    deep: bool
    ignore: tuple[str, ...]
    helm_job: bool


def make_plan(options: GlobalOptions, request: PlanRequest) -> int:
    """Make the plan and put it where it was asked for; return the exit code."""
    from planner.acceptance import check_options
    from planner.build import PlanOptions, build_plan
    from planner.load import load_config

    check_options(request.ignore, deep=request.deep, offline=request.offline)
    require_apart([request.output], [request.source, _destination(request)])
    source = load_config(request.source, environment=os.environ)
    destination = load_config(_destination(request), environment=os.environ, helm_job=request.helm_job)
    directory = request.output.parent if request.output is not None else Path()
    wanted = PlanOptions(directory, request.only_buckets, request.keep_source, request.deep, request.ignore)
    if request.offline:
        plan = build_plan(source, destination, None, wanted)
    else:
        database = options.database(source, connections=CONNECTIONS)
        if request.deep:
            options.talk.say("--deep: looking at the payload of every document of the moves, which takes a while")
        try:
            with end_on_signals(options.talk) if request.deep else contextlib.nullcontext():
                plan = build_plan(source, destination, database, wanted)
        finally:
            database.close()
    _deliver(options, request, plan)
    return _exit_code(plan) if request.detailed_exitcode else int(ExitCode.DONE)


def _destination(request: PlanRequest) -> Path:
    if request.destination is not None:
        return request.destination
    if request.helm_job:
        return request.source
    raise UsageError("the destination config is missing", hint="name it after the source, or give --helm-job")


def show_file(path: Path, wanted: Format) -> None:
    """Print the plan or the report in ``path``. Raises PlanError when it is neither."""
    from planner.read_plan import read_object, read_plan

    content = read_object(path)
    if "exit_code" in content:
        print_product(_rendered_report(content, wanted, path))
    elif wanted == "json":
        # The file's own content: a newer minor version may say more than this one knows.
        read_plan(path)
        print_product(file_text(content))
    else:
        print_product(rendered(read_plan(path), wanted, path))


def _rendered_report(content: dict[str, Any], wanted: Format, path: Path) -> str:
    from executor.report_text import report_markdown, report_text
    from schemas.report import Report

    try:
        report = Report.model_validate(content)
    except ValidationError as error:
        wrong = ".".join(str(part) for part in error.errors(include_input=False)[0]["loc"])
        raise PlanError(f"{path} is no report of this version: {wrong}", hint="name a plan or a report") from error
    match wanted:
        case "json":
            return file_text(content)
        case "text":
            return report_text(report)
        case "markdown":
            return report_markdown(report)


def rendered(plan: Plan, wanted: Format, path: Path) -> str:
    """Return the plan in the format asked for; ``path`` is what the apply command in it names."""
    match wanted:
        case "json":
            return file_text(plan.document())
        case "text":
            from planner.render_text import render_text

            return render_text(plan, plan_path=str(path))
        case "markdown":
            from planner.render_markdown import render_markdown

            return render_markdown(plan, plan_path=str(path))


def _deliver(options: GlobalOptions, request: PlanRequest, plan: Plan) -> None:
    from planner.render_parts import refusal

    path = request.output
    if path is not None:
        write_file(path, file_text(plan.document()))
        options.talk.say(f"{path}: {plan.plan_digest}")
    if path is None or request.output_format != "json":
        print_product(rendered(plan, request.output_format, path or Path("plan.json")))
    for code in sorted(set(request.ignore) - {one.code for one in plan.accepted}):
        options.talk.say(f"--ignore {code}: there are no such documents, so the plan accepts none")
    if not request.offline:
        known = {one.bucket for move in plan.moves for one in move.buckets}
        for bucket in sorted(set(request.only_buckets) - known):
            options.talk.say(f"--bucket {bucket}: no move of this plan has documents in it", level="warning")
    if (reason := refusal(plan)) is not None:
        options.talk.say(reason, level="warning")


def _exit_code(plan: Plan) -> int:
    moving = any(move.totals is None or move.totals.to_copy for move in plan.moves)
    return int(ExitCode.PLAN_HAS_MOVES if moving else ExitCode.DONE)
