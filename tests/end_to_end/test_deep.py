"""``plan --deep``: what payloads say, on every kind of backend, and what keeps it from looking."""

from __future__ import annotations

import signal
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import yaml

from tests.anchore.config import Config, Db, Db2, Localfs, Place, Section
from tests.anchore.deployment import Deployment
from tests.anchore.documents import Document
from tests.anchore.writer import Writer
from tests.cli import Cli, Result
from tests.end_to_end.codes import CONFIG_INVALID, DENIED, INTERRUPTED, REFUSED, TERMINATED, UNREACHABLE
from tests.end_to_end.holding import PATIENCE, sources_locked, wait_until_held
from tests.end_to_end.migration import Migration, begin, few, plan_of

PLACES: dict[str, Callable[[Deployment], Place]] = {
    "db": lambda _: Db(),
    "db2": lambda _: Db2(),
    "s3": lambda deployment: deployment.s3(prefix="old/"),
    "localfs": lambda deployment: Localfs(deployment.directory("volume")),
}


def plan_deep(migration: Migration, *flags: str) -> tuple[dict[str, Any], Result]:
    arguments = ("plan", "config.yaml", "dest-config.yaml", "-o", "plan.json", "--deep")
    said = migration.cli.run(*arguments, *flags).must_end(0)
    return plan_of(migration.deployment.root / "plan.json"), said


def bad(plan: dict[str, Any]) -> dict[str, list[str]]:
    return {one["code"]: one["examples"] for one in plan["findings"] if one["code"].startswith("payload")}


def example(document: Document) -> str:
    return f"{document.bucket}/{document.user_id}/{document.archive_id}"


def flipped(payload: bytes) -> bytes:
    return payload[:-4] + bytes([payload[-4] ^ 1]) + payload[-3:]


@dataclass(frozen=True)
class Damaged:
    missing: list[str]
    corrupt: list[str]


def damage(writer: Writer, engine: sa.Engine, documents: Sequence[Document]) -> Damaged:
    """Spoil a few in every way that can be seen, and some rows in ways that leave nothing to be seen by."""
    gone, cut, flipped_, unchecked_cut, packed, plain, unchecked = documents[:7]
    writer.delete_payload(gone)
    writer.store_payload(cut, cut.content[:-1])
    writer.store_payload(flipped_, flipped(flipped_.content))
    writer.store_payload(unchecked_cut, unchecked_cut.content[:-1])
    forget(engine, unchecked_cut, "digest = NULL")
    writer.store_payload(packed, flipped(zlib.compress(packed.content)))
    forget(engine, packed, "digest = NULL, size = NULL, is_compressed = true")
    forget(engine, plain, "is_compressed = true")
    writer.store_payload(unchecked, flipped(unchecked.content))
    forget(engine, unchecked, "digest = NULL")
    return Damaged([example(gone)], sorted(map(example, (cut, flipped_, unchecked_cut, packed, plain))))


def forget(engine: sa.Engine, document: Document, what: str) -> None:
    with engine.begin() as connection:
        connection.execute(
            sa.text(f'UPDATE archive_metadata SET {what} WHERE bucket = :bucket AND "archiveId" = :key'),
            {"bucket": document.bucket, "key": document.archive_id},
        )


@pytest.mark.parametrize("name", PLACES)
def test_missing_and_wrong_payloads_are_found_wherever_they_are(deployment: Deployment, cli: Cli, name: str) -> None:
    source = Config(Section(PLACES[name](deployment)))
    destination = Config(Section(deployment.s3("new")))
    migration = begin(deployment, cli, source, destination, documents=few(20))
    documents = [each for each in migration.expected.documents.values() if each.store == "object_store"]
    damaged = damage(deployment.anchore(source), deployment.engine, documents)

    with migration.writes_nothing():
        plan, said = plan_deep(migration)
        again, _ = plan_deep(migration)

    assert bad(plan) == {"payload-corrupt": damaged.corrupt, "payload-missing": damaged.missing}
    assert again == plan
    assert "refuse" in said.stderr
    assert plan["totals"]["to_copy"] == plan["totals"]["documents"]
    migration.apply(code=REFUSED)


@pytest.mark.parametrize("name", PLACES)
def test_where_all_is_well_nothing_is_found_and_nothing_is_written(deployment: Deployment, cli: Cli, name: str) -> None:
    source = Config(Section(PLACES[name](deployment), compress_above_kbytes=1))
    migration = begin(deployment, cli, source, Config(Section(deployment.s3("new"))), documents=few(20))

    with migration.writes_nothing():
        plan, said = plan_deep(migration)

    assert bad(plan) == {}
    assert "--deep" in said.stderr


def test_without_deep_the_plan_says_that_nobody_looked(migration: Migration) -> None:
    migration.deployment.anchore(migration.source).delete_payload(migration.bundle)

    plan = plan_of(migration.plan())

    assert list(bad(plan)) == ["payloads-not-checked"]


def test_what_is_at_the_destination_already_is_looked_at_there(migration: Migration) -> None:
    """As a careless mover leaves it: the row points to the new place, and nothing is there."""
    document = migration.bundle
    deployment = migration.deployment
    deployment.anchore(migration.destination).put_row(document, document.content)

    plan, _ = plan_deep(migration)

    assert plan["totals"]["at_destination"] == 1
    (finding,) = [one for one in plan["findings"] if one["code"] == "payload-missing"]
    assert finding["examples"] == [example(document)]
    assert plan["moves"][0]["to"] in finding["message"]

    accepted, _ = plan_deep(migration, "--ignore", "payload-missing")
    assert accepted["totals"]["at_destination"] == 0
    assert accepted["totals"]["accepted"] == 1


