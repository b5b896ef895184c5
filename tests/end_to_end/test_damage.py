"""Codes 3 and 8: a document that is missing or damaged stops the switch, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.anchore.config import Config, Db, Section
from tests.anchore.deployment import Deployment
from tests.cli import Cli
from tests.end_to_end.codes import DONE, FAILED, INTEGRITY
from tests.end_to_end.migration import Migration, begin, few


def test_3_a_missing_payload_stops_the_switch_and_nothing_else(migration: Migration) -> None:
    document, anchore = migration.bundle, migration.deployment.anchore(migration.source)
    migration.plan()
    anchore.delete_payload(document)

    said = migration.apply(code=FAILED)

    assert document.archive_id in said.stderr
    assert said.stdout == ""
    now = migration.deployment.snapshot()
    assert now.rows == migration.expected.before.rows
    others = {name for name in migration.expected.documents if name != document.name}
    copied = now.payloads.keys() - migration.expected.before.payloads.keys()
    assert len(copied) == len(others)
    read = migration.deployment.reader(migration.source).read_all(others)
    assert read == {name: migration.expected.documents[name].content for name in others}

    anchore.store_payload(document, document.content)
    migration.apply()
    migration.assert_at_destination()


def flip_a_byte(content: bytes) -> bytes:
    return content[:-4] + bytes([content[-4] ^ 1]) + content[-3:]


def cut_short(content: bytes) -> bytes:
    return content[: len(content) // 2]


@pytest.mark.parametrize("damage", [flip_a_byte, cut_short], ids=lambda damage: damage.__name__)
def test_8_a_damaged_payload_stops_the_switch(migration: Migration, damage: Callable[[bytes], bytes]) -> None:
    document, anchore = migration.bundle, migration.deployment.anchore(migration.source)
    migration.plan()
    anchore.store_payload(document, damage(document.content))
    damaged = migration.deployment.snapshot()

    said = migration.apply(code=INTEGRITY)

    assert document.archive_id in said.stderr
    assert said.stdout == ""
    now = migration.deployment.snapshot()
    assert now.rows == damaged.rows
    assert now.payloads.items() >= damaged.payloads.items()

    anchore.store_payload(document, document.content)
    migration.apply()
    migration.assert_at_destination()


def test_a_copy_that_was_damaged_since_is_found_by_full_verification_and_made_again(migration: Migration) -> None:
    document = migration.bundle
    migration.plan()
    migration.apply("plan.json", "--through", "copy")
    migration.deployment.anchore(migration.destination).store_payload(document, flip_a_byte(document.content))

    migration.apply("plan.json", "--verify", "full")

    migration.assert_at_destination()


def test_a_copy_that_was_damaged_since_never_costs_the_source(migration: Migration) -> None:
    """Without reading copies back the damage may come to light late, but then the good payload is still there."""
    document = migration.bundle
    migration.plan()
    migration.apply("plan.json", "--through", "copy")
    migration.deployment.anchore(migration.destination).store_payload(document, flip_a_byte(document.content))

    said = migration.cli.run("apply", "plan.json", "--yes")

    if said.code == DONE:
        migration.assert_at_destination()
    else:
        said.must_end(INTEGRITY)
        assert migration.expected.before.rows[document.name]["content_url"] in migration.deployment.snapshot().payloads


def test_a_destination_that_has_lost_everything_is_filled_again(deployment: Deployment, cli: Cli) -> None:
    """More than are held in memory: the journal knows them all."""
    destination = Config(Section(deployment.s3()))
    migration = begin(deployment, cli, Config(Section(Db())), destination, documents=few(1100))
    migration.plan()
    migration.apply("plan.json", "--through", "verify")
    at_destination = deployment.anchore(destination)
    for document in migration.expected.documents.values():
        at_destination.delete_payload(document)

    said = migration.apply("plan.json")

    assert f"{len(migration.expected.documents):,} copies were not right at the destination" in said.stderr
    migration.assert_at_destination()


def test_very_many_that_the_destination_had_already_and_lost_end_the_run(deployment: Deployment, cli: Cli) -> None:
    """As an earlier tool leaves it: the rows point to the new place, and nothing is there."""
    destination = Config(Section(deployment.s3()))
    migration = begin(deployment, cli, Config(Section(Db())), destination, documents=few(1100))
    at_destination = deployment.anchore(destination)
    for document in migration.expected.documents.values():
        if document.store == "object_store":
            at_destination.put_row(document, document.content)
    rows = deployment.snapshot().rows
    migration.plan()

    said = migration.apply("plan.json", "--jobs", "1", "--max-failures", "3", code=FAILED)

    (move,) = json.loads((deployment.root / "plan.report.json").read_text(encoding="utf-8"))["moves"]
    assert 3 < len(move["failures"]) + move["failures_not_listed"] < 1000
    assert "nothing was switched" in said.stderr
    assert deployment.snapshot().rows == rows
