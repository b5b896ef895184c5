"""Findings about data: a code, a severity and a message for each, and the order in which they are told."""

from __future__ import annotations

from dataclasses import replace

import pytest

from planner.acceptance import ACCEPTABLE
from planner.deep import CODES, BadPayloads, PayloadCode
from planner.findings import data_findings
from planner.inventory import NOBODY, Inventory
from schemas.backend import Backend, DbLocation, S3Location
from schemas.plan import Counts
from stores.catalog import Route
from stores.interface import DocumentName
from stores.odd_rows import Names

ROUTE = Route(
    Backend(location=DbLocation(table="archive_document")),
    Backend(location=S3Location(endpoint="http://minio:9000", region=None, bucket="bucket", prefix="")),
    "object_store",
    shared=True,
)
SOME = Names(7, ("b/u/1", "b/u/2", "b/u/3", "b/u/4", "b/u/5"))
KINDS = [
    ("unreachable", "documents-unreachable", "error"),
    ("occupied", "destination-occupied", "error"),
    ("unreadable_at_source", "names-unreadable-at-source", "error"),
    ("unreadable_at_destination", "names-unreadable-at-destination", "error"),
    ("too_large", "payload-too-large", "error"),
    ("left_behind", "store-would-be-split", "error"),
    ("elsewhere", "documents-elsewhere", "warning"),
    ("unverifiable", "digest-missing", "warning"),
    ("unsized", "size-missing", "info"),
    ("sharing", "payload-shared", "info"),
    ("oddly_named", "document-name-odd", "info"),
]


def inventory(*fields: str, to_copy: int = 0) -> Inventory:
    """An inventory in which nothing stands out but ``SOME``, in these fields."""
    zero = dict.fromkeys(Counts.model_fields, 0)
    totals = Counts(**{**zero, "documents": to_copy, "to_copy": to_copy})
    names = {field: SOME if field in fields else NOBODY for field, _, _ in KINDS}
    return Inventory(route=ROUTE, buckets=(), totals=totals, **names)


@pytest.mark.parametrize(("field", "code", "severity"), KINDS)
def test_each_kind_of_document_has_its_code(field: str, code: str, severity: str) -> None:
    (found,) = data_findings([inventory(field)])
    assert (found.code, found.severity, found.count, found.examples) == (code, severity, 7, SOME.examples)


@pytest.mark.parametrize(("field", "code", "severity"), KINDS)
def test_the_message_offers_to_ignore_what_can_be_ignored(field: str, code: str, severity: str) -> None:
    (found,) = data_findings([inventory(field)])
    assert (f"--ignore {code}" in found.message) == (code in ACCEPTABLE)
    assert severity == "error" or code not in ACCEPTABLE


def test_every_move_has_its_own_and_the_worst_come_first() -> None:
    one = inventory(*(field for field, _, _ in KINDS))
    other = replace(one, route=replace(ROUTE, source=ROUTE.destination, destination=ROUTE.source))

    found = data_findings([one, other])

    ranks = ["error", "warning", "info"]
    assert [(ranks.index(each.severity), each.code) for each in found] == sorted(
        (ranks.index(severity), code) for _, code, severity in KINDS * 2
    )
    assert found == data_findings([other, one])
    assert found[0].message != found[1].message


def test_unless_payloads_were_looked_at_the_plan_says_that_they_were_not() -> None:
    (found,) = data_findings([inventory(to_copy=3), inventory(to_copy=4)])
    assert (found.code, found.severity, found.count) == ("payloads-not-checked", "info", 7)
    assert "--deep" in found.message

    assert data_findings([inventory(to_copy=3)], ()) == ()
    assert data_findings([inventory(to_copy=0)]) == ()


@pytest.mark.parametrize("code", CODES.values())
def test_bad_payloads_are_errors_with_the_place_they_are_in(code: PayloadCode) -> None:
    names = tuple(DocumentName("b", f"{number}", "u", f"{number}.json") for number in range(7))

    (found,) = data_findings([inventory(to_copy=7)], [BadPayloads(code, "s3://bucket", names)])

    assert (found.code, found.severity, found.count) == (code, "error", 7)
    assert found.examples == ("b/u/0", "b/u/1", "b/u/2", "b/u/3", "b/u/4")
    assert "s3://bucket" in found.message
    assert (f"--ignore {code}" in found.message) == (code in ACCEPTABLE)