def test_missing_and_wrong_payloads_can_be_accepted(migration: Migration) -> None:
    documents = [each for each in migration.expected.documents.values() if each.store == "object_store"]
    found = damage(migration.deployment.anchore(migration.source), migration.deployment.engine, documents)

    plan, said = plan_deep(migration, "--ignore", "payload-missing", "--ignore", "payload-corrupt")

    counts = {one["code"]: one["count"] for one in plan["accepted"]}
    assert counts == {"payload-corrupt": len(found.corrupt), "payload-missing": len(found.missing)}
    assert set(bad(plan)) == set(counts)
    totals = plan["totals"]
    assert totals["accepted"] == len(found.corrupt) + len(found.missing)
    assert totals["to_copy"] == totals["documents"] - totals["accepted"]
    assert "refuse" not in said.stderr


def test_documents_that_are_left_as_they_are_are_not_looked_at(migration: Migration) -> None:
    """One whose name Anchore cannot read has no payload to be found, and is told about once."""
    with migration.deployment.engine.begin() as connection:
        connection.execute(
            sa.text(
                """
                INSERT INTO archive_metadata (bucket, "archiveId", "userId", "documentName", content_url, digest, size)
                VALUES ('policy_bundles', 'a#b', 'admin', 'a#b.json', 'db://admin/policy_bundles/a#b', md5(''), 0)
                """
            )
        )
    codes = ("names-unreadable-at-source", "names-unreadable-at-destination")

    plan, _ = plan_deep(migration)
    assert {one["code"] for one in plan["findings"] if one["severity"] == "error"} == set(codes)

    plan, said = plan_deep(migration, *(word for code in codes for word in ("--ignore", code)))
    assert plan["totals"]["accepted"] == 1
    assert "refuse" not in said.stderr


def test_what_anchore_writes_or_deletes_meanwhile_is_no_finding(migration: Migration) -> None:
    documents = [each for each in migration.expected.documents.values() if each.store == "object_store"]
    deleted, rewritten = documents[:2]
    new = replace(rewritten, content=rewritten.content + b" ")
    anchore = migration.deployment.anchore(migration.source)
    with sources_locked(migration.deployment) as lock:
        running = migration.cli.start("plan", "config.yaml", "dest-config.yaml", "-o", "plan.json", "--deep")
        wait_until_held(migration.deployment, running)
        anchore.delete_row(deleted, within=lock)
        named = {"key": rewritten.archive_id, "text": new.content.decode(), "gone": deleted.archive_id}
        lock.execute(sa.text('UPDATE archive_document SET jsondata = :text WHERE "archiveId" = :key'), named)
        lock.execute(sa.text('DELETE FROM archive_document WHERE "archiveId" = :gone'), named)
        anchore.put_row(new, new.content, within=lock)
        lock.commit()
        running.finish().must_end(0)

    plan = plan_of(migration.deployment.root / "plan.json")
    assert bad(plan) == {}
    assert plan["totals"]["documents"] == len(migration.expected.documents) - 1


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, INTERRUPTED), (signal.SIGTERM, TERMINATED)], ids=["SIGINT", "SIGTERM"]
)
def test_a_signal_ends_it_at_once_whatever_the_backends_do(
    migration: Migration, number: signal.Signals, code: int
) -> None:
    with sources_locked(migration.deployment):
        running = migration.cli.start("plan", "config.yaml", "dest-config.yaml", "-o", "plan.json", "--deep")
        wait_until_held(migration.deployment, running)
        running.send(number)
        running.finish(timeout=PATIENCE).must_end(code)

    assert not (migration.deployment.root / "plan.json").exists()


def test_a_secret_without_a_value_is_asked_for(migration: Migration) -> None:
    set_driver(migration.deployment.root / "dest-config.yaml", secret_key="${ANCHORE_NOWHERE_SET}")
    said = migration.cli.run("plan", "config.yaml", "dest-config.yaml", "--deep").must_end(CONFIG_INVALID)
    assert "ANCHORE_NOWHERE_SET" in said.stderr
    migration.cli.run("plan", "config.yaml", "dest-config.yaml").must_end(0)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"url": "http://127.0.0.1:1"}, UNREACHABLE),
        ({"secret_key": "another"}, DENIED),
        ({"bucket": "none"}, UNREACHABLE),
    ],
    ids=["no server", "wrong keys", "no bucket"],
)
def test_a_backend_that_cannot_be_looked_at_ends_it(migration: Migration, change: dict[str, str], code: int) -> None:
    set_driver(migration.deployment.root / "dest-config.yaml", **change)
    migration.cli.run("plan", "config.yaml", "dest-config.yaml", "-o", "plan.json", "--deep").must_end(code)
    assert not (migration.deployment.root / "plan.json").exists()


def test_a_bucket_that_is_still_to_be_created_is_in_order(migration: Migration) -> None:
    path = migration.deployment.root / "dest-config.yaml"
    set_driver(path, bucket=migration.deployment.bucket("later", create=False), create_bucket=True)
    with migration.writes_nothing():
        plan, _ = plan_deep(migration)
    assert bad(plan) == {}


def set_driver(path: Path, **settings: object) -> None:
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    content["services"]["catalog"]["object_store"]["storage_driver"]["config"].update(settings)
    path.write_text(yaml.safe_dump(content), encoding="utf-8")


def test_a_size_that_is_not_the_payload_s_is_found_though_the_digest_is_right(migration: Migration) -> None:
    document = migration.bundle
    forget(migration.deployment.engine, document, "size = size + 1")

    plan, _ = plan_deep(migration)

    assert bad(plan) == {"payload-corrupt": [example(document)]}
