"""What a reviewer must know before approving: stable codes, each with a severity and a message. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import assert_never

from planner.inventory import Inventory
from schemas.config import OddityCode, StorageConfig
from schemas.plan import Finding, Severity
from stores.catalog import Names


def data_findings(inventories: Sequence[Inventory]) -> tuple[Finding, ...]:
    """Return what the rows of all moves give reason to say, most severe first."""
    found = [finding for inventory in inventories for finding in _of_move(inventory)]
    if any(inventory.totals.to_copy for inventory in inventories):
        found.append(
            Finding(
                code="payloads-not-checked",
                severity="info",
                message="planning reads the database only; apply checks each payload against its row while copying",
                count=sum(inventory.totals.to_copy for inventory in inventories),
                examples=(),
            )
        )
    return in_order(found)


def config_findings(source: StorageConfig, destination: StorageConfig) -> tuple[Finding, ...]:
    """Return what the two config files give reason to say."""
    found = []
    for config in (source, destination):
        unset = sorted({name for reference in config.references for name in reference.unset})
        if unset:
            found.append(
                Finding(
                    code="variable-unset",
                    severity="info",
                    message=f"{Path(config.path).name} refers to variables that have no value here; apply needs them",
                    count=len(unset),
                    examples=tuple(unset[:5]),
                )
            )
        found += [
            Finding(
                code=oddity.code,
                severity="warning",
                message=f"{Path(config.path).name} line {oddity.line}: {_oddity(oddity.code)}",
                count=1,
                examples=(oddity.path,),
            )
            for oddity in config.oddities
        ]
    return in_order(found)


def in_order(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Sort by severity, then code, then message: the same on every machine."""
    ranks: dict[Severity, int] = {"error": 0, "warning": 1, "info": 2}
    return tuple(sorted(findings, key=lambda one: (ranks[one.severity], one.code, one.message)))


def _oddity(code: OddityCode) -> str:
    match code:
        case "switch-as-text":
            return "text stands where Anchore wants true or false, and Anchore takes it for false; remove the quotes"
        case "prefix-null":
            return "Anchore writes keys that begin with the word None when prefix is null; say prefix: '' for no prefix"
        case "keys-and-iamauto":
            return "both keys and iamauto are set, and Anchore uses the keys; leave one of them out"
        case _:
            assert_never(code)


def _of_move(inventory: Inventory) -> Iterator[Finding]:
    source, destination = inventory.route.source.name, inventory.route.destination.name
    yield from _finding(
        "documents-unreachable",
        "error",
        f"neither {source} nor {destination} can read these documents' content URLs; "
        "find their payloads or remove the rows before the move",
        inventory.unreachable,
    )
    yield from _finding(
        "destination-occupied",
        "error",
        f"the URL these documents would get in {destination} is another document's; "
        "choose a prefix or bucket of its own",
        inventory.occupied,
    )
    yield from _finding(
        "store-would-be-split",
        "error",
        f"--bucket leaves documents of the same store in {source}, which nothing could read after the switch; "
        "copy ahead with apply --through copy, switch with a plan of all buckets",
        inventory.left_behind,
    )
    yield from _finding(
        "names-unreadable-at-source",
        "error",
        f"Anchore cannot read documents of these names back from {source}; rename or remove them before the move",
        inventory.unreadable_at_source,
    )
    yield from _finding(
        "names-unreadable-at-destination",
        "error",
        f"Anchore could not read documents of these names back from {destination}; rename or remove them first",
        inventory.unreadable_at_destination,
    )
    yield from _finding(
        "documents-elsewhere",
        "warning",
        f"these documents are neither in {source} nor in {destination}, but both configs can read them: they stay",
        inventory.elsewhere,
    )
    yield from _finding(
        "digest-missing",
        "warning",
        "rows of very old versions have no digest: their payloads are moved as they are, unchecked at the source",
        inventory.unverifiable,
    )


def _finding(code: str, severity: Severity, message: str, names: Names) -> Iterator[Finding]:
    if names.count:
        yield Finding(code=code, severity=severity, message=message, count=names.count, examples=names.examples)
