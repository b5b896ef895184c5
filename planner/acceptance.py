"""``--ignore``: error findings whose documents are left exactly as they are, with their number and a digest of names.

An acceptance is of these documents and no others: it is void as soon as there are more of them, or as many others.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from planner.deep import BadPayloads
from planner.inventory import Inventory, add, counts_of, documents_of
from schemas.canonical import digest
from schemas.errors import UsageError
from schemas.plan import Accepted, BucketCounts, Counts
from stores.database import Transaction
from stores.interface import DocumentName

BY_ROWS = frozenset(
    {
        "documents-unreachable",
        "destination-occupied",
        "names-unreadable-at-source",
        "names-unreadable-at-destination",
        "payload-too-large",
    }
)
"""Codes whose documents the database alone can name."""
BY_PAYLOADS = frozenset({"payload-missing", "payload-corrupt"})
"""Codes that only ``--deep`` finds."""
ACCEPTABLE = BY_ROWS | BY_PAYLOADS


def check_options(codes: Sequence[str], *, deep: bool, offline: bool) -> None:
    """Raise UsageError for options that make no sense together, and for a code that ``--ignore`` does not take."""
    if offline and deep:
        raise UsageError("--offline looks at the configs alone, --deep at every payload", hint="leave one of them out")
    if offline and codes:
        raise UsageError(
            "--ignore accepts documents that are known, and --offline looks at none", hint="leave one of them out"
        )
    unknown = sorted(set(codes) - ACCEPTABLE)
    if unknown:
        raise UsageError(
            f"--ignore {unknown[0]}: this is no finding whose documents can be left as they are",
            hint=f"these are: {', '.join(sorted(ACCEPTABLE))}",
        )
    unseen = sorted(BY_PAYLOADS.intersection(codes))
    if unseen and not deep:
        raise UsageError(f"--ignore {unseen[0]}: only --deep looks for such payloads", hint="add --deep")


def acceptance(code: str, names: Iterable[DocumentName]) -> Accepted:
    """Return what a plan records of documents that are taken on; their order is of no importance."""
    listed = sorted(list(name) for name in names)
    return Accepted(code=code, count=len(listed), digest=digest(listed))


def still_holds(planned: Accepted, now: Accepted) -> bool:
    """Whether the acceptance covers what is found now: fewer documents, or the very same.

    Which ones have gone, where there are fewer, a digest cannot tell.
    """
    return now.count < planned.count or (now.count, now.digest) == (planned.count, planned.digest)


def accept(
    transaction: Transaction, inventories: Sequence[Inventory], codes: Sequence[str], payloads: Sequence[BadPayloads]
) -> tuple[tuple[Inventory, ...], tuple[Accepted, ...]]:
    """Take on the documents of these codes: return the inventories without them, and what the plan says of them.

    A code without documents is not recorded. In the counts a document with two codes counts once.
    """
    found = {code: _documents(transaction, inventories, code, payloads) for code in sorted(codes)}
    names = sorted({name for listed in found.values() for name in listed})
    left = tuple(_without(transaction, inventory, names) for inventory in inventories) if names else tuple(inventories)
    return left, tuple(acceptance(code, listed) for code, listed in found.items() if listed)


def _documents(
    transaction: Transaction, inventories: Sequence[Inventory], code: str, payloads: Sequence[BadPayloads]
) -> list[DocumentName]:
    if code in BY_ROWS:
        return [name for one in inventories for name in documents_of(transaction, one.route, code)]
    return [name for one in payloads if one.code == code for name in one.names]


def _without(transaction: Transaction, inventory: Inventory, names: Sequence[DocumentName]) -> Inventory:
    taken = counts_of(transaction, inventory.route, names)
    buckets = tuple(_less(one, taken[one.bucket]) if one.bucket in taken else one for one in inventory.buckets)
    return replace(inventory, buckets=buckets, totals=add(buckets))


def _less(bucket: BucketCounts, taken: Counts) -> BucketCounts:
    """Count ``taken`` as accepted, and no longer where they are."""
    return bucket.model_copy(
        update={
            "to_copy": bucket.to_copy - taken.to_copy,
            "at_destination": bucket.at_destination - taken.at_destination,
            "elsewhere": bucket.elsewhere - taken.elsewhere,
            "unreachable": bucket.unreachable - taken.unreachable,
            "accepted": bucket.accepted + taken.documents,
            "unverifiable": bucket.unverifiable - taken.unverifiable,
        }
    )
