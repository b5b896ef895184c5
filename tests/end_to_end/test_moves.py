"""There, back, and there again: what a user gets from plan and apply, as an outside auditor finds it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from restow.demo.servers import S3Server
from tests.anchore import corpus, s3
from tests.anchore.config import S3, Config, Db, Section, url_for
from tests.anchore.deployment import Deployment
from tests.cli import Cli
from tests.end_to_end import scenarios
from tests.end_to_end.migration import begin, few, plan_of
from tests.end_to_end.scenarios import Scenario


@pytest.mark.parametrize("scenario", scenarios.ALL, ids=lambda scenario: scenario.name)
def test_there_and_back_and_there_again(deployment: Deployment, cli: Cli, scenario: Scenario) -> None:
    source, destination = scenario.configs(deployment)
    # Every odd name and content for each pair of drivers; who moves with whom does not depend on them.
    documents = corpus.standard() if scenario in scenarios.SHARED_TO_SHARED else few(20)
    migration = begin(deployment, cli, source, destination, stores=scenario.stores, documents=documents)
    moving = [document for document in migration.expected.documents.values() if document.store in scenario.stores]

    with migration.writes_nothing():
        there = migration.plan()
    totals = [move["totals"] for move in plan_of(there)["moves"]]
    assert sum(total["documents"] for total in totals) == len(moving)
    rows = migration.expected.before.rows
    assert sum(total["bytes"] for total in totals) == sum(rows[document.name]["size"] for document in moving)

    migration.apply(there)
    migration.assert_at_destination()

    with migration.writes_nothing():
        migration.apply(there)

    migration.apply(migration.plan_back())
    migration.assert_at_source()

    again = migration.plan(file="again.json")
    if scenario.same_sizes_again:
        assert again.read_bytes() == there.read_bytes()

    migration.apply(there if scenario.same_sizes_again else again)
    migration.assert_at_destination()


def test_rows_without_digest_get_one_and_lose_nothing(deployment: Deployment, cli: Cli) -> None:
    destination = Config(Section(deployment.s3(), compress_above_kbytes=1))
    migration = begin(deployment, cli, Config(Section(Db())), destination, documents=corpus.old_rows())

    plan = migration.plan()
    assert sum(move["totals"]["unverifiable"] for move in plan_of(plan)["moves"]) == len(corpus.old_rows())

    migration.apply(plan)
    migration.assert_at_destination()

    migration.apply(migration.plan_back())
    migration.assert_at_source()


def test_a_bucket_that_does_not_exist_is_created_when_the_config_says_so(deployment: Deployment, cli: Cli) -> None:
    place = deployment.s3_server
    bucket = deployment.bucket("new", create=False)
    destination = Config(Section(S3(url=place.url, bucket=bucket, create_bucket=True)))
    source = Config(Section(Db()))
    deployment.fill(source, corpus.odd_names())
    deployment.write_config("config.yaml", source)
    deployment.write_config("dest-config.yaml", destination)
    expected = deployment.expect(corpus.odd_names())

    cli.run("plan", "config.yaml", "dest-config.yaml", "-o", "plan.json").must_end(0)
    assert deployment.snapshot().buckets == ()

    cli.run("apply", "plan.json", "--yes").must_end(0)
    assert deployment.faults(destination, expected) == []


def test_documents_in_a_third_place_stay_there(deployment: Deployment, cli: Cli) -> None:
    """Anchore reads any bucket that its endpoint and keys open: such documents are readable before and after."""
    source, destination = Config(Section(deployment.s3())), Config(Section(deployment.s3("next")))
    third = Config(Section(deployment.s3("third")))
    moving, elsewhere = corpus.ordinary(seed=2, count=8), corpus.ordinary(seed=3, count=4)
    deployment.fill(source, moving)
    deployment.fill(third, elsewhere)
    deployment.write_config("config.yaml", source)
    deployment.write_config("dest-config.yaml", destination)
    expected = deployment.expect([*moving, *elsewhere], left_alone=[document.name for document in elsewhere])

    cli.run("plan", "config.yaml", "dest-config.yaml", "-o", "plan.json").must_end(0)
    (move,) = plan_of(deployment.root / "plan.json")["moves"]
    assert (move["totals"]["to_copy"], move["totals"]["elsewhere"]) == (8, 4)

    cli.run("apply", "plan.json", "--yes").must_end(0)
    assert deployment.faults(destination, expected) == []


def test_the_same_bucket_and_prefix_on_another_server(
    deployment: Deployment, cli: Cli, other_s3_server: S3Server
) -> None:
    """Not one URL changes, so rows cannot tell where a document is: the rounds must."""
    place = deployment.s3(prefix="anchore/")
    other = replace(place, url=other_s3_server.url)
    clients = [deployment.clients.of(each) for each in (place, other)]
    clients[1].create_bucket(Bucket=place.bucket)
    source, destination = Config(Section(place)), Config(Section(other))
    migration = begin(deployment, cli, source, destination, documents=few())
    documents = migration.expected.documents
    keys = {url_for(place, document).removeprefix(f"s3://{place.bucket}/") for document in documents.values()}

    def stand_at() -> list[int]:
        return [len(keys & set(s3.keys(client, place.bucket))) for client in clients]

    def assert_at_other() -> None:
        assert deployment.reader(destination).reads_all(documents)
        assert stand_at() == [0, len(documents)]

    there, back = migration.plan(), migration.plan_back()
    migration.apply(there)
    assert_at_other()

    written = clients[1].head_object(Bucket=place.bucket, Key=min(keys))
    with migration.writes_nothing():
        migration.apply(there)
    assert clients[1].head_object(Bucket=place.bucket, Key=min(keys))["LastModified"] == written["LastModified"]
    assert_at_other()

    migration.apply(back)
    migration.assert_at_source()
    assert stand_at() == [len(documents), 0]

    assert migration.plan(file="again.json").read_bytes() == there.read_bytes()
    migration.apply(there)
    assert_at_other()
