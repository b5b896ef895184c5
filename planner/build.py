"""From two configs and one database to a plan: load is done, diff → inventory → findings → plan. Never writes."""

from __future__ import annotations

import os.path
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from planner.diff import Outline, config_changes, moves
from planner.findings import config_findings, data_findings, in_order
from planner.inventory import Inventory, add, route_of, take_inventory
from planner.snippet import redacted_section
from planner.vendor import equivalent_command, required_flags
from schemas.config import StorageConfig, StoreName
from schemas.errors import ConfigError
from schemas.plan import FORMAT_VERSION, DatabaseName, Envelope, Move, Plan, PlannedStore, Side
from stores.database import Database, Transaction, database_name


@dataclass(frozen=True)
class PlanOptions:
    """What the command line adds to the two configs."""

    directory: Path
    """Where the plan file goes: its config paths are relative to it."""
    only_buckets: tuple[str, ...] = ()
    keep_source: bool = False


def build_plan(
    source: StorageConfig, destination: StorageConfig, database: Database | None, options: PlanOptions
) -> Plan:
    """Return the plan. Without a database it counts nothing and apply will refuse it (``--offline``).

    Reads in one snapshot of the database and contacts no backend. Raises UnreachableError, DeniedError or
    NotAnchoreError.
    """
    outlines = moves(source, destination)
    inventories: tuple[Inventory, ...] | None = None
    if database is not None:
        inventories = database.run(lambda opened: _inventories(opened, outlines, options), snapshot=True)
    planned = tuple(
        _move(outline, inventories[index] if inventories is not None else None, source, destination, options)
        for index, outline in enumerate(outlines)
    )
    findings = config_findings(source, destination)
    if inventories is not None:
        findings = in_order([*findings, *data_findings(inventories)])
    plan = Plan(
        format_version=FORMAT_VERSION,
        plan_digest="",
        source=_side(source, options),
        destination=_side(destination, options),
        database=_database(source),
        offline=database is None,
        moves=planned,
        config_changes=config_changes(source, destination),
        findings=findings,
        accepted=(),
        envelope=Envelope(),
        snippet=redacted_section(destination),
        totals=add(one.totals for one in inventories) if inventories is not None else None,
    )
    return plan.model_copy(update={"plan_digest": plan.computed_digest()})


def _inventories(transaction: Transaction, outlines: Sequence[Outline], options: PlanOptions) -> tuple[Inventory, ...]:
    routes = [route_of(transaction, outline, options.only_buckets) for outline in outlines]
    return tuple(take_inventory(transaction, route) for route in routes)


def _move(
    outline: Outline,
    inventory: Inventory | None,
    source: StorageConfig,
    destination: StorageConfig,
    options: PlanOptions,
) -> Move:
    buckets = inventory.buckets if inventory is not None else ()
    flags = required_flags(
        outline,
        source,
        destination,
        buckets=[one.bucket for one in buckets],
        only_buckets=options.only_buckets,
        keep_source=options.keep_source,
    )
    return Move(
        store=outline.store,
        shared=outline.shared,
        from_=outline.source.name,
        to=outline.destination.name,
        transfer="stream",
        delete_source=not options.keep_source,
        only_buckets=options.only_buckets,
        buckets=buckets,
        totals=inventory.totals if inventory is not None else None,
        required_flags=flags,
        equivalent_command=equivalent_command(
            flags, source=_relative(source, options), destination=_relative(destination, options)
        ),
    )


def _side(config: StorageConfig, options: PlanOptions) -> Side:
    return Side(
        config=_relative(config, options),
        fingerprint=config.fingerprint,
        object_store=_planned(config, "object_store"),
        analysis_archive=_planned(config, "analysis_archive"),
    )


def _planned(config: StorageConfig, name: StoreName) -> PlannedStore:
    store = config.store(name)
    return PlannedStore(
        driver=store.driver.name,
        location=store.backend.location,
        compression=store.compression,
        shared=config.analysis_archive is None,
    )


def _relative(config: StorageConfig, options: PlanOptions) -> str:
    # os.path, not pathlib: the way may lead upwards, and symlinks stay as the user wrote them.
    return Path(os.path.relpath(config.path, options.directory)).as_posix()


def _database(source: StorageConfig) -> DatabaseName | None:
    unset = any(one.unset and one.path.endswith(".db_connect") for one in source.references)
    if source.database is None or unset:
        return None
    try:
        return database_name(source.database.db_connect)
    except ConfigError:
        # A URL that cannot be read is told to whoever connects by it; a plan may be made with --db-connect.
        return None
