"""Payloads that the servers copy by themselves, and what happens where they do not, or only say so."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest

from tests.anchore.config import Config, Db, Db2, Section, url_for
from tests.anchore.deployment import Deployment
from tests.cli import Cli
from tests.end_to_end.codes import DONE, FAILED, INTEGRITY
from tests.end_to_end.migration import Migration, begin, few, plan_of
from tests.faults.behind import Behind, name, planned
from tests.faults.s3_proxy import Etag, Fault, S3Proxy, Say, Swallow

DOCUMENTS = "/next/(?!restow)"
OLD_DOCUMENTS = "/old/(?!restow)"
DAMAGED = b"not what the row says"
MANY = tuple(replace(one, bucket="analysis_data", user_id="admin") for one in few(40))


@pytest.fixture
def behind(deployment: Deployment, cli: Cli, proxy: S3Proxy) -> Behind:
    """From one bucket to another of one server, nothing compressed."""
    old, new = deployment.s3("old", "old/"), deployment.s3("new", "next/")
    return planned(deployment, cli, proxy, new, Config(Section(old)), Config(Section(new)), MANY)


def transfer(migration: Migration) -> str:
    (move,) = plan_of(migration.deployment.root / "plan.json")["moves"]
    return str(move["transfer"])


def test_no_payload_leaves_the_server(behind: Behind, proxy: S3Proxy) -> None:
    assert transfer(behind.migration) == "server_side_copy"

    behind.run("apply").must_end(DONE)

    assert proxy.of("GET", path=OLD_DOCUMENTS) == []
    assert len(proxy.of("COPY", path=DOCUMENTS)) == len(MANY)
    behind.migration.assert_at_destination()


@pytest.mark.parametrize(
    ("reply", "asked"),
    [(Say(403, "AccessDenied"), 1), (Say(501, "NotImplemented"), 1), (Say(400, "InvalidRequest"), len(MANY))],
    ids=["no right", "unknown", "not this one"],
)
def test_where_the_server_does_not_copy_payloads_are_streamed(
    behind: Behind, proxy: S3Proxy, reply: Fault, asked: int
) -> None:
    refused = proxy.befall(reply, "COPY")

    behind.run("apply", "--jobs", "1").must_end(DONE)

    assert refused.befallen == asked
    assert len({one.path for one in proxy.of("GET", path=OLD_DOCUMENTS)}) == len(MANY)
    behind.migration.assert_at_destination()


def test_a_copy_that_the_server_only_says_it_made_is_streamed(behind: Behind, proxy: S3Proxy) -> None:
    victim = behind.key(MANY[4])
    said = proxy.befall(Swallow(), "COPY", key=victim)

    behind.run("apply").must_end(DONE)

    assert said.befallen == 1
    assert len(proxy.of("PUT", path=victim)) == 1
    behind.migration.assert_at_destination()


def test_what_is_stored_on_neither_way_has_failed_and_nothing_is_switched(behind: Behind, proxy: S3Proxy) -> None:
    victim = MANY[4]
    proxy.befall(Swallow(), "COPY", "PUT", key=behind.key(victim))

    behind.run("apply").must_end(FAILED)

    assert behind.failed() == {name(victim): "not-stored"}
    behind.migration.assert_not_switched()
    proxy.heal()
    behind.run("apply").must_end(DONE)
    behind.migration.assert_at_destination()


@pytest.mark.parametrize("ahead", [True, False], ids=["copied ahead", "in one run"])
def test_full_verification_reads_every_copy_and_no_source(behind: Behind, proxy: S3Proxy, ahead: bool) -> None:
    if ahead:
        behind.run("apply", "--through", "copy").must_end(DONE)
        assert proxy.of("GET", path=DOCUMENTS) == []

    behind.run("apply", "--verify", "full").must_end(DONE)

    assert proxy.of("GET", path=OLD_DOCUMENTS) == []
    assert len({one.path for one in proxy.of("GET", path=DOCUMENTS)}) == len(MANY)
    assert len(proxy.of("COPY", path=DOCUMENTS)) == len(MANY)
    behind.migration.assert_at_destination()


def test_8_what_rotted_under_its_old_etag_is_found_by_full_verification_and_told_of_the_source(
    behind: Behind, proxy: S3Proxy
) -> None:
    migration, victim = behind.migration, MANY[4]
    migration.deployment.anchore(migration.source).store_payload(victim, bytes(len(victim.content)))
    rotten = url_for(migration.source.object_store.place, victim).removeprefix("s3://")
    proxy.befall(Etag(f'"{hashlib.md5(victim.content, usedforsecurity=False).hexdigest()}"'), "HEAD", key=rotten)

    behind.run("apply", "--verify", "full").must_end(INTEGRITY)

    assert behind.failed() == {name(victim): "corrupt"}


def test_8_a_damaged_object_is_found_and_copied_nowhere(behind: Behind, proxy: S3Proxy) -> None:
    migration, victim = behind.migration, MANY[4]
    anchore = migration.deployment.anchore(migration.source)
    anchore.store_payload(victim, DAMAGED)

    behind.run("apply").must_end(INTEGRITY)

    assert behind.failed() == {name(victim): "corrupt"}
    assert proxy.of("PUT", "COPY", path=behind.key(victim)) == []
    anchore.store_payload(victim, victim.content)
    behind.run("apply").must_end(DONE)
    migration.assert_at_destination()


@pytest.fixture(params=[(Db(), Db2()), (Db2(), Db())], ids=["db to db2", "db2 to db"])
def tables(request: pytest.FixtureRequest, deployment: Deployment, cli: Cli) -> Migration:
    source, destination = request.param
    made = begin(deployment, cli, Config(Section(source)), Config(Section(destination)), documents=few())
    made.plan()
    return made


def test_between_tables_payloads_stay_in_the_database(tables: Migration) -> None:
    assert transfer(tables) == "in_database"
    tables.apply()
    tables.assert_at_destination()


def test_8_a_damaged_row_is_found_and_copied_nowhere(tables: Migration) -> None:
    victim = tables.bundle
    anchore = tables.deployment.anchore(tables.source)
    anchore.store_payload(victim, DAMAGED)

    said = tables.apply(code=INTEGRITY)

    assert victim.archive_id in said.stderr
    held = [payload.content for payload in tables.deployment.snapshot().payloads.values()]
    assert held.count(DAMAGED) == 1
    anchore.store_payload(victim, victim.content)
    tables.apply()
    tables.assert_at_destination()


def test_a_copy_ahead_outlives_its_source_under_full_verification(tables: Migration) -> None:
    """It is proven by itself: that it cannot be made again says nothing against it."""
    tables.apply("plan.json", "--through", "copy")
    tables.deployment.anchore(tables.source).delete_payload(tables.bundle)

    tables.apply("plan.json", "--verify", "full")

    tables.assert_at_destination()


def test_what_goes_between_two_compressions_is_streamed_and_the_plan_says_why(deployment: Deployment, cli: Cli) -> None:
    source, destination = Config(Section(Db())), Config(Section(Db2(), compress_above_kbytes=1))
    migration = begin(deployment, cli, source, destination, documents=few())
    plan = plan_of(migration.plan())
    assert transfer(migration) == "stream"
    assert "streamed-for-compression" in [finding["code"] for finding in plan["findings"]]
    migration.apply()
    migration.assert_at_destination()
