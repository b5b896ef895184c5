"""The commands that only look: ``verify``, ``migrations``, ``drivers``, ``schema``, ``snippet``."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from planner.visible import visible
from restow.files import Listing, print_product
from restow.global_options import GlobalOptions
from schemas.errors import IntegrityError

if TYPE_CHECKING:
    from executor.audit import Audit
    from stores.catalog import PastMigration

DRIVERS = (
    ("db", "Anchore's own PostgreSQL, payloads as text (table archive_document)"),
    ("db2", "Anchore's own PostgreSQL, payloads as bytes (table object_storage)"),
    ("s3", "S3 and servers that speak its protocol"),
    ("localfs", "a directory"),
    ("swift", "OpenStack Swift: configs load and plan; apply, check and verify do not support it yet"),
)


def run_verify(options: GlobalOptions, path: Path, *, full: bool, jobs: int) -> int:
    """Audit every document of the config; print what cannot be read. Raises IntegrityError when there is such a one."""
    from executor.audit import audit
    from executor.stopping import Stop
    from planner.load import load_config, require_secrets
    from restow.progress_view import progress_view
    from restow.signals import stop_on_signals

    config = load_config(path, environment=os.environ)
    require_secrets(config, ("object_store", "analysis_archive"))
    database = options.database(config, connections=8)
    stop = Stop()
    with contextlib.closing(database), Listing() as listing:
        with (
            progress_view(options.talk, wanted=options.progress, lines=options.log_format == "json") as progress,
            stop_on_signals(stop, options.talk),
        ):
            audits = audit(
                config,
                database,
                lambda one: listing.add(f"{one.trouble:11} {one.name}: {one.detail}"),
                full=full,
                jobs=jobs,
                progress=progress,
                stop=stop,
            )
        for one in audits:
            listing.add(_summary(one))
        listing.print()
    unreadable = sum(one.unreadable for one in audits)
    if unreadable:
        raise IntegrityError(
            f"{unreadable:,} documents cannot be read under {path}",
            hint="the list is on stdout; restore these payloads, or verify the config that Anchore runs with",
        )
    return 0


def run_migrations(options: GlobalOptions, path: Path | None) -> None:
    """Print past migrations, the vendor's and ours."""
    from stores.catalog import past_migrations

    database = options.database_of(path)
    try:
        found = database.run(past_migrations, snapshot=True)
    finally:
        database.close()
    print_product(_migrations_text(found))


def run_drivers() -> None:
    """Print the drivers of Anchore's configs."""
    print_product("".join(f"{name:8} {what}\n" for name, what in DRIVERS))


def run_schema(name: Literal["plan", "report", "config"]) -> None:
    """Print the JSON Schema of a file format."""
    from schemas.publish import schema_text

    print_product(schema_text(name))


def run_snippet(path: Path, wanted: Literal["config", "helm"] | None) -> None:
    """Print the section that must be set for ``path``, without its secrets; None: in the form of that file."""
    from executor.snippet import snippet_text
    from planner.load import load_config
    from planner.snippet import own_form, redacted_snippet

    config = load_config(path, environment=os.environ)
    print_product(snippet_text(redacted_snippet(config, wanted or own_form(config))))


def _summary(one: Audit) -> str:
    fine = one.documents - one.unreadable
    return f"{' and '.join(one.stores)} in {one.backend.name}: {fine:,} of {one.documents:,} documents can be read"


def _migrations_text(found: tuple[PastMigration, ...]) -> str:
    if not found:
        return "No migration has been recorded.\n"
    head = ("task", "state", "started (UTC)", "ended (UTC)", "from", "to", "documents", "by")
    table = [head]
    for one in found:
        documents = f"{one.migrated:,} of {one.documents:,}"
        by = f"restow, round {one.round}" if one.round is not None else "anchore-manager"
        started, ended = one.started or "", one.ended or ""
        state, source, destination = map(visible, (one.state, one.source, one.destination))
        table.append((str(one.task), state, started, ended, source, destination, documents, by))
    widths = [max(len(row[index]) for row in table) for index in range(len(head))]
    return "".join("  ".join(map(str.ljust, row, widths)).rstrip() + "\n" for row in table)
