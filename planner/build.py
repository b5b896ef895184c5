"""From two configs and one database to a plan: load is done, diff → inventory → findings → plan. Never writes."""

from __future__ import annotations

import os.path
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from planner.acceptance import BY_ROWS, accept
from planner.config_findings import config_findings, named_database
from planner.deep import BadPayloads, examine_payloads
from planner.diff import Outline, config_changes, moves
from planner.findings import data_findings, in_order
from planner.inventory import Inventory, add, documents_of, route_of, take_inventory
from planner.snippet import redacted_section
from planner.transfer import streamed_for_compression, transfer
from planner.vendor import equivalent_command, required_flags
from schemas.config import StorageConfig, StoreName
from schemas.plan import FORMAT_VERSION, Accepted, Envelope, Move, Plan, PlannedStore, Side
from stores.catalog import Route
from stores.database import Database, Transaction
from stores.interface import DocumentName


@dataclass(frozen=True)
class PlanOptions:
    """What the command line adds to the two configs."""

    directory: Path
    """Where the plan file goes: its config paths are relative to it."""
    only_buckets: tuple[str, ...] = ()
    keep_source: bool = False
    deep: bool = False
    """Whether payloads are looked at as well."""
    ignore: tuple[str, ...] = ()
    """Codes of error findings whose documents are left as they are."""


def build_plan(
    source: StorageConfig, destination: StorageConfig, database: Database | None, options: PlanOptions
) -> Plan:
    """Return the plan. Without a database it counts nothing and apply will refuse it (``--offline``).

    Counts in one snapshot of the database, and contacts no backend unless ``options`` say ``deep``. The options have
    passed ``check_options``. Raises UnreachableError, DeniedError or NotAnchoreError; with ``deep`` ConfigError too.
    """
    outlines = moves(source, destination)
    found = None if database is None else _look(source, destination, database, outlines, options)
    inventories = None if found is None else found.inventories
    planned = tuple(
        _move(outline, inventories[index] if inventories is not None else None, source, destination, options)
        for index, outline in enumerate(outlines)
    )
    findings = [*config_findings(source, destination), *streamed_for_compression(source, destination, outlines)]
    if found is not None:
        findings += data_findings(found.inventories, found.payloads)
    plan = Plan(
        format_version=FORMAT_VERSION,
        plan_digest="",
        source=_side(source, options),
        destination=_side(destination, options),
        database=named_database(source),
        offline=database is None,
        moves=planned,
        config_changes=config_changes(source, destination),
        findings=in_order(findings),
        accepted=found.accepted if found is not None else (),
        envelope=Envelope(),
        snippet=redacted_section(destination),
        totals=add(one.totals for one in inventories) if inventories is not None else None,
    )
    return plan.model_copy(update={"plan_digest": plan.computed_digest()})


@dataclass(frozen=True, slots=True)
class _Found:
    """What the database, and with ``deep`` the backends, say of the moves."""

    inventories: tuple[Inventory, ...]
    """Without the documents that are accepted."""
    payloads: tuple[BadPayloads, ...] | None
    accepted: tuple[Accepted, ...]


def _look(
    source: StorageConfig,
    destination: StorageConfig,
    database: Database,
    outlines: Sequence[Outline],
    options: PlanOptions,
) -> _Found:
    payloads = None
    if options.deep:
        routes, left = database.run(lambda opened: _before_payloads(opened, outlines, options), snapshot=True)
        payloads = examine_payloads(source, destination, database, routes, left)
    # Counted last, so that what payloads have shown and what rows say is taken off the counts of one snapshot.
    return database.run(lambda opened: _count(opened, outlines, options, payloads), snapshot=True)


def _before_payloads(
    transaction: Transaction, outlines: Sequence[Outline], options: PlanOptions
) -> tuple[list[Route], set[DocumentName]]:
    """Return the routes, and the documents whose payloads are of no interest because they stay as they are."""
    routes = _routes(transaction, outlines, options)
    codes = BY_ROWS.intersection(options.ignore)
    return routes, {name for route in routes for code in codes for name in documents_of(transaction, route, code)}


def _count(
    transaction: Transaction,
    outlines: Sequence[Outline],
    options: PlanOptions,
    payloads: tuple[BadPayloads, ...] | None,
) -> _Found:
    inventories = [take_inventory(transaction, route) for route in _routes(transaction, outlines, options)]
    left, accepted = accept(transaction, inventories, options.ignore, payloads or ())
    return _Found(left, payloads, accepted)


def _routes(transaction: Transaction, outlines: Sequence[Outline], options: PlanOptions) -> list[Route]:
    return [route_of(transaction, outline, options.only_buckets) for outline in outlines]


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
        buckets=[one.bucket for one in buckets if one.to_copy] if inventory is not None else None,
        only_buckets=options.only_buckets,
        keep_source=options.keep_source,
    )
    return Move(
        store=outline.store,
        shared=outline.shared,
        from_=outline.source.name,
        to=outline.destination.name,
        transfer=transfer(source, destination, outline.store),
        delete_source=not options.keep_source,
        only_buckets=options.only_buckets,
        buckets=buckets,
        totals=inventory.totals if inventory is not None else None,
        required_flags=flags,
        equivalent_command=equivalent_command(
            flags, source=_side(source, options), destination=_side(destination, options)
        ),
    )


def _side(config: StorageConfig, options: PlanOptions) -> Side:
    return Side(
        config=_relative(config, options),
        form=config.form,
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
