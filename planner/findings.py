"""What a reviewer must know before approving: stable codes, each with a severity and a message. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import assert_never

from planner.acceptance import ACCEPTABLE
from planner.deep import BadPayloads
from planner.inventory import Inventory
from schemas.plan import Finding, Severity
from stores.odd_rows import EXAMPLES, Names


def data_findings(
    inventories: Sequence[Inventory], payloads: Sequence[BadPayloads] | None = None
) -> tuple[Finding, ...]:
    """Return what the rows of all moves give reason to say, and their payloads, most severe first.

    ``payloads``: what looking at them showed; None: nobody has looked.
    """
    found = [finding for one in inventories for finding in (*_in_the_way(one), *_worth_a_word(one))]
    found += [finding for bad in payloads or () for finding in _of_payloads(bad)]
    to_copy = sum(inventory.totals.to_copy for inventory in inventories)
    if payloads is None and to_copy:
        found.append(
            Finding(
                code="payloads-not-checked",
                severity="info",
                message="planning read the database only; apply checks each payload against its row while copying, "
                "restow plan --deep does so beforehand",
                count=to_copy,
                examples=(),
            )
        )
    return in_order(found)


def in_order(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Sort by severity, then code, then message: the same on every machine."""
    ranks: dict[Severity, int] = {"error": 0, "warning": 1, "info": 2}
    return tuple(sorted(findings, key=lambda one: (ranks[one.severity], one.code, one.message)))


def _in_the_way(inventory: Inventory) -> Iterator[Finding]:
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
        "payload-too-large",
        "error",
        f"by the sizes in their rows these payloads are larger than {destination} takes (driver "
        f"{inventory.route.destination.driver}); remove these documents first, or choose another destination",
        inventory.too_large,
    )


def _worth_a_word(inventory: Inventory) -> Iterator[Finding]:
    source, destination = inventory.route.source.name, inventory.route.destination.name
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
    yield from _finding(
        "size-missing",
        "info",
        "rows of very old versions have no size: these documents are not in the plan's bytes",
        inventory.unsized,
    )
    yield from _finding(
        "payload-shared",
        "info",
        f"each of these documents shares its payload in {source} with another one: each is copied under its own name, "
        "and the payload is deleted only when no row needs it",
        inventory.sharing,
    )
    yield from _finding(
        "document-name-odd",
        "info",
        "the documentName of these rows is not their key and .json, as Anchore writes it: it is kept as it is",
        inventory.oddly_named,
    )


def _of_payloads(bad: BadPayloads) -> Iterator[Finding]:
    names = Names(len(bad.names), tuple(str(name) for name in bad.names[:EXAMPLES]))
    yield from _finding(bad.code, "error", _payload_message(bad), names)


def _payload_message(bad: BadPayloads) -> str:
    match bad.code:
        case "payload-missing":
            return f"nothing is stored in {bad.backend} where these rows point; restore the payloads or remove the rows"
        case "payload-corrupt":
            return (
                f"what {bad.backend} holds for these rows has another digest or size, or does not decompress; "
                "restore the payloads"
            )
        case "payload-unreadable":
            return (
                f"{bad.backend} does not give these payloads out, and not because they are missing; "
                "restow verify with the config of that side says why"
            )
        case _:
            assert_never(bad.code)


def _finding(code: str, severity: Severity, message: str, names: Names) -> Iterator[Finding]:
    if not names.count:
        return
    if code in ACCEPTABLE:
        message += f"; or leave them as they are with --ignore {code}"
    yield Finding(code=code, severity=severity, message=message, count=names.count, examples=names.examples)
