"""The same faults while ``clean``, ``undo``, ``verify`` and ``plan --deep`` are at work."""

from __future__ import annotations

import json

import pytest

from tests.anchore.deployment import Deployment
from tests.cli import Cli
from tests.end_to_end.codes import DONE, FAILED, INTEGRITY
from tests.end_to_end.test_accepted import accepting, lose
from tests.faults.behind import RETRIES, from_s3, name, to_s3
from tests.faults.s3_proxy import ALWAYS, CutReply, Fault, S3Proxy, Say

BROKEN = Say(500, "InternalError")
BULK = r"\?delete"


@pytest.mark.parametrize("fault", [CutReply(0), BROKEN], ids=["lost reply", "500"])
def test_a_fault_that_passes_while_sources_are_deleted_is_not_noticed(
    deployment: Deployment, cli: Cli, proxy: S3Proxy, fault: Fault
) -> None:
    behind = from_s3(deployment, cli, proxy)
    behind.run("apply", "--through", "switch").must_end(DONE)
    rule = proxy.befall(fault, "POST", path=BULK, times=RETRIES)

    behind.run("clean").must_end(DONE)

    assert rule.befallen == RETRIES
    behind.migration.assert_at_destination()


def test_where_sources_cannot_be_deleted_in_bulk_each_is_deleted_and_the_one_that_stays_is_told(
    deployment: Deployment, cli: Cli, proxy: S3Proxy
) -> None:
    behind = from_s3(deployment, cli, proxy)
    behind.run("apply", "--through", "switch").must_end(DONE)
    stubborn = behind.documents[3]
    # Such as one key that the server cannot handle: it takes along every request that names it.
    proxy.befall(BROKEN, "POST", path=BULK)
    proxy.befall(BROKEN, "DELETE", key=behind.key(stubborn))

    said = behind.run("clean").must_end(FAILED)

    assert "did not delete 1 payloads" in said.stderr
    assert name(stubborn) in said.stderr
    assert behind.report()["kept_sources"] == {"the source did not delete it": 1}
    behind.migration.assert_at_destination(leftovers=[behind.migration.source])
    proxy.heal()
    behind.run("clean").must_end(DONE)
    behind.migration.assert_at_destination()


def test_a_copy_of_a_document_that_is_to_stay_is_not_forgotten_when_it_cannot_be_deleted(
    deployment: Deployment, cli: Cli, proxy: S3Proxy
) -> None:
    """Such as one under an object lock: it lies where Anchore would write the document anew."""
    behind = to_s3(deployment, cli, proxy)
    behind.run("apply", "--through", "copy").must_end(DONE)
    lost = behind.documents[3]
    lose(behind.migration, lost)
    migration = accepting(behind.migration, [lost])
    migration.plan("--ignore", "documents-unreachable")
    proxy.befall(BROKEN, "POST", path=BULK)
    proxy.befall(BROKEN, "DELETE", key=behind.key(lost))

    said = behind.run("apply").must_end(FAILED)

    assert behind.key(lost) in said.stderr
    assert "could not be deleted" in said.stderr
    proxy.heal()
    behind.run("apply").must_end(DONE)
    migration.assert_at_destination()


def test_a_copy_whose_digest_is_not_told_is_read_before_its_source_goes(
    deployment: Deployment, cli: Cli, proxy: S3Proxy
) -> None:
    behind = to_s3(deployment, cli, proxy)
    behind.run("apply", "--through", "switch").must_end(DONE)
    key = behind.key(behind.documents[3])
    proxy.befall(BROKEN, "HEAD", key=key)

    behind.run("clean").must_end(DONE)

    assert proxy.of("GET", path=key)
    behind.migration.assert_at_destination()


def test_a_copy_that_cannot_be_looked_at_keeps_its_source_and_is_not_called_damaged(
    deployment: Deployment, cli: Cli, proxy: S3Proxy
) -> None:
    behind = to_s3(deployment, cli, proxy)
    behind.run("apply", "--through", "switch").must_end(DONE)
    unseen = behind.documents[3]
    proxy.befall(BROKEN, "HEAD", "GET", key=behind.key(unseen))

    said = behind.run("clean").must_end(FAILED)

    assert name(unseen) in said.stderr
    behind.migration.assert_at_destination(leftovers=[behind.migration.source])
    assert behind.migration.expected.before.rows[unseen.name]["content_url"] in deployment.snapshot().payloads
    proxy.heal()
    behind.run("clean").must_end(DONE)
    behind.migration.assert_at_destination()


@pytest.mark.parametrize("mode", ["digest", "full"])
def test_a_copy_of_an_earlier_run_that_cannot_be_looked_at_stops_the_switch(
    deployment: Deployment, cli: Cli, proxy: S3Proxy, mode: str
) -> None:
    behind = to_s3(deployment, cli, proxy)
    behind.run("apply", "--through", "copy").must_end(DONE)
    unseen = behind.documents[3]
    proxy.befall(BROKEN, "HEAD", "GET", key=behind.key(unseen))

    behind.run("apply", "--verify", mode).must_end(FAILED)

    assert behind.failed() == {name(unseen): "unavailable"}
    assert len(proxy.of("PUT", path=behind.key(unseen))) == 1, "nobody knows that it is wrong"
    behind.migration.assert_not_switched()
    proxy.heal()
    behind.run("apply", "--verify", mode).must_end(DONE)
    behind.migration.assert_at_destination()


@pytest.mark.parametrize("times", [RETRIES, ALWAYS], ids=["passing", "lasting"])
def test_undo_makes_anew_what_it_cannot_see(deployment: Deployment, cli: Cli, proxy: S3Proxy, times: int) -> None:
    behind = from_s3(deployment, cli, proxy)
    behind.run("apply", "--through", "switch").must_end(DONE)
    key = behind.key(behind.documents[3])
    proxy.befall(BROKEN, "HEAD", key=key, times=times)

    behind.run("undo").must_end(DONE)

    assert len(proxy.of("PUT", path=key)) == (1 if times == ALWAYS else 0)
    behind.migration.assert_at_source(leftovers=[behind.migration.destination])


@pytest.mark.parametrize("times", [RETRIES, ALWAYS], ids=["passing", "lasting"])
def test_an_audit_tells_what_cannot_be_looked_at(deployment: Deployment, cli: Cli, proxy: S3Proxy, times: int) -> None:
    behind = from_s3(deployment, cli, proxy)
    unseen = behind.documents[3]
    proxy.befall(BROKEN, "HEAD", "GET", key=behind.key(unseen), times=times)

    said = behind.run("verify", "config.yaml").must_end(DONE if times == RETRIES else INTEGRITY)

    count = len(behind.documents)
    assert f"{count if times == RETRIES else count - 1} of {count} documents" in said.stdout
    assert (f"unreachable {name(unseen)}" in said.stdout) is (times == ALWAYS)


@pytest.mark.parametrize("times", [RETRIES, ALWAYS], ids=["passing", "lasting"])
def test_a_deep_plan_tells_what_cannot_be_looked_at(
    deployment: Deployment, cli: Cli, proxy: S3Proxy, times: int
) -> None:
    behind = from_s3(deployment, cli, proxy)
    unseen = behind.documents[3]
    proxy.befall(BROKEN, "HEAD", "GET", key=behind.key(unseen), times=times)

    said = behind.run("plan", "config.yaml", "dest-config.yaml", "--deep").must_end(DONE)

    findings = {one["code"]: one["examples"] for one in json.loads(said.stdout)["findings"]}
    assert findings.get("payload-unreadable") == ([name(unseen)] if times == ALWAYS else None)
