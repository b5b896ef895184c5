"""Each example carried out on real servers, as an outside auditor finds it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from restow.demo.servers import S3Server
from tests.anchore.config import S3
from tests.anchore.deployment import Deployment
from tests.anchore.s3 import keys
from tests.cli import Cli
from tests.end_to_end.codes import DONE, HAS_MOVES
from tests.end_to_end.migration import PLAN, plan_of
from tests.examples.planning import flags_of
from tests.examples.scenarios import ALL, ENDPOINT, Scenario
from tests.examples.staging import Here, environment_of, new_file, stage

OTHER_ENDPOINT = "s3-to-other-endpoint"
MOVING = [scenario for scenario in ALL if scenario.moves and scenario.name != OTHER_ENDPOINT]
NOT_MOVING = [scenario for scenario in ALL if not scenario.moves]


def name_of(scenario: Scenario) -> str:
    return scenario.name


@pytest.mark.parametrize("scenario", MOVING, ids=name_of)
def test_the_example_is_applied_and_nothing_is_left_to_do(scenario: Scenario, deployment: Deployment, cli: Cli) -> None:
    migration = stage(scenario, deployment, cli, Here(deployment))
    environment = environment_of(scenario, deployment)

    with migration.writes_nothing():
        planned = cli.run(
            "plan", *scenario.files, *flags_of(scenario), "-o", PLAN, "--detailed-exitcode", env=environment
        )
    planned.must_end(scenario.exit_code)

    cli.run("apply", PLAN, "--yes", env=environment).must_end(DONE)
    migration.assert_at_destination()

    with migration.writes_nothing():
        cli.run("apply", PLAN, "--yes", env=environment).must_end(DONE)
        cli.run("verify", new_file(scenario, deployment), "--full", env=environment).must_end(DONE)


@pytest.mark.parametrize("scenario", NOT_MOVING, ids=name_of)
def test_the_example_without_moves_is_nothing_to_do(scenario: Scenario, deployment: Deployment, cli: Cli) -> None:
    migration = stage(scenario, deployment, cli, Here(deployment))
    environment = environment_of(scenario, deployment)

    with migration.writes_nothing():
        cli.run("plan", *scenario.files, "-o", PLAN, env=environment).must_end(DONE)
        said = cli.run("apply", PLAN, "--yes", env=environment).must_end(DONE)
        cli.run("verify", new_file(scenario, deployment), "--full", env=environment).must_end(DONE)
    assert "nothing to do" in said.stderr
    migration.assert_at_destination()


def test_the_example_with_another_endpoint_is_applied(
    deployment: Deployment, cli: Cli, other_s3_server: S3Server
) -> None:
    """No URL changes and the bucket has one name on both servers: what counts is on which of them the payloads are."""
    (scenario,) = (scenario for scenario in ALL if scenario.name == OTHER_ENDPOINT)
    migration = stage(scenario, deployment, cli, Here(deployment, {ENDPOINT: other_s3_server.url}))
    elsewhere = replace(deployment, s3_server=other_s3_server)
    environment = environment_of(scenario, deployment)
    source, destination = (config.object_store.place for config in (migration.source, migration.destination))
    assert isinstance(source, S3)
    assert isinstance(destination, S3)
    deployment.clients.of(destination).create_bucket(Bucket=destination.bucket)
    documents = migration.expected.documents.values()

    with migration.writes_nothing():
        cli.run("plan", *scenario.files, "-o", PLAN, "--detailed-exitcode", env=environment).must_end(HAS_MOVES)
    (move,) = plan_of(deployment.root / PLAN)["moves"]
    assert move["totals"]["to_copy"] == len(documents)

    cli.run("apply", PLAN, "--yes", env=environment).must_end(DONE)
    assert elsewhere.faults(migration.destination, migration.expected) == []
    assert keys(deployment.clients.of(source), source.bucket) == []

    with replace(migration, deployment=elsewhere).writes_nothing():
        cli.run("apply", PLAN, "--yes", env=environment).must_end(DONE)
        cli.run("verify", scenario.files[1], "--full", env=environment).must_end(DONE)
    elsewhere.close()
