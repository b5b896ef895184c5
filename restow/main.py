"""The commands of ``restow``: one function each, parse → one call → render. Nothing is decided here.

What a command needs is imported when it runs, so that ``restow --help`` and ``restow show`` load no driver.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from restow.arguments import as_text, global_first
from restow.boundary import guarded, leave
from restow.durations import parse_duration
from restow.files import open_standard_streams, print_product
from restow.global_options import GlobalOptions
from restow.parameters import (
    JOBS,
    ConfigArgument,
    DestinationOption,
    DryRunOption,
    JobsOption,
    PlanArgument,
    PlanFormat,
    ReportOption,
    SchemaName,
    SnippetFormat,
    SourceOption,
    Store,
    Through,
    Verify,
    YesOption,
)
from restow.talk import LogFormat, Talk

app = typer.Typer(
    name="restow",
    help="Plan, review and apply the move of Anchore's documents from one object store to another.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _show_version(wanted: bool) -> None:  # noqa: FBT001 - the form of typer's callbacks
    if wanted:
        from importlib.metadata import version

        print_product(f"restow {version('restow')}\n")
        raise typer.Exit


@app.callback()
def global_options(
    context: typer.Context,
    db_connect: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            envvar="RESTOW_DB_CONNECT",
            show_envvar=True,
            help="Anchore's database, instead of the one the source config names. A password on the command line is "
            "visible to others on this machine; the variable is not.",
        ),
    ] = None,
    db_use_ssl: Annotated[bool, typer.Option("--db-use-ssl", help="Encrypt the database connection.")] = False,
    db_ca: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Check the database's certificate against this CA.")
    ] = None,
    db_timeout: Annotated[float | None, typer.Option(metavar="S", help="Longest wait for one reply, seconds.")] = None,
    db_connect_timeout: Annotated[
        float | None, typer.Option(metavar="S", help="Longest wait for a connection, seconds.")
    ] = None,
    db_retries: Annotated[int, typer.Option(metavar="N", min=0, help="Tries after a passing database fault.")] = 3,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Say more on stderr.")] = False,
    log_format: Annotated[LogFormat, typer.Option(help="How stderr looks.")] = LogFormat.TEXT,
    no_progress: Annotated[bool, typer.Option("--no-progress", help="No progress on stderr.")] = False,
    show_version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    from pydantic import SecretStr

    context.obj = GlobalOptions(
        db_connect=SecretStr(db_connect) if db_connect else None,
        db_use_ssl=db_use_ssl,
        db_ca=db_ca,
        db_timeout=db_timeout,
        db_connect_timeout=db_connect_timeout,
        db_retries=db_retries,
        progress=not no_progress,
        log_format=log_format,
        talk=Talk(log_format, verbose=verbose),
    )


@app.command()
def plan(
    context: typer.Context,
    source: Annotated[
        Path, typer.Argument(metavar="SOURCE", help="The config.yaml, or the chart's values, that Anchore runs with.")
    ],
    dest: Annotated[
        Path | None,
        typer.Argument(metavar="DEST", help="The same that it is to run with; --helm-job finds it in SOURCE."),
    ] = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", metavar="FILE", help="Write the plan here.")] = None,
    bucket: Annotated[
        list[str] | None, typer.Option(metavar="B", help="Copy this logical bucket only; may be given again.")
    ] = None,
    keep_source: Annotated[
        bool, typer.Option("--keep-source", help="Leave the source payloads for a later clean.")
    ] = False,
    output_format: Annotated[PlanFormat, typer.Option("--format", help="What goes to stdout.")] = PlanFormat.JSON,
    detailed_exitcode: Annotated[
        bool, typer.Option("--detailed-exitcode", help="Exit with 2 when documents are to be moved.")
    ] = False,
    deep: Annotated[bool, typer.Option("--deep", help="Look at every payload as well, on the backends.")] = False,
    ignore: Annotated[
        list[str] | None,
        typer.Option(metavar="CODE", help="Leave this finding's documents as they are; may be given again."),
    ] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Compare the configs only; count nothing.")] = False,
    helm_job: Annotated[
        bool, typer.Option("--helm-job", help="The destination is the migration job in the chart's values.")
    ] = False,
) -> int:
    """Compare two configs and write down what would move. Reads only."""
    from restow.planning import PlanRequest, make_plan

    request = PlanRequest(
        source=source,
        destination=dest,
        output=output,
        only_buckets=tuple(sorted(set(bucket or ()))),
        keep_source=keep_source,
        output_format=output_format.value,
        detailed_exitcode=detailed_exitcode,
        offline=offline,
        deep=deep,
        ignore=tuple(sorted(set(ignore or ()))),
        helm_job=helm_job,
    )
    return make_plan(_options(context), request)


@app.command()
def show(
    plan: PlanArgument,
    output_format: Annotated[PlanFormat, typer.Option("--format", help="How to show it.")] = PlanFormat.TEXT,
) -> None:
    """Render a plan or a report for people. Needs neither database nor network."""
    from restow.planning import show_file

    show_file(plan, output_format.value)


@app.command()
def apply(
    context: typer.Context,
    plan: PlanArgument,
    source: SourceOption = None,
    dest: DestinationOption = None,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    through: Annotated[Through, typer.Option(help="Stop after this stage.")] = Through.CLEAN,
    verify: Annotated[Verify, typer.Option(help="Compare digests, or read every copy back.")] = Verify.DIGEST,
    expect: Annotated[str | None, typer.Option(metavar="sha256:…", help="Refuse any other plan than this.")] = None,
    jobs: JobsOption = JOBS,
    max_failures: Annotated[
        int, typer.Option(metavar="N", min=0, help="Give up after so many failed documents.")
    ] = 1000,
    max_duration: Annotated[
        str | None, typer.Option(metavar="2h", help="Stop in order after this time; the same command goes on.")
    ] = None,
    report: ReportOption = None,
    snippet: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also write the section here, with the secrets that DEST holds.")
    ] = None,
) -> int:
    """Carry out a plan: copy, verify, switch, clean. Prints the section that must be set."""
    from restow.applying import ApplyRequest, Target, run_command

    request = ApplyRequest(
        target=Target(plan, source, dest),
        dry_run=dry_run,
        yes=yes,
        through=through.value,
        verify=verify.value,
        expect=expect,
        jobs=jobs,
        max_failures=max_failures,
        max_seconds=parse_duration(max_duration) if max_duration is not None else None,
        report=report,
        snippet=snippet,
    )
    return run_command(_options(context), request)


@app.command()
def undo(
    context: typer.Context,
    plan: PlanArgument,
    source: SourceOption = None,
    dest: DestinationOption = None,
    yes: YesOption = False,
    dry_run: DryRunOption = False,
    report: ReportOption = None,
    jobs: JobsOption = JOBS,
) -> int:
    """Go back to the old configuration while the sources exist. Prints the section that must be set again."""
    from restow.applying import ApplyRequest, Target, run_command

    target = Target(plan, source, dest)
    request = ApplyRequest(target, jobs, "undo", dry_run=dry_run, yes=yes, report=report)
    return run_command(_options(context), request)


@app.command()
def clean(
    context: typer.Context,
    plan: PlanArgument,
    source: SourceOption = None,
    dest: DestinationOption = None,
    yes: YesOption = False,
    dry_run: DryRunOption = False,
    report: ReportOption = None,
    jobs: JobsOption = JOBS,
) -> int:
    """Delete the sources of a switched plan, or the copies of an undone one."""
    from restow.applying import ApplyRequest, Target, run_command

    target = Target(plan, source, dest)
    request = ApplyRequest(target, jobs, "clean", dry_run=dry_run, yes=yes, report=report)
    return run_command(_options(context), request)


@app.command()
def status(context: typer.Context, plan: PlanArgument, source: SourceOption = None) -> None:
    """Say how far a plan is, by the journal and the rows. Reads only."""
    from restow.applying import Target, run_status

    run_status(_options(context), Target(plan, source, None))


@app.command()
def check(
    context: typer.Context,
    config: ConfigArgument,
    store: Annotated[Store | None, typer.Option(help="This store only.")] = None,
) -> int:
    """Write, read and delete a test document on a config's backends; say which step fails."""
    from restow.checking import run_check

    return run_check(_options(context), config, store.value if store is not None else None)


@app.command()
def verify(
    context: typer.Context,
    config: ConfigArgument,
    full: Annotated[bool, typer.Option("--full", help="Read and decompress every payload.")] = False,
    jobs: JobsOption = JOBS,
) -> int:
    """Audit: can Anchore, under this config, read every document? Reads only."""
    from restow.inspecting import run_verify

    return run_verify(_options(context), config, full=full, jobs=jobs)


@app.command()
def snippet(
    config: ConfigArgument,
    output_format: Annotated[
        SnippetFormat | None,
        typer.Option("--format", help="For a config.yaml or for the chart's values; by default as CONFIG itself is."),
    ] = None,
) -> None:
    """Print the section that must be set for a config, without its secrets."""
    from restow.inspecting import run_snippet

    run_snippet(config, output_format.value if output_format is not None else None)


@app.command()
def migrations(
    context: typer.Context,
    config: Annotated[Path | None, typer.Argument(metavar="[CONFIG]", help="Names the database.")] = None,
) -> None:
    """List past migrations, the vendor's and ours. Reads only."""
    from restow.inspecting import run_migrations

    run_migrations(_options(context), config)


@app.command()
def drivers() -> None:
    """List the storage drivers of Anchore's configs."""
    from restow.inspecting import run_drivers

    run_drivers()


@app.command()
def schema(name: Annotated[SchemaName, typer.Argument(help="Which file format.")]) -> None:
    """Print the JSON Schema of a file format."""
    from restow.inspecting import run_schema

    run_schema(name.value)


@app.command()
def demo(
    keep: Annotated[Path | None, typer.Option(metavar="DIR", help="Keep servers' data, configs and plan here.")] = None,
) -> int:
    """Run the main job on a sample deployment: real servers, a few hundred documents, under a minute."""
    from restow.demo.story import run_demo

    return run_demo(keep)


def run() -> None:
    """Start here: the console script."""
    open_standard_streams()
    arguments = global_first(sys.argv[1:])
    leave(guarded(lambda: app(as_text(arguments), standalone_mode=False), lambda: Talk(_wanted_format(arguments))))


def _options(context: typer.Context) -> GlobalOptions:
    options = context.obj
    assert isinstance(options, GlobalOptions)  # noqa: S101 - set by the callback above, for every command
    return options


def _wanted_format(arguments: list[str]) -> LogFormat:
    # Errors in the arguments themselves are told before they are parsed.
    joined = " ".join(arguments)
    return LogFormat.JSON if "--log-format json" in joined or "--log-format=json" in joined else LogFormat.TEXT


if __name__ == "__main__":
    run()
